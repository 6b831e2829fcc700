"""What has no route goes to the controller, which tells the sender so (ICMP destination unreachable, RFC 792)."""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import ToController
from controller.flows import IP, Fields, Flow, Owner
from controller.intents import Bridge
from controller.marks import JUDGED_ONLY, Feature, Priority
from controller.tables import FABRIC_ROUTING, ROUTING

FEATURE = Feature.UNREACHABLE
NEVER_ANSWERED = ("224.0.0.0/4", "255.255.255.255")  # RFC 1122, 3.2.2: no errors about multicast and broadcast


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """Where packets enter the network: the other switches get only what somebody before them knew the way of."""
    if one.fabric and not one.border:
        return
    table = FABRIC_ROUTING if one.fabric else ROUTING
    fields: Fields = {"eth_type": IP} if one.fabric else {"eth_type": IP, JUDGED_ONLY.name: 0}
    yield owner.flow(table, Priority.FALLBACK, fields, ToController())
    for addresses in NEVER_ANSWERED:
        yield owner.flow(table, Priority.SPECIFIC, {"eth_type": IP, "ipv4_dst": addresses})
