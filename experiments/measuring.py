"""Takes the readings of a schedule, one at a time, and keeps everything that came of each: values, failures, machine.

A reading that failed is tried once more, and both are written down; none is left out in silence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from experiments.ends import Ends
from experiments.machine import Watch
from experiments.measurements import WARM_UP_S, Measurement, Route, seconds_of
from experiments.parse import ToolFailed
from experiments.results import Failure, Reading, Sample
from experiments.scenario import Pace
from experiments.traffic import Meter, Taken
from lab.waiting import wait_until

ATTEMPTS = 2
SERVERS_S = 10.0  # for servers that are starting to answer

Announce = Callable[[Measurement], None]  # told of each reading before it is taken


@dataclass
class Measured:
    """What has come of the readings so far."""

    samples: list[Sample] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def add(self, taken: Taken, reading: Reading) -> None:
        """A reading that worked."""
        self.samples += taken.samples
        self.readings.append(reading)


def warm_up(meter: Meter, measurements: Sequence[Measurement], ends: Mapping[Route, Ends], announce: Announce) -> None:
    """One uncounted reading of each measurement: servers answer, flows are cached, and rates are known.

    A measurement that does not work here will say so when it counts.
    """
    deadline = time.monotonic() + SERVERS_S
    for measurement in measurements:
        announce(measurement)
        works = partial(_works, meter, measurement, ends[measurement.route])
        wait_until(works, max(0.0, deadline - time.monotonic()))


def measure(
    meter: Meter,
    schedule: Sequence[tuple[int, Measurement]],
    ends: Mapping[Route, Ends],
    pace: Pace,
    announce: Announce,
) -> Measured:
    """Every reading of the schedule, in its order."""
    measured = Measured()
    begin = time.monotonic()
    with Watch() as watch:
        for repetition, measurement in schedule:
            announce(measurement)
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    with watch.window() as window:
                        seconds = seconds_of(measurement, pace)
                        taken = meter.take(measurement, ends[measurement.route], repetition, seconds)
                except ToolFailed as error:
                    about = (measurement.metric, repetition, measurement.labels)
                    measured.failures.append(Failure(*about, attempt=attempt, message=str(error)))
                    continue
                measured.add(
                    taken,
                    Reading(
                        order=len(measured.readings),
                        metric=measurement.metric,
                        repetition=repetition,
                        labels=measurement.labels,
                        started_s=round(window.started - begin, 4),
                        seconds=round(window.seconds, 4),
                        attempts=attempt,
                        command=taken.command,
                        machine=window.machine,
                    ),
                )
                break
    return measured


def _works(meter: Meter, measurement: Measurement, ends: Ends) -> bool:
    try:
        meter.take(measurement, ends, 0, WARM_UP_S / 2)
    except ToolFailed:
        return False
    return True
