"""`podwire trace`: the way of one packet."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.arguments import AsJson, AskedProtocol, LabName, Receiver, Sender, print_json


def trace(
    name: LabName,
    source: Sender,
    target: Receiver,
    protocol: AskedProtocol = "",
    source_port: Annotated[
        int, typer.Option(min=1, max=65535, help="The client's port: connections are spread by it.")
    ] = 40000,
    every: Annotated[bool, typer.Option("--all", help="Stages that only hand on, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell the way of a new connection's first packet: stages, switches, and the object that decided."""
    from lab import state
    from lab.tracing import packet, story, tracer

    network, switches = tracer.connect(state.find(name))
    asked = packet.packet(network, source, target, protocol=protocol, source_port=source_port)
    told = story.tell(network, asked, tracer.trace(network, switches, asked))
    if as_json:
        print_json(told.raw())
    else:
        from cli.telling import print_story

        print_story(network, told, every=every)
