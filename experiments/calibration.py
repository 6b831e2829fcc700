"""This machine's floors and the lateness of its timer: measured once, and kept where labs' state is.

The floors are those of the experiment `throughput`, taken by the scenario `calibrate`; what is kept says on which
kernel and processor they were taken, and counts for no other. There is a file for each: the micro-VM is another
machine that has the same folder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from experiments import environment
from experiments.results import Run
from experiments.statistics import quantile
from experiments.summary import figures
from experiments.trust import CALIBRATE, key
from k8sshim.errors import PodwireError
from lab import state

SCENARIO = CALIBRATE
VERSION = 1
_SAME = ("kernel", "processor", "cores")
_SLEEPS, _SLEEP_S = 1000, 0.001


@dataclass(frozen=True)
class Timer:
    """How much later than asked a thread that slept for a millisecond woke up."""

    median_us: float
    p99_us: float
    worst_us: float
    sleeps: int = _SLEEPS


def timer() -> Timer:
    """The lateness of this machine's timer, as a program like ours meets it."""
    late_us = []
    for _ in range(_SLEEPS):
        due = time.monotonic() + _SLEEP_S
        time.sleep(_SLEEP_S)
        late_us.append(1e6 * (time.monotonic() - due))
    median, p99, worst = (round(quantile(late_us, q), 1) for q in (0.5, 0.99, 1.0))
    return Timer(median, p99, worst)


def of(run: Run, late: Timer) -> dict[str, Any]:
    """What a run of the scenario says of the machine."""
    machine = run.environment["machine"]
    return {
        "version": VERSION,
        "when": run.started,
        **{name: machine.get(name) for name in _SAME},
        "floors": {key(one.labels, one.metric): {"unit": one.unit, **asdict(one.estimate)} for one in figures(run).all},
        "timer": asdict(late),
    }


def store(found: dict[str, Any]) -> Path:
    """Keep it; the file. Raises PodwireError."""
    file = _file(found)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(found, indent=1) + "\n")
        fresh.replace(file)
    except OSError as error:
        raise PodwireError(f"{file}: cannot be written: {error.strerror}") from error
    return file


def stored() -> dict[str, Any] | None:
    """What is kept, where it is of this machine."""
    machine = environment.machine()
    try:
        found = json.loads(_file(machine).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        return None
    return found if all(found.get(name) == machine.get(name) for name in _SAME) else None


def _file(of_machine: Mapping[str, Any]) -> Path:
    same = json.dumps([of_machine.get(name) for name in _SAME])
    return state.calibrations() / f"{sha256(same.encode()).hexdigest()[:12]}.json"
