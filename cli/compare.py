"""`podwire compare`: results side by side, and which differences are more than their spread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import AsJson, print_json

if TYPE_CHECKING:
    from experiments.comparison import Comparison, Difference


def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR DIR...", help="Folders that podwire run has written.", show_default=False),
    ],
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg|FILE.png", help="The plot; beside each later result without it."),
    ] = None,
    same: Annotated[bool, typer.Option("--same", help="Exit with 1 where a difference exceeds the spread.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare each result with the first: medians, spread, and which differences exceed it."""
    from experiments import comparison, folder
    from k8sshim.errors import BadInput, PodwireError

    if len(folders) < 2:
        raise BadInput.of("compares two results or more", field="DIR")
    if plot and (len(folders) > 2 or plot.suffix not in {".svg", ".png"}):
        raise BadInput.of("must be one FILE.svg or FILE.png, of two results", field="--plot")
    first, *others = (folder.read(one) for one in folders)
    made = [comparison.compare(first, other) for other in others]
    drawn = [plot or place / f"compare-{first.id}.svg" for place in folders[1:]]
    for one, path in zip(made, drawn, strict=True):
        _save(one, path)
    if as_json:
        print_json([_raw(one, path) for one, path in zip(made, drawn, strict=True)])
    else:
        for one, path in zip(made, drawn, strict=True):
            _print(one)
            print(path)
    if same and (count := sum(len(one.exceeding) for one in made)):
        raise PodwireError(f"{count} differences exceed the spread")


def _save(one: Comparison, path: Path) -> None:
    from experiments import comparison_plot
    from k8sshim.errors import BadInput

    try:
        comparison_plot.save(one, path)
    except OSError as error:
        raise BadInput.of(f"cannot be written: {error.strerror}", file=str(path)) from error


def _raw(one: Comparison, path: Path) -> dict[str, object]:
    from experiments.comparison import LEVEL, TEST

    return {
        "first": one.first.id,
        "second": one.second.id,
        "test": TEST,
        "level": LEVEL,
        "differences": [difference.to_json() for difference in one.differences],
        "alone": list(one.alone),
        "plot": str(path),
    }


def _print(of: Comparison) -> None:
    from cli.tables import console, print_titled
    from experiments import comparison, wording

    def cells(one: Difference) -> Iterator[str]:
        yield one.name
        for known in (one.before.estimate, one.after.estimate):
            yield f"{wording.quantity(known.median, one.unit)} ({wording.interval(known, one.unit)})"
        yield "-" if one.change is None else f"{100 * one.change:+.1f} %"
        yield f"{one.effect:+.2f}"
        yield f"{one.p:.3f}"
        yield "exceeds the spread" if one.exceeds else ""

    runs = [f"{run.id}: median (interval)" for run in (of.first, of.second)]
    print_titled(
        f"{of.second.name} {of.second.id} beside {of.first.name} {of.first.id}",
        ("figure", *runs, "change", "effect", "p", ""),
        [tuple(cells(one)) for one in of.differences],
    )
    for line in comparison.lines(of):
        console().print(line, markup=False)
