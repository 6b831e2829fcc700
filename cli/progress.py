"""Shows on stderr how a lab comes up: live on a terminal, a line a finished step elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

if TYPE_CHECKING:
    from lab.lifecycle import Progress as Report
    from lab.lifecycle import Step


@contextmanager
def showing_steps() -> Iterator[Report]:
    """What `lifecycle.up` is to report its steps to."""
    if sys.stderr.isatty():
        with _live() as report:
            yield report
    else:
        yield _lines()


@contextmanager
def _live() -> Iterator[Report]:
    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description:<10}"), BarColumn(bar_width=24))
    tasks = {}
    with Progress(*columns, MofNCompleteColumn(), console=Console(stderr=True)) as display:

        def report(step: Step) -> None:
            if step.name not in tasks:
                tasks[step.name] = display.add_task(step.name, total=step.total)
            display.update(tasks[step.name], completed=step.done, total=step.total)

        yield report


def _lines() -> Report:
    finished: set[str] = set()

    def report(step: Step) -> None:
        if step.done >= step.total and step.name not in finished:
            finished.add(step.name)
            count = f" {step.done}/{step.total}" if step.total > 1 else ""
            print(f"{step.name}{count}", file=sys.stderr)

    return report
