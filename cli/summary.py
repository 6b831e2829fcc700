"""Prints what a run measured: a row a path, a column a kind of reading."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from cli.tables import WIDE, console, print_titled
from experiments import kinds, trust, wording
from experiments.measurements import LATENCY, THROUGHPUT
from experiments.report import failure_lines
from experiments.summary import Figure, Figures, figures
from experiments.throughput import FLOOR

if TYPE_CHECKING:
    from experiments.results import Run
    from experiments.story import Story

_PERCENTILES = (50, 99)


def print_summary(run: Run) -> None:
    """What the run measured on stdout, failures on stderr."""
    if story := kinds.of(run).story:
        _print_story(story(run))
    else:
        _print_paths(run)
    for line in trust.sentences(run):
        console().print(line, markup=False)
    for line in failure_lines(run):
        print(f"failed: {line}", file=sys.stderr)


def _print_story(story: Story) -> None:
    for one in story.tables:
        print_titled(one.title, one.columns, one.rows)
    for line in (*story.headline, *story.limits):
        console().print(line, markup=False)


def _print_paths(run: Run) -> None:
    """Medians of every path, each with its ratio to the switch without flows."""
    made = figures(run)
    shown = sorted(dict.fromkeys(one.kind for one in made.all if _shown(one)), key=lambda kind: kind[0] == LATENCY)
    firsts = [next(one for one in made.all if one.kind == kind) for kind in shown]
    screen = console()
    whole = _table(made, firsts)
    unbounded = screen.options.update(width=WIDE)
    if screen.measure(whole, options=unbounded).maximum <= screen.width:
        screen.print(whole)
    else:  # a table a protocol, and a terminal of 80 columns shows every name and number whole
        for heading in dict.fromkeys(map(_topic, firsts)):
            screen.print(_table(made, [one for one in firsts if _topic(one) == heading]))
    for line in (*wording.headline(made), *wording.limits(made), wording.spread(run)):
        console().print(line)


def _table(made: Figures, firsts: Sequence[Figure]) -> Table:
    """A row a route, a column for each kind of the given figures."""
    table = Table("median (× actions=normal)", box=None, pad_edge=False, header_style="bold")
    for first in firsts:
        table.add_column(_heading(first), justify="right")
    for route in dict.fromkeys(one.route for one in made.all):
        on_route = {one.kind: one for one in made.all if one.route == route}
        cells = [_cell(made, on_route[first.kind]) if first.kind in on_route else "-" for first in firsts]
        table.add_row(wording.route(route), *cells, style="dim" if route.path == FLOOR else None)
    return table


def _topic(figure: Figure) -> object:
    return figure.metric, figure.label("protocol") if figure.metric == THROUGHPUT else "", figure.swept


def _shown(figure: Figure) -> bool:
    return figure.metric == THROUGHPUT or (figure.metric == LATENCY and figure.label("percentile") in _PERCENTILES)


def _heading(figure: Figure) -> str:
    swept = [str(value) for _, value in figure.swept]
    if figure.metric == LATENCY:
        return " ".join([f"latency p{figure.label('percentile')}", *swept])
    size = [f"{message} B"] if (message := figure.label("message")) else []
    return " ".join([f"{figure.label('protocol')} ×{figure.label('streams')}", *size, *swept])


def _cell(made: Figures, figure: Figure) -> str:
    text = wording.quantity(figure.estimate.median, figure.unit)
    ratio = made.ratio(figure, wording.BASE)
    return f"{text} ({wording.share(ratio)})" if ratio and figure.route.path != FLOOR else text
