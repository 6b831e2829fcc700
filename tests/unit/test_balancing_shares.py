"""Shares against the ideal: counts, sources, who moved, and the chi-square of known cases."""

from __future__ import annotations

import pytest

from experiments.balancing import figures, planning
from experiments.balancing.figures import Shares, by_source, chi_square, moved, observed, verdict
from experiments.balancing.planning import FIRST_PORT, LAST_PORT, Source, sources

pytestmark = pytest.mark.unit

EVEN = {"a": 0.25, "b": 0.25, "c": 0.5}


def shares(mode: str, *counts: dict[str, int], left: str = "", weights: dict[str, int] | None = None) -> Shares:
    return Shares(
        mode, "after" if left else "before", counts, (left,) * len(counts), weights or dict.fromkeys("abc", 1)
    )


def test_every_source_is_another_one_and_another_repetition_has_others() -> None:
    first, second = sources(7, 100, 0), sources(7, 100, 1)
    assert len(set(first)) == len(first) == 100
    assert not set(first) & set(second)
    assert {one.client for one in first} == set(range(7))
    assert all(FIRST_PORT <= one.port <= LAST_PORT for one in sources(2, 5000, 40))


def test_each_endpoint_leaves_in_its_turn() -> None:
    assert [planning.leaving("abc", at) for at in range(4)] == ["a", "b", "c", "a"]


def test_counts_keep_whom_nobody_asked_for() -> None:
    assert observed(["a", "a", "x"], ["a", "b"]) == {"a": 2, "b": 0, "x": 1}


def test_sources_are_addresses_where_a_mode_chooses_by_address() -> None:
    names = {Source(0, 1): "a", Source(0, 2): "b", Source(1, 1): "b"}
    assert by_source(names, "consistent") == {0: "a", 1: "b"}
    assert by_source(names, "hash") == names


def test_moved_needlessly_are_those_whose_endpoint_is_still_there() -> None:
    before, after = {1: "a", 2: "a", 3: "b", 4: "c", 5: "c"}, {1: "b", 2: "c", 3: "b", 4: "b"}
    change = moved(before, after, "a")
    assert (change.share, change.needless) == (0.75, 0.25)


def test_the_chi_square_of_a_textbook_case() -> None:
    """NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4: 5.991 is the 5 % point of two degrees of freedom."""
    assert chi_square([({"a": 25, "b": 25, "c": 50}, EVEN)]).p == 1.0
    test = chi_square([({"a": 30, "b": 20, "c": 50}, EVEN)])
    assert (test.statistic, test.freedom) == (pytest.approx(2.0), 2)
    assert test.p == pytest.approx(0.3679, abs=1e-4)
    twice = chi_square([({"a": 30, "b": 20, "c": 50}, EVEN)] * 2)
    assert (twice.statistic, twice.freedom) == (pytest.approx(4.0), 4)


def test_an_answer_of_who_has_left_is_no_chance() -> None:
    one = shares("hash", {"a": 1, "b": 500, "c": 500}, left="a")
    assert one.test.p == 0.0
    assert verdict(one) == "further from the ideal than chance explains"


def test_weights_count_where_the_mode_looks_at_them() -> None:
    weights = {"a": 1, "b": 2, "c": 5}
    assert shares("weighted", {}, left="c", weights=weights).ideal(0) == {
        "a": pytest.approx(1 / 3),
        "b": pytest.approx(2 / 3),
    }
    assert set(shares("hash", {}, weights=weights).ideal(0).values()) == {1 / 3}


def test_addresses_are_counted_once_whatever_the_repetitions() -> None:
    counts = {"a": 30, "b": 40, "c": 30}
    assert shares("source", counts, counts, counts).test == shares("source", counts).test
    assert shares("hash", counts, counts).test.freedom == 2 * shares("hash", counts).test.freedom


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"a": 100, "b": 100, "c": 100}, "nearer to the ideal than chance would come"),
        ({"a": 90, "b": 110, "c": 100}, "as near to the ideal as chance comes"),
        ({"a": 50, "b": 150, "c": 100}, "further from the ideal than chance explains"),
        ({"a": 2, "b": 1, "c": 1}, "too few connections to tell"),
    ],
)
def test_verdicts(counts: dict[str, int], said: str) -> None:
    assert verdict(shares("hash", counts)) == said
    assert figures.numbers(shares("hash", counts).test).startswith("χ² = ")
