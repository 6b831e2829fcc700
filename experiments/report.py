"""Writes a run's report: plots, and one self-contained page on what was measured, on what, and how to repeat it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from experiments import canvas, kinds, trust, wording
from experiments.canvas import Drawn
from experiments.folder import RUN
from experiments.results import Failure, Labels, Run
from experiments.summary import route_of
from k8sshim.errors import PodwireError

PAGE = "report.html"
_WITHIN = re.compile(r"(?<=[\d=]) (?=[^(\s])| (?=[=▲])")  # spaces within a quantity, and before a mark
_INTERVAL = re.compile(r"(\([^()]*–[^()]*\)(?:\s▲)?)")
_OF_ROUTE = ("path", "locality", "floor")
_DRAWN = ("timelines",)  # of the environment: what plots are for


def write(run: Run, folder: Path) -> Path:
    """Write plots and page into the run's folder; the page. Raises BadInput, PodwireError."""
    told = kinds.of(run, str(folder / RUN))
    try:
        drawn = canvas.draw(told.plots(run), folder)
        page = folder / PAGE
        page.write_text(render(run, [(one, _embedded(folder / f"{one.name}.svg")) for one in drawn]))
    except OSError as error:
        raise PodwireError(f"{folder}: the report cannot be written: {error.strerror}") from error
    return page


def render(run: Run, images: list[tuple[Drawn, str]]) -> str:
    """The page; images as data URLs."""
    loader = PackageLoader("experiments", "templates")
    environment = Environment(
        loader=loader,
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["parts"] = parts
    kind = kinds.of(run)
    page = kind.page(run)
    page["limits"] = [*page["limits"], *trust.sentences(run)]
    return environment.get_template(kind.template).render(
        run=run,
        spec=run.scenario["spec"],
        images=images,
        failures=list(failure_lines(run)),
        repeat=repeat(run),
        environment=list(_environment(run)),
        **page,
    )


def failure_lines(run: Run) -> Iterator[str]:
    """Failed attempts, those of one measurement together, with the last one's message in the tool's words."""
    groups: dict[tuple[str, Labels], list[Failure]] = {}
    for failure in run.failures:
        groups.setdefault((failure.metric, failure.labels), []).append(failure)
    for (metric, labels), failures in groups.items():
        detail = " ".join(
            f"×{value}" if name == "streams" else str(value) for name, value in labels if name not in _OF_ROUTE
        )
        taken = sum(one.metric == metric and one.labels == labels for one in run.readings)
        attempts = f"{len(failures)} attempt{_plural(len(failures))} failed, {taken} reading{_plural(taken)}"
        verb = "was" if taken == 1 else "were"
        where = wording.route(route_of(labels))
        yield f"{where}, {metric} {detail}: {attempts} {verb} taken; the last failure: {failures[-1].message}"


def parts(cell: str) -> list[tuple[str, bool]]:
    """A table's cell in parts, and whether each is an interval, which stays on one line; quantities do, too."""
    joined = _WITHIN.sub("\N{NO-BREAK SPACE}", cell)
    return [(part, place % 2 == 1) for place, part in enumerate(_INTERVAL.split(joined))]


def _plural(count: int) -> str:
    return "" if count == 1 else "s"


def repeat(run: Run) -> str:
    """The command that runs the same again; results are put together from the same file and seed."""
    spec = run.scenario["spec"]
    if "command" in spec:
        return str(spec["command"])
    other = "parameters" in spec["quick"] or spec["secondsPerReading"] != spec["quick"]["secondsPerReading"]
    quick = "" if other else " --quick"
    return f"podwire run {run.name}{quick} --repeat {spec['repetitions']} --seed {run.seed}"


def _environment(run: Run) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The environment by group, as names and texts."""
    for group, values in run.environment.items():
        entries = values.items() if isinstance(values, dict) else [("", values)]
        yield group, [(name.replace("_", " "), _text(value)) for name, value in entries if name not in _DRAWN]


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(one) for one in value)
    return "unknown" if value is None else str(value)


def _embedded(image: Path) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(image.read_bytes()).decode()
