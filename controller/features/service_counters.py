"""Counts what the connections of a Service port carry, there and back: their packets have its number as a label.

What is counted are packets of connections that have been answered; connections are counted where they are translated.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Actions, Goto, Move
from controller.features.exemptions import PAST_POLICY
from controller.flows import IP, Fields, Flow, Owner
from controller.marks import MASQUERADE, MASQUERADED, SERVICE_LABEL, Feature, Priority
from controller.services import CountedPort
from controller.tables import CONNTRACK_STATE, EGRESS_ADMIN

FEATURE = Feature.SERVICE_COUNTERS
THERE, BACK = "+trk-new-inv-rel-rpl", "+trk-new-inv-rel+rpl"


def counted_port(one: CountedPort, owner: Owner) -> Iterator[Flow]:
    """They go on as all known connections do."""
    seen_as = Move(MASQUERADED.name, MASQUERADE.name)
    onward: dict[str, Actions] = {THERE: (Goto(EGRESS_ADMIN),), BACK: PAST_POLICY}
    for state, go_on in onward.items():
        fields: Fields = {"eth_type": IP, "ct_state": state, SERVICE_LABEL.name: one.label}
        yield owner.flow(CONNTRACK_STATE, Priority.SPECIFIC, fields, seen_as, *go_on)
