"""What every experiment tells that measures systems at growing sizes: one figure of one system by size. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from experiments import slopes, wording
from experiments.results import Run
from experiments.slopes import Slope
from experiments.statistics import Estimate, estimate
from experiments.story import Table

Detail = str | int  # percentile, or part of the memory; "" where a metric has none
About = tuple[str, Detail]  # a metric and its detail


@dataclass(frozen=True)
class Sweep:
    """What grows, and what is told of it."""

    label: str  # of the samples: the size
    one: str  # of what there are so many
    many: str
    titles: Mapping[About, str]
    systems: Mapping[str, str]  # names for a person, in the order of the tables

    def count(self, size: int) -> str:
        """`1 Service`, `1,000 Services`."""
        return f"{size} {self.one if size == 1 else self.many}"


@dataclass(frozen=True)
class Series:
    """One figure of one system, by size."""

    sweep: Sweep
    system: str
    metric: str
    detail: Detail
    unit: str
    readings: tuple[tuple[int, tuple[float, ...]], ...]

    @property
    def title(self) -> str:
        return self.sweep.titles[self.metric, self.detail]

    @property
    def name(self) -> str:
        """The system's."""
        return self.sweep.systems[self.system]

    def estimates(self) -> dict[int, Estimate]:
        return {size: estimate(values) for size, values in self.readings}

    @property
    def slope(self) -> Slope | None:
        """How it grows, over all sizes but none at all, which has no logarithm."""
        return slopes.slope({size: one.median for size, one in self.estimates().items() if size})


def series(run: Run, sweep: Sweep) -> list[Series]:
    """Every series of the sweep that was measured, in the order of its titles and systems."""
    found: dict[tuple[str, str, Detail, str], dict[int, list[float]]] = {}
    for sample in run.samples:
        given = dict(sample.labels)
        if sweep.label not in given:
            continue
        detail = given.get("percentile", given.get("part", ""))
        key = (str(given["system"]), sample.metric, detail, sample.unit)
        found.setdefault(key, {}).setdefault(int(given[sweep.label]), []).append(sample.value)
    made = [
        Series(sweep, *key, tuple((size, tuple(values)) for size, values in sorted(by_size.items())))
        for key, by_size in found.items()
        if key[1:3] in sweep.titles
    ]
    order, systems = list(sweep.titles), list(sweep.systems)
    return sorted(made, key=lambda one: (order.index((one.metric, one.detail)), systems.index(one.system)))


def about(made: Sequence[Series], what: About) -> list[Series]:
    """One figure of every system that has it."""
    return [one for one in made if (one.metric, one.detail) == what]


def headline(made: Sequence[Series], wanted: Sequence[About]) -> Iterator[str]:
    """What every system does with the same figure, at the largest size."""
    for what in wanted:
        if of := about(made, what):
            size = max(size for one in of for size, _ in one.readings)
            each = "; ".join(
                f"{one.name} {wording.quantity(known.median, one.unit)}, {slopes.words(one.slope)}"
                for one in of
                if (known := one.estimates().get(size))
            )
            yield f"With {of[0].sweep.count(size)} {of[0].title}: {each}."


def tables(made: Sequence[Series], sweep: Sweep) -> Iterator[Table]:
    """Every figure: systems down, sizes across, and how it grows."""
    for what, title in sweep.titles.items():
        of = about(made, what)
        if not of:
            continue
        sizes = sorted({size for one in of for size, _ in one.readings})
        rows = []
        for one in of:
            known = one.estimates()
            cells = (_cell(known[size], one.unit) if size in known else "–" for size in sizes)
            rows.append((one.name, *cells, slopes.numbers(one.slope), slopes.words(one.slope)))
        yield Table(title, ("system", *map(sweep.count, sizes), "fitted", "in words"), tuple(rows))


def _cell(of: Estimate, unit: str) -> str:
    median = wording.quantity(of.median, unit).strip()
    return f"{median} ({wording.interval(of, unit)})" if of.n > 1 else median
