"""Writes a run's report: plots, and one self-contained page on what was measured, on what, and how to repeat it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from experiments import plots, wording
from experiments.measurements import LATENCY, LOSS, THROUGHPUT
from experiments.plots import Drawn
from experiments.results import Failure, Labels, Run
from experiments.scenario import FLOOR
from experiments.summary import Figure, Figures, figures, floor_routes, route_of
from k8sshim.errors import PodwireError

PAGE = "report.html"
_DETAIL = ("protocol", "streams")
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


def write(run: Run, folder: Path) -> Path:
    """Write plots and page into the run's folder; the page. Raises PodwireError."""
    made = figures(run)
    try:
        drawn = plots.draw(made, folder)
        page = folder / PAGE
        page.write_text(render(run, made, [(one, _embedded(folder / f"{one.name}.svg")) for one in drawn]))
    except OSError as error:
        raise PodwireError(f"{folder}: the report cannot be written: {error.strerror}") from error
    return page


def render(run: Run, made: Figures, images: list[tuple[Drawn, str]]) -> str:
    """The page; images as data URLs."""
    loader = PackageLoader("experiments", "templates")
    environment = Environment(
        loader=loader,
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(PAGE).render(
        run=run,
        spec=run.scenario["spec"],
        headline=list(wording.headline(made)),
        limits=list(wording.limits(made)),
        spread=wording.spread(run),
        images=images,
        floors=[wording.route(route).removeprefix("floor: ") for route in _FLOORS],
        tables=list(tables(made)),
        failures=list(failure_lines(run)),
        repeat=repeat(run),
        environment=list(_environment(run)),
    )


def tables(made: Figures) -> Iterator[Table]:
    """The report's tables: throughput by protocol and streams, latency by percentile."""
    kinds = dict.fromkeys(one.kind for one in made.all if one.metric in (THROUGHPUT, LATENCY))
    for kind in sorted(kinds, key=lambda kind: (kind[0] != THROUGHPUT, str(kind[1]))):
        of = [one for one in made.all if one.kind == kind]
        yield Table(_title(of[0]), tuple(_row(made, one) for one in of))


def failure_lines(run: Run) -> Iterator[str]:
    """Failed attempts, those of one measurement together, with the last one's message in the tool's words."""
    groups: dict[tuple[str, Labels], list[Failure]] = {}
    for failure in run.failures:
        groups.setdefault((failure.metric, failure.labels), []).append(failure)
    for (metric, labels), failures in groups.items():
        detail = " ".join(f"×{value}" if name == "streams" else str(value) for name, value in labels if name in _DETAIL)
        taken = sum(one.metric == metric and one.labels == labels for one in run.readings)
        attempts = f"{len(failures)} attempt{_plural(len(failures))} failed, {taken} reading{_plural(taken)}"
        verb = "was" if taken == 1 else "were"
        where = wording.route(route_of(labels))
        yield f"{where}, {metric} {detail}: {attempts} {verb} taken; the last failure: {failures[-1].message}"


def _plural(count: int) -> str:
    return "" if count == 1 else "s"


def repeat(run: Run) -> str:
    """The command that runs the same again; results are put together from the same file and seed."""
    spec = run.scenario["spec"]
    quick = " --quick" if spec["secondsPerReading"] == spec["quick"]["secondsPerReading"] else ""
    return f"podwire run {run.name}{quick} --repeat {spec['repetitions']} --seed {run.seed}"


def _title(figure: Figure) -> str:
    if figure.metric == LATENCY:
        return f"Round-trip time, percentile {figure.label('percentile')}"
    return f"{figure.label('protocol')} throughput, {wording.streams(figure.label('streams'))}"


def _row(made: Figures, figure: Figure) -> Row:
    known = figure.estimate
    ratios = (made.ratio(figure, floor) for floor in _FLOORS)
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


def _environment(run: Run) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The environment by group, as names and texts."""
    for group, values in run.environment.items():
        entries = values.items() if isinstance(values, dict) else [("", values)]
        yield group, [(name.replace("_", " "), _text(value)) for name, value in entries]


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(one) for one in value)
    return "unknown" if value is None else str(value)


def _embedded(image: Path) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(image.read_bytes()).decode()
