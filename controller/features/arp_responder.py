"""Answers for every address of the network that a pod, node or host is in, with the MAC of its bridge, which routes.

Only requests that carry the asker's own addresses are answered, and a request for its own address is not: that is how
an interface finds out whether somebody else has its address (RFC 5227).
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import IN_PORT, Move, Output, SetField
from controller.border import BorderPort
from controller.flows import ARP, Fields, Flow, Owner
from controller.intents import Bridge, LocalPort
from controller.marks import Feature, Priority
from controller.tables import ARP_RESPONDER, FABRIC_GUARD, Table

FEATURE = Feature.ARP_RESPONDER
REQUEST, REPLY = 1, 2


def local_port(port: LocalPort, owner: Owner) -> Iterator[Flow]:
    """The answer to a pod or node."""
    yield from _answer(port, ARP_RESPONDER, owner)


def border_port(port: BorderPort, owner: Owner) -> Iterator[Flow]:
    """The answer to a host."""
    yield from _answer(port, FABRIC_GUARD, owner)


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """All other ARP ends here."""
    if not one.fabric:
        yield owner.flow(ARP_RESPONDER, Priority.FALLBACK, {"eth_type": ARP})


def _answer(port: LocalPort | BorderPort, table: Table, owner: Owner) -> Iterator[Flow]:
    asker: Fields = {
        "eth_type": ARP, "in_port": port.port, "eth_src": port.mac,
        "arp_op": REQUEST, "arp_spa": port.address, "arp_sha": port.mac,
    }  # fmt: skip
    yield owner.flow(table, Priority.SPECIFIC, {**asker, "arp_tpa": port.address})
    yield owner.flow(
        table,
        Priority.NORMAL,
        {**asker, "arp_tpa": port.network},
        SetField("arp_op", REPLY),
        SetField("eth_dst", port.mac),
        SetField("eth_src", port.bridge_mac),
        Move("arp_tpa", "arp_spa"),
        SetField("arp_tpa", port.address),
        SetField("arp_tha", port.mac),
        SetField("arp_sha", port.bridge_mac),
        Output(IN_PORT),
    )
