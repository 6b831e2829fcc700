"""The watch over the machine: what the kernel tells is read right, and a window tells only what happened in it."""

from __future__ import annotations

import pytest

from experiments import machine
from experiments.machine import Watch, runnable

pytestmark = pytest.mark.unit


def test_runnable_tasks() -> None:
    assert runnable("cpu  1 2\nprocs_running 3\nprocs_blocked 0\n") == 3
    assert runnable("") == 0


def test_a_machine_without_pressure_accounting(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(machine, "_PRESSURE", machine.Path(f"{tmp_path}/none"))
    assert machine.pressure_us() is None
    with Watch() as watch, watch.window() as window:
        pass
    assert window.machine.pressure is None


def test_shares_are_shares() -> None:
    with Watch() as watch:
        for _ in range(2):
            with watch.window() as window:
                sum(range(200_000))
            seen = window.machine
            assert 0 <= seen.cores_busy <= 1
            assert seen.pressure is None or 0 <= seen.pressure <= 1
            assert seen.run_queue >= 0
            assert seen.late_ms >= 0
            assert window.seconds > 0
