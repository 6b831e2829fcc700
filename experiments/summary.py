"""The figures of a run: readings of one thing taken together, and beside the floors of the same repetitions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from experiments.limits import ALL_BUSY, LATE_MS
from experiments.measurements import Route
from experiments.results import Labels, Reading, Run, Sample
from experiments.statistics import Estimate, estimate, paired_ratios
from experiments.throughput import FLOOR, FLOORS, LOCALITIES, PATHS, PROTOCOLS

_NOT_ROUTE = ("path", "locality", "floor")
_OF_MEASUREMENT = (*_NOT_ROUTE, "protocol", "streams", "message", "percentile")


@dataclass(frozen=True)
class Figure:
    """The readings of one thing, one a repetition."""

    metric: str
    unit: str
    labels: Labels
    values: tuple[tuple[int, float], ...]  # by repetition
    busy: int  # readings taken while all cores were busy
    late: int  # readings while which the experiment's own clock was late

    @cached_property
    def estimate(self) -> Estimate:
        return estimate([value for _, value in self.values])

    @property
    def route(self) -> Route:
        return route_of(self.labels)

    @property
    def kind(self) -> tuple[str, Labels]:
        """What is measured, wherever: figures of one kind can be compared."""
        return self.metric, tuple(label for label in self.labels if label[0] not in _NOT_ROUTE)

    @property
    def swept(self) -> Labels:
        """What was swept in its run: the labels that are no measurement's own."""
        return tuple(label for label in self.labels if label[0] not in _OF_MEASUREMENT)

    def label(self, name: str) -> str | int | None:
        return dict(self.labels).get(name)

    def over(self, other: Figure) -> Estimate | None:
        """The ratio to another figure, taken within each repetition; None where they share none."""
        ratios = paired_ratios(dict(self.values), dict(other.values))
        return estimate(ratios) if ratios else None


@dataclass(frozen=True)
class Figures:
    """All figures of a run, paths before floors."""

    all: tuple[Figure, ...]

    def of(self, metric: str, **labels: str | int) -> tuple[Figure, ...]:
        """Those of a metric that have these labels."""
        wanted = set(labels.items())
        return tuple(one for one in self.all if one.metric == metric and wanted <= set(one.labels))

    def one(self, metric: str, route: Route, **labels: str | int) -> Figure | None:
        """The one of a metric on a route; None where it was not measured."""
        return next((figure for figure in self.of(metric, **labels) if figure.route == route), None)

    def beside(self, figure: Figure, route: Route) -> Figure | None:
        """The figure of the same kind on another route."""
        return next((one for one in self.all if one.kind == figure.kind and one.route == route), None)

    def ratio(self, figure: Figure, route: Route) -> Estimate | None:
        """A figure over the same on another route, a floor for one."""
        other = self.beside(figure, route)
        return figure.over(other) if other else None


def figures(run: Run) -> Figures:
    """The figures that a run's samples make."""
    groups: dict[tuple[str, str, Labels], list[Sample]] = {}
    for sample in run.samples:
        groups.setdefault((sample.metric, sample.unit, sample.labels), []).append(sample)
    readings: dict[tuple[str, Labels], list[Reading]] = {}
    for reading in run.readings:
        readings.setdefault((reading.metric, reading.labels), []).append(reading)
    made = [_figure(key, samples, readings) for key, samples in groups.items()]
    return Figures(tuple(sorted(made, key=_order)))


def route_of(labels: Labels) -> Route:
    """The route that labels name."""
    given = dict(labels)
    locality, floor = given.get("locality"), given.get("floor")
    return Route(str(given.get("path")), str(locality) if locality else None, str(floor) if floor else None)


def floor_routes() -> tuple[Route, ...]:
    """Every floor there may be, the highest first."""
    return tuple(Route(FLOOR, floor=floor) for floor in FLOORS)


def _figure(
    key: tuple[str, str, Labels], samples: Iterable[Sample], readings: dict[tuple[str, Labels], list[Reading]]
) -> Figure:
    metric, unit, labels = key
    bare = tuple(label for label in labels if label[0] != "percentile")
    taken = [one for (_, of), some in readings.items() if of == bare for one in some]
    return Figure(
        metric=metric,
        unit=unit,
        labels=labels,
        values=tuple(sorted((sample.repetition, sample.value) for sample in samples)),
        busy=sum(one.machine.cores_busy >= ALL_BUSY for one in taken),
        late=sum(one.machine.late_ms >= LATE_MS for one in taken),
    )


def _order(figure: Figure) -> tuple[object, ...]:
    given = dict(figure.labels)

    def place(name: str, known: Sequence[str]) -> tuple[int, str]:
        value = str(given.get(name, ""))
        return (known.index(value) if value in known else len(known), value)

    numbers = (int(given.get("streams", 0)), int(given.get("message", 0)), int(given.get("percentile", 0)))
    return (
        *(place("path", (*PATHS, FLOOR)), place("locality", LOCALITIES), place("floor", FLOORS)),
        *(figure.metric, place("protocol", PROTOCOLS), numbers),
    )
