"""Shows on stderr how far an experiment is and how long it still takes: live on a terminal, in lines elsewhere.

Progress is counted in expected seconds, known before the first packet; so the time left is a forecast from the start.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from experiments import measurements

if TYPE_CHECKING:
    from experiments.measurements import Measurement
    from experiments.scenario import Scenario
    from lab.lifecycle import Step

Tell = Callable[[float, str], None]  # seconds of the forecast that have been worked off, and what is done now
_LINE_EVERY = 0.1  # of the whole, where there is no terminal


class Forecast:
    """Counts how much of the forecast a run has worked off, and tells it."""

    def __init__(self, scenario: Scenario, tell: Tell) -> None:
        self._tell = tell
        self._warm_ups = self._readings = 0
        self._pace = scenario.pace
        self._read_s = 0.0
        self._once = len(measurements.measurements(scenario.traffic))
        self._all = self._once * scenario.pace.repetitions

    def coming_up(self, step: Step) -> None:
        self._tell(0, f"lab comes up: {step.name} {step.done}/{step.total}")

    def warming_up(self, measurement: Measurement) -> None:
        self._warm_ups += 1
        worked = measurements.START_S + (self._warm_ups - 1) * measurements.WARM_UP_S
        self._tell(worked, f"warm-up {self._warm_ups}/{self._once}: {measurement}")

    def reading(self, measurement: Measurement) -> None:
        self._readings += 1
        self._tell(self._before() + self._read_s, f"{self._readings}/{self._all}: {measurement}")
        self._read_s += measurements.reading_s(measurement, self._pace)

    def going_down(self) -> None:
        self._tell(self._before() + self._read_s, "lab goes down")

    def _before(self) -> float:
        """What of the forecast comes before the first reading."""
        return measurements.START_S + self._once * measurements.WARM_UP_S


class TimeLeft(ProgressColumn):
    """What is left of the forecast, corrected by how the run has kept to it so far."""

    def render(self, task: Task) -> Text:
        return Text(f"{clock(left_s(task.completed, task.total or 0, task.elapsed or 0))} left", style="cyan")


def left_s(worked: float, total: float, elapsed: float) -> float:
    """Seconds left when so many of the forecast are worked off after so much time; trusts the forecast at first."""
    remaining = max(0.0, total - worked)
    if worked < 1:
        return remaining
    trust = min(1.0, worked / total)
    return remaining * (trust * elapsed / worked + (1 - trust))


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@contextmanager
def showing_run(scenario: Scenario) -> Iterator[Forecast]:
    """Who an experiment is to tell how far it is."""
    total = measurements.expected_s(scenario)
    pace = scenario.pace
    readings = len(measurements.measurements(scenario.traffic)) * pace.repetitions
    print(
        f"{scenario.name}: {readings} readings, {pace.repetitions} of each; {clock(total)} expected in all",
        file=sys.stderr,
    )
    if sys.stderr.isatty():
        with _live(total) as tell:
            yield Forecast(scenario, tell)
    else:
        yield Forecast(scenario, _lines(total))


@contextmanager
def _live(total: float) -> Iterator[Tell]:
    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TimeLeft(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("lab comes up", total=total)
        yield lambda worked, text: display.update(task, completed=worked, description=escape(text))


def _lines(total: float) -> Tell:
    started, shown = time.monotonic(), [-1.0]

    def tell(worked: float, text: str) -> None:
        if worked >= shown[0] + _LINE_EVERY * total or (worked and not shown[0]):
            shown[0] = worked
            left = clock(left_s(worked, total, time.monotonic() - started))
            print(f"{100 * worked / total:3.0f} %, {left} left: {text}", file=sys.stderr)

    return tell
