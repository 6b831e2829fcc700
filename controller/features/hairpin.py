"""A client that reaches itself through a Service would see its own address as the other end's, and drop the packet.

So such a connection gets the client's gateway as its source, and replies go to the gateway.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.flows import IP, Fields, Flow, Owner
from controller.intents import Gateway, LocalPort
from controller.marks import SOURCE, Feature, Priority
from controller.tables import CONNTRACK
from controller.translation import as_source, look_up_source

FEATURE = Feature.HAIRPIN


def local_port(port: LocalPort, owner: Owner) -> Iterator[Flow]:
    """There: after routing, source and destination are the same; as they are on the way back from a node's own port."""
    itself: Fields = {"eth_type": IP, "in_port": port.port, "ipv4_src": port.address, "ipv4_dst": port.address}
    yield from as_source(owner, {**itself, "ct_state": "-rpl"}, port.gateway)


def gateway(one: Gateway, owner: Owner) -> Iterator[Flow]:
    """Back: what goes to the gateway, and has not been here yet."""
    fields: Fields = {"eth_type": IP, "ct_state": "-trk", SOURCE.name: one.source, "ipv4_dst": one.address}
    yield owner.flow(CONNTRACK, Priority.NORMAL, fields, look_up_source())
