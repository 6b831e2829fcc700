"""A packet's way, printed for a person: a paragraph a switch, a line a stage."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.markup import escape

from cli.tables import console

if TYPE_CHECKING:
    from lab.tracing.network import Network
    from lab.tracing.story import Story

_COLOURS = {
    "delivered": "green",
    "held": "green",
    "refused": "yellow",
    "rejected": "yellow",
    "dropped": "red",
    "denied": "red",
}


def print_story(network: Network, told: Story, *, every: bool) -> None:
    """Who sends what to whom; each switch with what its stages did; and what became of the packet."""
    out = console()
    sender, target = told.packet.sender, told.packet.target
    ends = (sender.address, target.address)
    if target.port:
        ends = (f"{sender.address}:{told.packet.source_port}", f"{target.address}:{target.port}")
    out.print(f"{escape(sender.name)} ({ends[0]}) to {escape(target.name)} ({ends[1]}), {target.protocol}")
    for switch, steps in groupby(told.steps, key=lambda step: step.switch):
        out.print(f"\n[bold]{escape(network.name_of(switch))}[/]")
        for step in steps:
            if step.words or every:
                out.print(f"  {step.stage:<22}{escape(step.words or 'hands on')}")
    colour = _COLOURS[told.outcome]
    out.print(f"\n[{colour}]{escape(told.verdict)}[/]")
