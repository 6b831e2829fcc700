"""What a calibration keeps, for which machine it counts, and what every run says beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_results import RUN

from experiments import calibration, environment, trust
from experiments.calibration import Timer
from experiments.results import Machine, Reading, Run, Sample, labels
from experiments.summary import figures

pytestmark = pytest.mark.unit

FLOOR = labels(path="floor", floor="veth", protocol="TCP", streams=1)
PATH = labels(path="pod-to-pod", locality="cross-node", protocol="TCP", streams=1)


def run_of(floor: float, path: float, **more: Any) -> Run:
    machine = Machine(0.5, 0.25, 3.0, 2.0, softirq=0.125, drops=4)
    samples = tuple(Sample("throughput", "Mbit/s", value, 0, of) for value, of in ((floor, FLOOR), (path, PATH)))
    readings = (Reading(0, "throughput", 0, FLOOR, 0.0, 1.0, 1, (), machine),)
    measured_on = {"machine": {"kernel": "6.1", "processor": "fast", "cores": 2}}
    return replace(RUN, samples=samples, readings=readings, environment=measured_on | more)


def kept(floor: float) -> dict[str, Any]:
    return calibration.of(run_of(floor, 1.0), Timer(50.0, 100.0, 900.0))


def test_it_is_kept_and_counts_for_the_machine_it_was_taken_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    monkeypatch.setattr(environment, "machine", lambda: {"kernel": "6.1", "processor": "fast", "cores": 2})
    assert calibration.stored() is None
    file = calibration.store(kept(1000.0))
    assert file.parent == tmp_path / "calibrations"
    assert calibration.stored() == kept(1000.0)
    monkeypatch.setattr(environment, "machine", lambda: {"kernel": "6.2", "processor": "fast", "cores": 2})
    assert calibration.stored() is None
    other = kept(500.0) | {"kernel": "6.2"}
    assert calibration.store(other) != file
    assert calibration.stored() == other
    monkeypatch.setattr(environment, "machine", lambda: {"kernel": "6.1", "processor": "fast", "cores": 2})
    assert calibration.stored() == kept(1000.0), "the micro-VM's is another"
    file.write_text("{")
    assert calibration.stored() is None


def test_a_figure_near_the_calibrated_floor_is_marked() -> None:
    for path, marked in ((950.0, True), (500.0, False)):
        run = run_of(1000.0, path, calibration=kept(1000.0))
        (one,) = figures(run).of("throughput", path="pod-to-pod")
        assert trust.at_limit(one, kept(1000.0)) is marked
        assert ("show the machine's limit" in " ".join(trust.sentences(run))) is marked


def test_a_slower_machine_is_said_to_be_slower() -> None:
    told = " ".join(trust.sentences(run_of(500.0, 1.0, calibration=kept(1000.0))))
    assert "at 50 % of those that this machine gave when it was calibrated" in told
    assert "did other things as well" in told


def test_every_run_tells_pressure_run_queue_softirqs_and_drops() -> None:
    told = " ".join(trust.sentences(run_of(1.0, 1.0)))
    assert "some task waited for a processor 25 % of the time" in told
    assert "3.0 runnable tasks for 2 cores" in told
    assert "softirqs took 12 % of the cores" in told
    assert "too full for 4 packets, in 1 readings" in told
    assert "not calibrated" in told


def test_the_timer_is_late_and_never_early() -> None:
    late = calibration.timer()
    assert 0 <= late.median_us <= late.p99_us <= late.worst_us
