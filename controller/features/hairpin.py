"""A client that reaches itself through a Service would see its own address as the other end's, and drop the packet.

So such a connection gets the client's gateway as its source, in a second conntrack zone, since it is in the first that
its destination was translated. Replies go to the gateway, and pass the second zone before the first.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Ct, Nat, load
from controller.flows import IP, Fields, Flow, Owner
from controller.intents import Gateway, LocalPort
from controller.marks import HAIRPIN, HAIRPIN_ZONE, SOURCE, Feature, Priority
from controller.tables import CONNTRACK, INGRESS_POLICY, SNAT

FEATURE = Feature.HAIRPIN


def local_port(port: LocalPort, owner: Owner) -> Iterator[Flow]:
    """There: after routing, source and destination are the same."""
    fields: Fields = {"eth_type": IP, "in_port": port.port, "ipv4_src": port.address, "ipv4_dst": port.address}
    translate = Ct(HAIRPIN_ZONE.name, commit=True, nat=Nat("src", port.gateway), table=INGRESS_POLICY)
    yield owner.flow(SNAT, Priority.SPECIFIC, fields, load(HAIRPIN, 1), translate)


def gateway(one: Gateway, owner: Owner) -> Iterator[Flow]:
    """Back: what goes to the gateway, and has not been here yet, is looked up in the second zone first."""
    fields: Fields = {"eth_type": IP, "ct_state": "-trk", SOURCE.name: one.source, "ipv4_dst": one.address}
    yield owner.flow(CONNTRACK, Priority.NORMAL, fields, Ct(HAIRPIN_ZONE.name, table=CONNTRACK, nat=Nat("known")))
