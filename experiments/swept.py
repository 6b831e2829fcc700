"""Figures of runs that sweep their cluster: one table of all labs, and curves or rows of each metric. Pure of acts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure as Canvas

from experiments import curves, strips, trust, wording
from experiments.canvas import Drawn, Plot
from experiments.results import Labels, Run
from experiments.story import Table
from experiments.summary import Figure, figures
from experiments.sweep import text, words

_FEW = 3  # numbers, from which on they are an axis


@dataclass(frozen=True)
class Column:
    """A metric as tables and plots call it."""

    metric: str
    title: str
    percentile: int | None = None
    flag: bool = False  # 0 or 1

    def of(self, run: Run) -> list[Figure]:
        """The figures of it, one each lab."""
        given = {} if self.percentile is None else {"percentile": self.percentile}
        return list(figures(run).of(self.metric, **given))


def fields(run: Run) -> list[str]:
    """What was swept."""
    return list(run.scenario["spec"].get("sweep", {}))


def choice(labels: Labels, names: Sequence[str]) -> Labels:
    """Of a figure's labels, those of what was swept, in its order."""
    given = dict(labels)
    return tuple((name, given[name]) for name in names if name in given)


def short(labels: Labels) -> str:
    """A choice as a row is called."""
    return (
        ", ".join(f"{_last(name)} {value}" if isinstance(value, int) else str(value) for name, value in labels) or "-"
    )


def _last(name: str) -> str:
    return {"podMtu": "pod MTU", "mtu": "MTU"}.get(name.rpartition(".")[2], name.rpartition(".")[2])


def table(run: Run, title: str, columns: Sequence[Column], note: str = "") -> Table:
    """A row for each choice, a column for each metric that was measured."""
    names, shown = fields(run), [one for one in columns if one.of(run)]
    by: dict[Labels, dict[Column, Figure]] = {}
    for column in shown:
        for figure in column.of(run):
            by.setdefault(choice(figure.labels, names), {})[column] = figure
    order = sorted(by, key=lambda labels: [_rank(run, *label) for label in labels])
    rows = tuple(
        (
            *(str(value) for _, value in labels),
            *(cell(by[labels][one], one) if one in by[labels] else "-" for one in shown),
        )
        for labels in order
    )
    return Table(title, (*map(_last, names), *(one.title for one in shown)), rows, note)


def in_order(run: Run, found: Iterable[Figure]) -> list[Figure]:
    """Figures as what was swept has them."""
    return sorted(found, key=lambda one: [_rank(run, *label) for label in choice(one.labels, fields(run))])


def _rank(run: Run, name: str, value: str | int) -> int:
    """The place of a value in what was swept."""
    values = [text(one) for one in run.scenario["spec"]["sweep"][name]]
    return values.index(value) if value in values else len(values)


def cell(figure: Figure, column: Column) -> str:
    """Median and interval, and a mark where the machine was at its limit."""
    known = figure.estimate
    if column.flag:
        return "yes" if known.median > 0.5 else "no"
    mark = " ▲" if trust.busy(figure) else ""
    if known.low == known.high:
        return wording.quantity(known.median, figure.unit) + mark
    return f"{wording.quantity(known.median, figure.unit)} ({wording.beside(known, figure.unit)}){mark}"


def plots(run: Run, name: str, title: str, columns: Sequence[Column]) -> Iterator[Plot]:
    """Curves where something was swept in numbers, rows elsewhere."""
    shown = [one for one in columns if not one.flag and one.of(run)]
    if not shown:
        return
    if along := axis(run):
        says = f"Over {along}: dots are readings, lines join their medians, areas are intervals."
        yield Drawn(name, title, says), partial(_curves, run, shown, along)
    else:
        says = "Each dot a reading, mark: their median, bar: its interval."
        yield Drawn(name, title, says), partial(_rows, run, shown)


def axis(run: Run) -> str:
    """The field that was swept in several numbers; "" where none was."""
    for name, values in run.scenario["spec"].get("sweep", {}).items():
        if sum(isinstance(value, int) and not isinstance(value, bool) for value in values) >= _FEW - 1 and _numeric(
            name
        ):
            return str(name)
    return ""


def _numeric(name: str) -> bool:
    return name.rpartition(".")[2] == "podMtu"


def _curves(run: Run, columns: Sequence[Column], along: str) -> Canvas:
    panels = []
    for column in columns:
        lines: dict[Labels, dict[float, tuple[float, ...]]] = {}
        for figure in column.of(run):
            given = choice(figure.labels, [name for name in fields(run) if name != along])
            at = _place(run, figure.labels, along)
            lines.setdefault(given, {})[at] = tuple(value for _, value in figure.values)
        made = tuple(
            curves.Curve(short(given), tuple(sorted(points.items())))
            for given, points in sorted(lines.items(), key=str)
        )
        panels.append(curves.Panel(column.title, column.of(run)[0].unit, f"{_last(along)}, bytes", made))
    return curves.draw(panels)


def _place(run: Run, labels: Labels, along: str) -> float:
    """Where a figure stands on the axis: `auto` is what it came to in that lab."""
    value = dict(labels)[along]
    if isinstance(value, int):
        return value
    labs: Mapping[str, Mapping[str, float]] = run.environment.get("labs", {})
    return float(labs[words(choice(labels, fields(run)))]["pod_mtu"])


def _rows(run: Run, columns: Sequence[Column]) -> Canvas:
    panels = []
    for column in columns:
        found = in_order(run, column.of(run))
        rows = tuple(
            strips.Row(short(choice(one.labels, fields(run))), tuple(value for _, value in one.values)) for one in found
        )
        panels.append(strips.Panel(column.title, found[0].unit, rows))
    return strips.draw(panels)
