"""Tables as they are printed where no terminal limits their width."""

from __future__ import annotations

import pytest

from cli.tables import print_diagnosis, print_matrix, print_table
from experiments.matrix import Cell
from lab.doctor import Diagnosis, Finding

pytestmark = pytest.mark.unit


def cell(source: str, target: str, allowed: bool, port: int = 80) -> Cell:
    return Cell(source, target, port, "TCP", allowed)


def test_a_matrix_of_pods_names_each_once(capsys: pytest.CaptureFixture[str]) -> None:
    print_matrix([cell("d/a", "d/b", True), cell("d/b", "d/a", False), cell("d/b", "d/a", True, port=81)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["from", "\\", "to", "1", "2"], ["1", "d/a", "·", "✓"], ["2", "d/b", "1/2", "·"]]


def test_services_have_letters_that_are_told_below(capsys: pytest.CaptureFixture[str]) -> None:
    services = [f"d/s{number:02}" for number in range(28)]
    print_matrix([cell("d/a", service, False) for service in services])
    header, row, *legend = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert header[3:5] == ["a", "b"]
    assert header[-2:] == ["aa", "ab"]
    assert row == ["1", "d/a", *["✗"] * 28]
    assert legend[0] == ["a", "d/s00"]
    assert legend[-1] == ["ab", "d/s27"]


def test_a_matrix_of_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_matrix([])
    assert capsys.readouterr().out.startswith("nothing to try: ")


def test_names_with_brackets_are_no_markup_and_nothing_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "pods"), [{"name": "[red]x[/red]", "pods": None}])
    assert capsys.readouterr().out.splitlines()[1].split() == ["[red]x[/red]", "-"]


def test_what_a_machine_lacks_is_told_in_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lacking = Finding("netem", False, "unknown", "no delay", "a kernel with it")
    print_diagnosis(Diagnosis((Finding("cores", True, "2"), lacking), True))
    header, has, lacks, told, verdict = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert (header, has, lacks) == (["feature", "detail"], ["✓", "cores", "2"], ["✗", "netem", "unknown"])
    assert " ".join(told) == "✗ without netem: no delay; to get it: a kernel with it"
    assert verdict[:2] == ["a", "lab"]
