"""Benchmarks' verdicts, and what counts as left behind."""

from __future__ import annotations

import pytest

from bench.footprint import Footprint
from bench.outcome import AT_LEAST, AT_MOST, Figure, Outcome, samples

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("bound", "target", "values", "verdict"),
    [
        (AT_LEAST, 0.8, (0.7, 0.81, 0.9), "met"),
        (AT_LEAST, 0.8, (0.7, 0.79, 0.9), "missed"),
        (AT_MOST, 6.0, (5.0, 6.0, 9.0), "met"),
        (AT_MOST, 0.0, (1.0,), "missed"),
        (AT_MOST, 0.0, (0.0,), "met"),
    ],
)
def test_the_median_decides(bound: str, target: float, values: tuple[float, ...], verdict: str) -> None:
    assert Figure("f", bound, target, "s", values).verdict == verdict


def test_asked_and_measured_stand_in_one_unit() -> None:
    figure = Figure("up", AT_MOST, 6.0, "s", (5.0, 5.5, 7.0))
    assert (figure.asked, figure.measured) == ("at most 6 s", "5.5 s (5 – 7, n=3)")
    assert Figure("left", AT_MOST, 0.0, "", (0.0,)).measured == "0"


def test_every_reading_is_kept() -> None:
    kept = samples([Outcome((Figure("up", AT_MOST, 6.0, "s", (5.0, 5.5)),))])
    assert [(one.metric, one.unit, one.value, one.repetition) for one in kept] == [
        ("up", "s", 5.0, 0),
        ("up", "s", 5.5, 1),
    ]


def test_what_was_there_before_is_not_left_behind() -> None:
    nothing: frozenset[str] = frozenset()
    before = Footprint(frozenset({1}), frozenset({"lo"}), nothing, frozenset({"/"}), nothing)
    after = Footprint(frozenset({1, 7}), frozenset({"lo", "v1"}), nothing, frozenset({"/"}), frozenset({"x"}))
    assert after.beyond(before) == {"processes": ["7"], "links": ["v1"], "files": ["x"]}
    assert before.beyond(before) == {}
    assert before.beyond(after) == {}
