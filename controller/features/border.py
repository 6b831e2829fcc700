"""The border switch lets its hosts send as what they are, and the outside host to no pod and no Service by its address.

What it keeps out is told so by the controller (ICMP communication administratively prohibited, RFC 1812).
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import DecTtl, Goto, SetField, ToController, towards
from controller.border import BorderPort
from controller.flows import IP, Fields, Flow, Owner
from controller.marks import Feature, Priority
from controller.tables import FABRIC_GUARD, FABRIC_PATH_MTU, FABRIC_ROUTING

FEATURE = Feature.BORDER


def border_port(port: BorderPort, owner: Owner) -> Iterator[Flow]:
    """From and to one address of a host; what it sends otherwise is dropped."""
    own: Fields = {
        "eth_type": IP, "in_port": port.port,
        "eth_src": port.mac, "eth_dst": port.bridge_mac, "ipv4_src": port.address,
    }  # fmt: skip
    for cidr in port.refused:
        yield owner.flow(FABRIC_GUARD, Priority.SPECIFIC, {**own, "ipv4_dst": cidr}, ToController())
    yield owner.flow(FABRIC_GUARD, Priority.NORMAL, own, Goto(FABRIC_PATH_MTU))
    yield owner.flow(FABRIC_GUARD, Priority.FALLBACK, {"in_port": port.port})
    yield owner.flow(
        FABRIC_ROUTING,
        Priority.NORMAL,
        {"eth_type": IP, "ipv4_dst": port.address},
        SetField("eth_src", port.bridge_mac),
        DecTtl(),
        *towards(port.mac, port.port),
    )
