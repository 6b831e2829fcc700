"""`podwire services`: Services, their endpoints, and what they carried."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.arguments import AsJson, LabName, print_json


def services(
    name: LabName,
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="Services of this one.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List each Service with its endpoints, connections and bytes, as the node bridges' flows have counted them."""
    from lab import state
    from lab.tracing import counters, tracer

    network, switches = tracer.connect(state.find(name))
    uses = counters.uses(network, tracer.count(network, switches))
    shown = [use for use in uses if not namespace or use.service.key.namespace in namespace]
    if as_json:
        print_json([use.raw for use in shown])
    else:
        from cli.tables import print_services

        print_services(shown)
