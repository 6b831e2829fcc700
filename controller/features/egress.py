"""Pods reach what lies outside the cluster as their node; replies come to the node's address and are translated back.

Replies of pods to clients outside are none of this: such a client knows the pod by another address, and gets that.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Ct, CtClear, OutputMark, SetField
from controller.flows import IP, Fields, Flow, Owner
from controller.intents import Bridge, Egress
from controller.marks import (
    CUT,
    NODE_SOURCE_PORTS,
    OUT_PORT,
    SOURCE,
    SOURCE_TRANSLATED,
    ZONE,
    Feature,
    Priority,
    Source,
)
from controller.tables import OUTPUT, SNAT
from controller.translation import as_source, source

FEATURE = Feature.EGRESS


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """What leaves is forgotten, as it is on a wire.

    Within one Open vSwitch the border's reply to a ping is still the same packet, and conntrack, asked about the zone
    that it was in last, would take the reply for the request.
    """
    if not one.fabric:
        fields: Fields = {SOURCE.name: Source.POD, SOURCE_TRANSLATED.name: 1}
        out = OutputMark(OUT_PORT.name)
        yield owner.flow(OUTPUT, Priority.SPECIFIC, fields, CtClear(), SetField("in_port", 0), out)


def egress(one: Egress, owner: Owner) -> Iterator[Flow]:
    """To one range outside. The way back is that of everything which is seen as the node.

    What is allowed again was cut in the first zone, whose marks are not seen any more after this.
    """
    fields: Fields = {"eth_type": IP, "ct_state": "-rpl", SOURCE.name: Source.POD, "ipv4_dst": one.destination}
    yield from as_source(owner, {**fields, CUT.name: 0}, one.address, NODE_SOURCE_PORTS)
    allow = Ct(ZONE.name, commit=True, load=((CUT.name, 0),))
    translate = source(one.address, NODE_SOURCE_PORTS)
    yield owner.flow(SNAT, Priority.SPECIFIC, {**fields, CUT.name: 1}, allow, *translate)
