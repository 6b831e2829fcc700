"""Takes readings one at a time, and keeps everything that comes of each: values, failures, and the machine meanwhile.

A reading that failed is tried once more, and both are written down; none is left out in silence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from experiments.machine import Watch
from experiments.parse import ToolFailed
from experiments.results import Failure, Labels, Reading, Sample

ATTEMPTS = 2


@dataclass(frozen=True)
class Taken:
    """A reading's values, and the command that gave them."""

    command: tuple[str, ...]
    samples: tuple[Sample, ...]


@dataclass
class Measured:
    """What has come of the readings so far."""

    samples: list[Sample] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class Recorder:
    """Keeps a run's readings."""

    def __init__(self, watch: Watch) -> None:
        self.measured = Measured()
        self._watch = watch
        self._begin = time.monotonic()

    def take(self, metric: str, repetition: int, labels: Labels, act: Callable[[], Taken]) -> Taken | None:
        """One reading; None where every attempt failed."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._watch.window() as window:
                    taken = act()
            except ToolFailed as error:
                failure = Failure(metric, repetition, labels, attempt=attempt, message=str(error))
                self.measured.failures.append(failure)
                continue
            self.measured.samples += taken.samples
            self.measured.readings.append(
                Reading(
                    order=len(self.measured.readings),
                    metric=metric,
                    repetition=repetition,
                    labels=labels,
                    started_s=round(window.started - self._begin, 4),
                    seconds=round(window.seconds, 4),
                    attempts=attempt,
                    command=taken.command,
                    machine=window.machine,
                )
            )
            return taken
        return None


@contextmanager
def recording() -> Iterator[Recorder]:
    """A recorder, with the machine watched for as long as the context lasts."""
    with Watch() as watch:
        yield Recorder(watch)
