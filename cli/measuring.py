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

from experiments import experiment
from experiments.planning import STOP_S

if TYPE_CHECKING:
    from experiments.catalogue import Prepared
    from lab.lifecycle import Step

Tell = Callable[[float, str], None]  # seconds of the forecast that have been worked off, and what is done now
_MOST = 99  # per cent, while anything is still to be done
_LINE_EVERY = 0.1  # of the whole, where there is no terminal


class Forecast:
    """Counts how much of the forecast a run has worked off, and tells it."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._worked_s, self._under_way_s = 0.0, 0.0

    def coming_up(self, step: Step) -> None:
        self._tell(self._worked_s, f"lab comes up: {step.name} {step.done}/{step.total}")

    def doing(self, what: str, seconds: float) -> None:
        self._advance(seconds)
        self._tell(self._worked_s, what)

    def going_down(self) -> None:
        self._advance(STOP_S)
        self._tell(self._worked_s, "lab goes down")

    def _advance(self, seconds: float) -> None:
        """What was under way is done, and something begins that should take so long."""
        self._worked_s, self._under_way_s = self._worked_s + self._under_way_s, seconds


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
def showing_run(prepared: Prepared) -> Iterator[Forecast]:
    """Who an experiment is to tell how far it is."""
    planned = experiment.expected(prepared)
    total, times, name = planned.seconds, planned.repetitions, prepared.scenario.name
    labs = f" in {planned.labs} labs" if planned.labs > 1 else ""
    print(
        f"{name}: {planned.readings} readings{labs}, {times} of each; {clock(total)} expected in all", file=sys.stderr
    )
    if sys.stderr.isatty():
        with _live(total) as tell:
            yield Forecast(tell)
    else:
        yield Forecast(lines(total))


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


def lines(total: float) -> Tell:
    started, shown = time.monotonic(), [-1.0]

    def tell(worked: float, text: str) -> None:
        if worked >= shown[0] + _LINE_EVERY * total or (worked and not shown[0]):
            shown[0] = worked
            left = clock(left_s(worked, total, time.monotonic() - started))
            print(f"{min(_MOST, 100 * worked / total):3.0f} %, {left} left: {text}", file=sys.stderr)

    return tell
