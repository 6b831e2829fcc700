"""Where readings show the machine and not the network: told for a whole run. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.results import Run

ALL_BUSY = 0.95  # of all cores' time: above it, nothing could have gone faster
LATE_MS = 20.0  # a clock that wakes up later than this has missed what happened meanwhile


def of_readings(run: Run) -> Iterator[str]:
    """How many readings met the machine at its limit."""
    count = len(run.readings)
    busy = sum(one.machine.cores_busy >= ALL_BUSY for one in run.readings)
    late = sum(one.machine.late_ms >= LATE_MS for one in run.readings)
    if busy:
        yield (
            f"All cores were busy during {busy} of {count} readings: rates and times of those are this machine's, "
            "which the switches, the clients and those who answer share. Who answered does not depend on it."
        )
    if late:
        yield f"The experiment's own clock woke up more than {LATE_MS:.0f} ms late during {late} of {count} readings."
    if not busy and not late:
        yield "No reading was taken at the machine's limit."
