"""Where everything ends that a policy denies. New connections are told to the controller, which keeps a log of them.

Every packet towards a connection's destination is judged, also of connections that are open; their answers are not. So
a connection that is denied once it is open is marked, and its answers are dropped from then on; a packet that is
allowed again takes the mark away. The mark is in the zone that was looked up last: the second where sources were
translated, which answers pass first.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Ct, Goto, Metered, ToController
from controller.flows import IP, Fields, Flow, Owner
from controller.intents import Bridge
from controller.marks import (
    CUT,
    DENIALS_METER,
    EXEMPT,
    JUDGED_ONLY,
    SOURCE_TRANSLATED,
    SOURCE_ZONE,
    ZONE,
    Feature,
    Priority,
)
from controller.tables import CONNTRACK, CONNTRACK_COMMIT, CONNTRACK_STATE, DENIED, OUTPUT

FEATURE = Feature.DENIAL
NEW, OPEN, ANSWER = "+trk+new", "+trk-new", "+trk-new+rpl"


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """The same for every policy: who denied what is in registers."""
    if one.fabric:
        return
    tell = (Metered(DENIALS_METER), ToController())
    yield owner.flow(DENIED, Priority.NORMAL, {"eth_type": IP, "ct_state": NEW}, *tell)
    for zone, translated in ((ZONE, 0), (SOURCE_ZONE, 1)):
        either: Fields = {"eth_type": IP, SOURCE_TRANSLATED.name: translated}
        cut = Ct(zone.name, commit=True, load=((CUT.name, 1),))
        yield owner.flow(DENIED, Priority.NORMAL, {**either, "ct_state": OPEN}, cut)
        yield owner.flow(DENIED, Priority.SPECIFIC, {**either, JUDGED_ONLY.name: 1}, cut)
        again: Fields = {**either, CUT.name: 1, EXEMPT.name: 0}
        allow = Ct(zone.name, commit=True, load=((CUT.name, 0),))
        yield owner.flow(CONNTRACK_COMMIT, Priority.SPECIFIC, again, allow, Goto(OUTPUT))
    answers: Fields = {"eth_type": IP, "ct_state": ANSWER, CUT.name: 1}
    for looked_up in (CONNTRACK, CONNTRACK_STATE):
        yield owner.flow(looked_up, Priority.STRICT, answers)
