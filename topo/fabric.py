"""The fabric's links with the ports and interfaces of their ends. Pure.

A fabric switch's port i is node i, its port 2000 + k its k-th link to another fabric switch, its port 3001 the border.
A node bridge's uplinks begin at port 2. The border switch's port 2000 + k is its k-th link into the fabric.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass

from .fabric_graph import Graph
from .link_spec import PLAIN, LinkSpec

FIRST_UPLINK = 2  # port of a node bridge
BETWEEN_SWITCHES = 2000  # port of a fabric switch's or the border's first link to a fabric switch, less one
BORDER = "border"
BORDER_PORT = 3001  # of the switches above the border
LONGEST_NAME = 15  # bytes of an interface's name


@dataclass(frozen=True)
class LinkEnd:
    """One end of a link between switches."""

    switch: str
    port: int  # OpenFlow port number
    interface: str


@dataclass(frozen=True)
class FabricLink:
    """A link between two switches."""

    a: LinkEnd
    b: LinkEnd
    like: LinkSpec = PLAIN  # in a plan, with its MTU


Ports = tuple[str, int, str, int]  # of a link: a switch and its port, the other and its port


def links(graph: Graph, uplinks: Sequence[tuple[str, Sequence[str]]], border: Sequence[str]) -> tuple[FabricLink, ...]:
    """Every link: first those of `uplinks` (node bridges in order, each with what it hangs on), the border's last."""
    ports: list[Ports] = [
        (bridge, FIRST_UPLINK + place, switch, node)
        for node, (bridge, switches) in enumerate(uplinks, 1)
        for place, switch in enumerate(switches)
    ]
    degree: Counter[str] = Counter()
    for a, b in graph.links:
        degree.update((a, b))
        ports.append((a, BETWEEN_SWITCHES + degree[a], b, BETWEEN_SWITCHES + degree[b]))
    ports += [(BORDER, BETWEEN_SWITCHES + place, name, BORDER_PORT) for place, name in enumerate(border, 1)]
    taken = {*graph.switches, *(bridge for bridge, _ in uplinks)}
    return tuple(_link(number, one, taken) for number, one in enumerate(ports, 1))


def _link(number: int, ports: Ports, taken: Set[str]) -> FabricLink:
    """Interfaces are called after both ends, here first, or by number where that is too long or ambiguous."""
    a, a_port, b, b_port = ports
    names = (f"{a}-{b}", f"{b}-{a}")
    if len(names[0]) > LONGEST_NAME or "-" in a + b or taken & {*names}:
        names = (f"link{number}_a", f"link{number}_b")
    return FabricLink(LinkEnd(a, a_port, names[0]), LinkEnd(b, b_port, names[1]))
