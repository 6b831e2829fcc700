"""`podwire matrix`: who reaches whom."""

from __future__ import annotations

import sys
from enum import Enum
from typing import Annotated

import typer

from cli.arguments import AsJson, LabName, print_json


class Protocol(str, Enum):
    """What can be tried."""

    TCP = "TCP"
    UDP = "UDP"


class Target(str, Enum):
    """What pods are tried against."""

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
    to: Annotated[Target, typer.Option("--to", help="Other pods, or each Service's ClusterIP.")] = Target.POD,
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="Pods and Services of this one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try every pod pair with real packets; a pair is allowed if an answer came."""
    from experiments.matrix import Wanted, try_all
    from lab import state

    protocols = tuple(one.value for one in protocol or ())
    wanted = Wanted(tuple(port or ()), protocols, tuple(namespace or ()), to is Target.SERVICE)
    cells = try_all(state.find(name), wanted)
    if as_json:
        print_json([cell.raw() for cell in cells])
    else:
        from cli.tables import print_matrix

        print_matrix(cells)
    refused = sum(not cell.allowed for cell in cells)
    print(f"{refused} of {len(cells)} not allowed", file=sys.stderr)
