"""`podwire fault`: something fails on purpose, or is well again."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from cli.arguments import LabName


def fault(
    name: LabName,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="link-down, -up, -silent, -loss, -delay, -heal; switch-kill, -restart; node-kill, -start; pod-kill; "
            "component-kill, -stop, -start; partition, -heal; heal; or ls.",
            show_default=False,
        ),
    ],
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET",
            help="A link as A:B by the names of its ends; a switch, node, pod or component; groups of nodes as n1,n2.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--for", metavar="S", help="Undo it after S seconds, and return then.", min=0)
    ] = None,
    percent: Annotated[float | None, typer.Option(help="Of link-loss: packets lost, each way.")] = None,
    delay_ms: Annotated[float | None, typer.Option("--ms", help="Of link-delay: milliseconds, each way.")] = None,
) -> None:
    """Make something in the lab fail, or undo that; each fault has its opposite, and heal undoes them all."""
    from lab import state
    from lab.faults import injecting, kinds

    lab = state.find(name)
    if kind == "ls":
        for one in injecting.standing(lab):
            print(one)
        return
    asked = kinds.parse(kind, targets or (), percent=percent, delay_ms=delay_ms)
    done = injecting.inject(lab, asked if seconds is None else kinds.lasting(asked))
    if seconds is None:
        return
    try:
        time.sleep(seconds)
    finally:
        done.undo()
