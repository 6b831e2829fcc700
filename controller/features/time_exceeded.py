"""A packet whose TTL has run out goes to the controller, which answers with ICMP time exceeded (RFC 792).

It is caught before conntrack, as its sender knows it: the error then quotes what was sent, and traceroute works.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import ToController
from controller.flows import IP, Flow, Owner
from controller.intents import Bridge
from controller.marks import Feature, Priority
from controller.tables import CONNTRACK, FABRIC_ROUTING

FEATURE = Feature.TIME_EXCEEDED


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """A TTL of 0 or 1 is not enough to be routed."""
    table, priority = (FABRIC_ROUTING, Priority.FIRST) if one.fabric else (CONNTRACK, Priority.SPECIFIC)
    for ttl in (0, 1):
        yield owner.flow(table, priority, {"eth_type": IP, "nw_ttl": ttl}, ToController())
