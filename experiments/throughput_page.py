"""What the report of the experiment `throughput` shows: its tables, and its words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from experiments import wording
from experiments.measurements import LATENCY, LOSS, THROUGHPUT, Route
from experiments.results import Run
from experiments.summary import Figure, Figures, figures, floor_routes
from experiments.throughput import FLOOR
from k8sshim.objects import Raw

TEMPLATE = "throughput.html"
_FLOORS = tuple(reversed(floor_routes()))  # the one that flows are compared with first


@dataclass(frozen=True)
class Row:
    """A figure as the report's table has it."""

    what: str
    route: str
    floor: bool
    median: str
    interval: str
    n: int
    ratios: tuple[tuple[str, str], ...]  # to each floor: median, interval
    loss: str
    limited: bool  # most readings were taken with all cores busy


@dataclass(frozen=True)
class Table:
    """Figures of one kind, a row each."""

    title: str
    rows: tuple[Row, ...]


def page(run: Run) -> Raw:
    """What the template shows beside what every report has."""
    made = figures(run)
    floors = _floors(made)
    return {
        "headline": list(wording.headline(made)),
        "limits": list(wording.limits(made)),
        "spread": wording.spread(run),
        "floors": [wording.route(route).removeprefix("floor: ") for route in floors],
        "tables": list(tables(made, floors)),
    }


def _floors(made: Figures) -> list[Route]:
    """What flows are compared with: the floors that were measured, where anything else was."""
    routes = {one.route for one in made.all}
    return [one for one in _FLOORS if one in routes] if any(one.path != FLOOR for one in routes) else []


def tables(made: Figures, floors: Sequence[Route]) -> Iterator[Table]:
    """The report's tables: throughput by protocol and streams, latency by percentile."""
    kinds = dict.fromkeys(one.kind for one in made.all if one.metric in (THROUGHPUT, LATENCY))
    for kind in sorted(kinds, key=lambda kind: (kind[0] != THROUGHPUT, str(kind[1]))):
        of = [one for one in made.all if one.kind == kind]
        yield Table(_title(of[0]), tuple(_row(made, one, floors) for one in of))


def _title(figure: Figure) -> str:
    if figure.metric == LATENCY:
        return f"Round-trip time, percentile {figure.label('percentile')}{_rest(figure)}"
    return f"{figure.label('protocol')} throughput, {wording.streams(figure.label('streams'))}{_rest(figure)}"


def _rest(figure: Figure) -> str:
    """What else tells the table from others: the size of messages, and what was swept."""
    return wording.messages(figure.label("message")) + "".join(f", {value}" for _, value in figure.swept)


def _row(made: Figures, figure: Figure, floors: Sequence[Route]) -> Row:
    known = figure.estimate
    ratios = (made.ratio(figure, floor) for floor in floors)
    bare = tuple(label for label in figure.labels if label[0] != "percentile")
    loss = next((one for one in made.of(LOSS) if one.labels == bare), None)
    return Row(
        what=figure.metric,
        route=wording.route(figure.route),
        floor=figure.route.path == FLOOR,
        median=wording.quantity(known.median, figure.unit),
        interval=wording.interval(known, figure.unit),
        n=known.n,
        ratios=tuple((wording.share(one), wording.bounds(one)) if one else ("", "") for one in ratios),
        loss=f"{wording.digits(loss.estimate.median)} %" if loss else "",
        limited=2 * figure.busy > known.n,
    )
