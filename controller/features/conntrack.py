"""Every connection is looked up, so that what was translated is translated back, and remembered on its first packet.

The controller's own packets (ICMP errors) pass even where they belong to no connection that conntrack knows.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Ct, Goto, Nat
from controller.flows import IP, Fields, Flow, Owner
from controller.intents import Bridge
from controller.marks import ENDPOINT, HAIRPIN, SOURCE, ZONE, Feature, Priority, Source
from controller.tables import CONNTRACK, CONNTRACK_COMMIT, CONNTRACK_STATE, OUTPUT, ROUTING

FEATURE = Feature.CONNTRACK
NEW, KNOWN, INVALID = "+trk+new", "+trk-new", "+trk+inv"


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """Look up, tell apart, remember."""
    if one.fabric:
        return
    look_up = Ct(ZONE.name, table=CONNTRACK_STATE, nat=Nat("known"))
    yield owner.flow(CONNTRACK, Priority.FALLBACK, {"eth_type": IP}, look_up)
    yield from _states(owner)
    fields: Fields = {"eth_type": IP, "ct_state": NEW, ENDPOINT.name: 0, HAIRPIN.name: 0}
    yield owner.flow(CONNTRACK_COMMIT, Priority.NORMAL, fields, Ct(ZONE.name, commit=True), Goto(OUTPUT))


def _states(owner: Owner) -> Iterator[Flow]:
    """New connections of pods and nodes go on to the next stage; known ones have been through what they skip here."""
    yield owner.flow(CONNTRACK_STATE, Priority.FIRST, {SOURCE.name: Source.CONTROLLER}, Goto(ROUTING))
    yield owner.flow(CONNTRACK_STATE, Priority.SPECIFIC, {"eth_type": IP, "ct_state": INVALID})
    yield owner.flow(CONNTRACK_STATE, Priority.NORMAL, {"eth_type": IP, "ct_state": KNOWN}, Goto(ROUTING))
    new: Fields = {"eth_type": IP, "ct_state": NEW, SOURCE.name: Source.UPLINK}
    yield owner.flow(CONNTRACK_STATE, Priority.NORMAL, new, Goto(ROUTING))
