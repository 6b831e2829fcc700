"""Watches the machine while it measures: a reading taken with every core busy shows the machine, not the network.

A thread of its own wakes up at a fixed pace; how late it wakes is seen there, how many tasks are runnable it asks the
kernel, and busy time and processor pressure are the kernel's own counters, read at a window's two ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from experiments.results import Machine

_PACE_S = 0.02
_PRESSURE = Path("/proc/pressure/cpu")
_STAT = Path("/proc/stat")
_SOFTNET = Path("/proc/net/softnet_stat")


@dataclass
class _Ticks:
    """What the thread has seen since the window opened."""

    late_s: list[float] = field(default_factory=list)
    runnable: list[int] = field(default_factory=list)


class Watch:
    """Watches from `start` to `stop`; `window` tells what happened within it."""

    def __init__(self) -> None:
        self._ticks = _Ticks()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="machine-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @contextmanager
    def window(self) -> Iterator[Window]:
        """What the machine does while the context lasts; its `machine` is set when it ends."""
        self._ticks = ticks = _Ticks()
        window = Window(time.monotonic(), Counters.now())
        yield window
        window.close(ticks.late_s, ticks.runnable)

    def _watch(self) -> None:
        due = time.monotonic() + _PACE_S
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            now = time.monotonic()
            ticks = self._ticks
            ticks.late_s.append(now - due)
            ticks.runnable.append(max(0, runnable(_STAT.read_text()) - 1))  # this thread is no load
            due = max(due + _PACE_S, now)


@dataclass(frozen=True)
class Counters:
    """What the kernel has counted so far."""

    busy_s: float  # over all cores
    softirq_s: float
    pressure_us: int | None
    drops: int | None

    @classmethod
    def now(cls) -> Counters:
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        busy = float(sum(times[:8]) - idle)  # what the hypervisor took counts as busy
        return cls(busy, float(getattr(times, "softirq", 0.0)), pressure_us(), dropped())


class Window:
    """A stretch of time, and the machine in it."""

    def __init__(self, started: float, before: Counters) -> None:
        self.started, self._before = started, before
        self.seconds = 0.0
        self.machine = Machine(0.0, None, 0.0, 0.0)

    def close(self, late_s: list[float], runnable_tasks: list[int]) -> None:
        self.seconds = time.monotonic() - self.started
        before, now = self._before, Counters.now()
        cores_s = self.seconds * (psutil.cpu_count() or 1)
        waited = _less(now.pressure_us, before.pressure_us)
        self.machine = Machine(
            cores_busy=_share((now.busy_s - before.busy_s) / cores_s),
            pressure=None if waited is None else _share(waited / 1e6 / self.seconds),
            run_queue=round(sum(runnable_tasks) / len(runnable_tasks), 2) if runnable_tasks else 0.0,
            late_ms=round(max(late_s, default=0.0) * 1000, 3),
            softirq=_share((now.softirq_s - before.softirq_s) / cores_s),
            drops=_less(now.drops, before.drops),
        )


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 4)


def _less(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before


def runnable(stat: str) -> int:
    """Runnable tasks, as /proc/stat tells."""
    return next((int(line.split()[1]) for line in stat.splitlines() if line.startswith("procs_running")), 0)


def pressure_us() -> int | None:
    """Microseconds so far in which some task waited for a processor; None where the kernel does not tell."""
    try:
        line = _PRESSURE.read_text().splitlines()[0]
    except (OSError, IndexError):
        return None
    return int(line.rpartition("total=")[2])


def dropped() -> int | None:
    """Packets so far that a core's receive queue was too full for; None where the kernel does not tell."""
    try:
        return sum(int(line.split()[1], 16) for line in _SOFTNET.read_text().splitlines())
    except (OSError, IndexError, ValueError):
        return None
