"""Fabric shapes: which switches join the node bridges, and which port of each goes where. Pure.

A fabric switch's port i is node i; a leaf's port 2000 + k is spine k; a spine's port k is leaf k. A node bridge's
uplinks begin at port 2. Nodes are spread over the leaves in order, as racks are filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .spec import Fabric

FIRST_UPLINK = 2  # port of a node bridge
FIRST_SPINE = 2000  # port of a leaf, less one


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


def switches(fabric: Fabric) -> tuple[str, ...]:
    """The names of the fabric's switches."""
    if fabric.shape == "single":
        return ("s1",)
    return (*_names("leaf", fabric.leaves), *_names("spine", fabric.spines))


def links(fabric: Fabric, bridges: Sequence[str]) -> tuple[FabricLink, ...]:
    """Every link between the switches of a cluster, the node bridges' uplinks first."""
    if fabric.shape == "single":
        return tuple(_link(bridge, FIRST_UPLINK, "s1", node) for node, bridge in enumerate(bridges, 1))
    uplinks = (
        _link(bridge, FIRST_UPLINK, f"leaf{leaf_of(node, len(bridges), fabric.leaves)}", node)
        for node, bridge in enumerate(bridges, 1)
    )
    between = (
        _link(f"leaf{leaf}", FIRST_SPINE + spine, f"spine{spine}", leaf)
        for leaf in range(1, fabric.leaves + 1)
        for spine in range(1, fabric.spines + 1)
    )
    return (*uplinks, *between)


def leaf_of(node: int, nodes: int, leaves: int) -> int:
    """The leaf of a node, both counted from 1."""
    return (node - 1) * leaves // nodes + 1


def _link(one: str, one_port: int, other: str, other_port: int) -> FabricLink:
    return FabricLink(LinkEnd(one, one_port, f"{one}-{other}"), LinkEnd(other, other_port, f"{other}-{one}"))


def _names(kind: str, number: int) -> tuple[str, ...]:
    return tuple(f"{kind}{index}" for index in range(1, number + 1))
