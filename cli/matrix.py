"""`podwire matrix`: who reaches whom, beside what policies expect."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from cli.arguments import AsJson, LabName, print_json

DIFFERS = 1


class Protocol(str, Enum):
    """What can be tried."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class Start(str, Enum):
    """Where connections start."""

    POD = "pod"
    NODE = "node"


class Target(str, Enum):
    """What is tried."""

    POD = "pod"
    SERVICE = "service"


def matrix(
    name: LabName,
    port: Annotated[
        list[int] | None,
        typer.Option("--port", min=1, max=65535, help="A port; those that targets declare without it."),
    ] = None,
    protocol: Annotated[
        list[Protocol] | None, typer.Option("--protocol", case_sensitive=False, help="TCP for --port without it.")
    ] = None,
    start: Annotated[
        list[Start] | None, typer.Option("--from", help="Who tries: pods without it.", show_default=False)
    ] = None,
    to: Annotated[Target, typer.Option("--to", help="Other pods, or each Service's ClusterIP.")] = Target.POD,
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Pods and Services of this one; else of all but kube-system."),
    ] = None,
    expected: Annotated[
        bool, typer.Option("--expected/--no-expected", help="Hold what comes against what policies expect.")
    ] = True,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write results there, with heat map and report.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try every pod pair with real packets, and mark where policies expect something else.

    A pair is allowed if an answer came. A port that is closed is not allowed, but packets pass, and policies speak of
    packets. The exit code is 1 if anything differs from what is expected.
    """
    from experiments import folder
    from experiments.matrix import kernel_protocols, observe
    from experiments.reach.cells import differences
    from experiments.reach.pairs import Wanted
    from lab import state

    wanted = Wanted(
        ports=tuple(port or ()),
        protocols=tuple(one.value for one in protocol or ()),
        namespaces=tuple(namespace or ()),
        services=to is Target.SERVICE,
        sources=tuple(one.value for one in start or (Start.POD,)),
        kernel=kernel_protocols(),
    )
    lab = state.find(name)
    if out:
        folder.check_writable(out)
    with _showing() as tell:
        found = observe(lab, wanted, compare=expected, tell=tell)
    cells = found.cells
    if as_json:
        print_json([cell.raw() for cell in cells])
    else:
        from cli.matrix_table import print_matrix

        print_matrix(name, cells)
    differing = len(differences(cells))
    beside = f"; {differing} differ from what policies expect" if expected else ""
    print(f"{sum(not cell.allowed for cell in cells)} of {len(cells)} not allowed{beside}", file=sys.stderr)
    if out:
        from experiments import matrix_record

        print(matrix_record.write(lab, wanted, found, out))
    if differing:
        raise typer.Exit(DIFFERS)


@contextmanager
def _showing() -> Iterator[Callable[[int, int], None]]:
    """Who is told how far the probing is: a bar on a terminal, nobody elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("connections"), BarColumn(bar_width=24), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("", total=None)
        yield lambda done, of: display.update(task, completed=done, total=of)
