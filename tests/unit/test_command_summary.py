"""The summary of a run in a terminal: every name and number whole, at 80 columns too."""

from __future__ import annotations

import sys

import pytest

from cli.summary import print_summary
from cli.tables import print_titled
from experiments.results import Labels, Machine, Reading, Run, Sample, labels

pytestmark = pytest.mark.unit

KINDS = [(protocol, streams) for protocol in ("TCP", "UDP") for streams in (1, 4)]
PATHS = (labels(path="pod-to-service", locality="cross-node"), labels(path="floor", floor="ovs-normal"))


def run(*series: Labels) -> Run:
    machine = Machine(0.5, 0.1, 1.0, 1.0)
    seconds = {"tcp": 1.0, "udp": 1.0, "latency": 1.0}
    spec = {
        "experiment": "throughput",
        "repetitions": 1,
        "secondsPerReading": seconds,
        "quick": {"repetitions": 1, "secondsPerReading": seconds},
    }
    return Run(
        id="0",
        started="",
        finished="",
        scenario={"metadata": {"name": "small"}, "spec": spec},
        inputs=(),
        seed=4,
        samples=tuple(Sample("throughput", "Mbit/s", 1230.0, 0, of) for of in series),
        readings=tuple(Reading(0, "throughput", 0, of, 0, 1, 1, (), machine) for of in series),
        failures=(),
        environment={},
    )


RUN = run(*(path + labels(protocol=protocol, streams=streams) for path in PATHS for protocol, streams in KINDS))


def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stdout is a terminal of 80 columns."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")


def rows(capsys: pytest.CaptureFixture[str], start: str) -> list[str]:
    print_summary(RUN)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.startswith(start)]


def test_a_narrow_terminal_has_a_table_a_protocol(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch)
    headings = [line.split(")")[1].split() for line in rows(capsys, "median")]
    assert headings == [["TCP", "×1", "TCP", "×4"], ["UDP", "×1", "UDP", "×4"]]
    served = rows(capsys, "pod to Service, across nodes")
    assert [line.count("1.23 Gbit/s (1.00)") for line in served] == [2, 2]
    assert max(map(len, served)) <= 80


def test_a_file_has_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = rows(capsys, "pod to Service, across nodes")
    assert line.count("1.23 Gbit/s (1.00)") == 4


COLUMNS = ("mode", *(f"throughput {number}" for number in range(4)))
MEASURED = ("wireguard", *("31.6 Mbit/s (20.5 – 38.9)",) * 4)


def test_no_word_of_a_table_is_cut_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch)
    print_titled("All of them", COLUMNS, [MEASURED])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert {"wireguard", "Mbit/s", "throughput"} <= {word for line in lines for word in line.split()}


def test_a_table_that_is_too_wide_for_a_terminal_is_a_paragraph_a_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch)
    columns = (*COLUMNS, *(f"[much] {number}" for number in range(4)))
    print_titled("All of them", columns, [(*MEASURED, *["1"] * 4), ("flat", *["2"] * 8)])
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == ["All of them", "wireguard", "  throughput 0  31.6 Mbit/s (20.5 – 38.9)"]
    assert told[10:12] == ["flat", "  throughput 0  2"]
    assert told[-1] == "  [much] 3      2"


def test_a_file_has_each_table_as_wide_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_titled("All of them", COLUMNS * 3, [MEASURED * 3])
    assert len(capsys.readouterr().out.splitlines()) == 3
