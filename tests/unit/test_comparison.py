"""Results side by side: differences larger than the spread are named, and no others."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from test_results import RUN

from cli.main import run as podwire
from experiments import comparison, comparison_plot, folder
from experiments.comparison import Comparison
from experiments.results import Run, Sample, labels
from k8sshim.errors import BadInput

pytestmark = pytest.mark.unit


def run_of(**figures: Sequence[float]) -> Run:
    samples = [
        Sample("throughput", "Mbit/s", value, repetition, labels(path="pod-to-pod", streams=int(name[1:])))
        for name, values in figures.items()
        for repetition, value in enumerate(values)
    ]
    return replace(RUN, samples=tuple(samples), readings=())


def noisy(around: float, seed: int, n: int = 12) -> list[float]:
    chance = random.Random(seed)
    return [around * (1 + chance.uniform(-0.05, 0.05)) for _ in range(n)]


def compared(first: Run, second: Run) -> Comparison:
    return comparison.compare(first, second)


def test_a_difference_larger_than_the_spread_is_named_and_none_within_it() -> None:
    made = compared(run_of(s1=noisy(100, 1), s4=noisy(100, 2)), run_of(s1=noisy(130, 3), s4=noisy(100, 4)))
    assert [dict(one.labels)["streams"] for one in made.exceeding] == [1]
    (one,) = made.exceeding
    assert one.effect == 1.0
    assert one.change == pytest.approx(0.3, abs=0.05)


def test_the_same_readings_do_not_differ() -> None:
    run = run_of(s1=noisy(100, 1), s4=[7.0] * 12)
    assert [one.p for one in compared(run, run).differences] == [1.0, 1.0]


def test_of_many_comparisons_of_the_same_few_come_out() -> None:
    first = run_of(**{f"s{index}": noisy(100, index) for index in range(1, 81)})
    second = run_of(**{f"s{index}": noisy(100, 1000 + index) for index in range(1, 81)})
    assert len(compared(first, second).exceeding) <= 1


def test_too_few_readings_are_said_to_be_too_few() -> None:
    made = compared(run_of(s1=[1, 2, 3]), run_of(s1=[7, 8, 9]))
    assert made.weak
    assert "more repetitions" in " ".join(comparison.lines(made))


def test_figures_of_one_run_alone_are_counted() -> None:
    assert len(compared(run_of(s1=[1, 2], s4=[1, 2]), run_of(s1=[1, 2])).alone) == 1


def test_runs_that_share_nothing() -> None:
    with pytest.raises(BadInput, match="have no figure in common"):
        compared(run_of(s1=[1.0]), run_of(s4=[1.0]))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = folder.write(run_of(s1=noisy(100, 1)), tmp_path / "a")
    second = folder.write(run_of(s1=noisy(130, 2)), tmp_path / "b")
    assert podwire(["compare", str(first), str(second)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert any("exceeds the spread" in line for line in printed)
    assert Path(printed[-1]).read_text().startswith("<?xml")
    assert podwire(["compare", str(first), str(second), "--json", "--same"]) == 1
    (told,) = json.loads(capsys.readouterr().out)
    assert "Mann-Whitney" in told["test"]
    assert [one["exceedsSpread"] for one in told["differences"]] == [True]
    assert podwire(["compare", str(first), str(first), "--same"]) == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["x"], "podwire: DIR: compares two results or more"),
        (["x", "y"], "podwire: x/run.json: cannot be read: No such file or directory"),
        (["x", "y", "--plot", "z.txt"], "podwire: --plot: must be one FILE.svg or FILE.png, of two results"),
    ],
)
def test_wrong_use(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert podwire(["compare", *arguments]) == 2
    assert capsys.readouterr().err.splitlines() == [line]


def test_what_all_figures_share_is_said_once_beside_their_plot() -> None:
    names = ["flows, pod to pod, way a", "flows, pod to pod, way b", "flows, pod to pod"]
    assert comparison_plot.apart(names) == ("flows, pod to pod", ["way a", "way b", "-"])
    assert comparison_plot.apart(names[:1]) == ("", names[:1])
    assert comparison_plot.apart([]) == ("", [])
