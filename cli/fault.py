"""`podwire fault`: something fails on purpose, or is well again."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import LabName
from cli.endings import ENDINGS, as_ctrl_c

if TYPE_CHECKING:
    from lab.faults.injecting import Injector
    from lab.faults.kinds import Fault

_YEAR_S = 365 * 86400.0


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
        float | None,
        typer.Option("--for", metavar="S", help="Undo it after S seconds, and return then.", min=0, max=_YEAR_S),
    ] = None,
    percent: Annotated[float | None, typer.Option(help="Of link-loss: packets lost, each way.")] = None,
    delay_ms: Annotated[float | None, typer.Option("--ms", help="Of link-delay: milliseconds, each way.")] = None,
) -> None:
    """Make something in the lab fail, or undo that; what lasts has its opposite, and heal undoes all that stands."""
    from k8sshim.errors import BadInput
    from lab import state
    from lab.faults import injecting, kinds

    if kind == "ls":
        if targets or (seconds, percent, delay_ms) != (None, None, None):
            raise BadInput.of("ls lists all faults, and takes no target and no option", field="KIND")
        for one in injecting.standing(state.find(name)):
            print(one)
        return
    lab = state.find(name)
    asked = kinds.parse(kind, targets or (), percent=percent, delay_ms=delay_ms)
    asked = asked if seconds is None else kinds.lasting(asked)
    with injecting.Injector(lab) as injector:
        if seconds is None:
            injector.inject(asked)
        else:
            _for_a_while(injector, asked, seconds)


def _for_a_while(injector: Injector, asked: Fault, seconds: float) -> None:
    """Do it, and undo it after so long, or when somebody ends this command; neither is stopped half way."""
    as_ctrl_c()
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    done = injector.inject(asked)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
        print(f"{done.fault} for {seconds:g} s; Ctrl-C undoes it at once", file=sys.stderr)
        time.sleep(seconds)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
        injector.undo(done)
