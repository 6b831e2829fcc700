"""Every connection is looked up, so that what was translated is translated back, and remembered on its first packet.

The controller's own packets (ICMP errors) pass even where they belong to no connection that conntrack knows.

What ends a TCP connection begins none, as in Linux (`tcp_conntracks` of nf_conntrack_proto_tcp.c). Open vSwitch would
take a late reset for the first packet of a connection the other way round, and what it had been an answer to for an
answer, which policies do not judge.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Ct, Goto, Move, Nat, SetField, load
from controller.features.exemptions import PAST_POLICY
from controller.flows import IP, TCP, Fields, Flow, Owner
from controller.intents import Bridge
from controller.marks import (
    ENDPOINT,
    JUDGED_ONLY,
    MASQUERADE,
    MASQUERADED,
    REMEMBERED,
    SOURCE,
    SOURCE_TRANSLATED,
    TRANSLATED,
    ZONE,
    Endpoint,
    Feature,
    Priority,
    Source,
)
from controller.tables import CONNTRACK, CONNTRACK_COMMIT, CONNTRACK_STATE, EGRESS_ADMIN, OUTPUT

FEATURE = Feature.CONNTRACK
ENDS = ("0x1/0x1", "0x4/0x4")  # FIN, RST
NEW, KNOWN, INVALID = "+trk+new", "+trk-new-rpl-rel", "+trk+inv"
ANSWER, RELATED = "+trk-new+rpl", "+trk-new-rpl+rel"
NOBODY = "192.0.0.8"  # the dummy address of RFC 7600


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """Look up, tell apart, remember."""
    if one.fabric:
        return
    look_up = Ct(ZONE.name, table=CONNTRACK_STATE, nat=Nat("known"))
    yield owner.flow(CONNTRACK, Priority.FALLBACK, {"eth_type": IP}, look_up)
    yield from _states(owner)
    fields: Fields = {"eth_type": IP, "ct_state": NEW, ENDPOINT.name: 0, SOURCE_TRANSLATED.name: 0}
    remember = Ct(ZONE.name, commit=True, load=((REMEMBERED.name, 1),))
    yield owner.flow(CONNTRACK_COMMIT, Priority.NORMAL, fields, remember, Goto(OUTPUT))


def _states(owner: Owner) -> Iterator[Flow]:
    """New connections go on to the next stage; known ones have an endpoint, and policies judge them anew.

    A packet that follows the first before any answer counts as new, though it has been translated already (in the
    kernel it has not: `untranslated_yet`).
    """
    seen_as = Move(MASQUERADED.name, MASQUERADE.name)
    answered = (seen_as, *PAST_POLICY)
    yield owner.flow(CONNTRACK_STATE, Priority.FIRST, {SOURCE.name: Source.CONTROLLER}, *PAST_POLICY)
    yield owner.flow(CONNTRACK_STATE, Priority.SPECIFIC, {"eth_type": IP, "ct_state": INVALID})
    for flag in ENDS:
        ended: Fields = {"eth_type": IP, "ip_proto": TCP, "ct_state": NEW, "tcp_flags_nxm": flag}
        yield owner.flow(CONNTRACK_STATE, Priority.STRICT, ended)
    yield owner.flow(CONNTRACK_STATE, Priority.NORMAL, {"eth_type": IP, "ct_state": KNOWN}, seen_as, Goto(EGRESS_ADMIN))
    for state in (ANSWER, RELATED):
        yield owner.flow(CONNTRACK_STATE, Priority.NORMAL, {"eth_type": IP, "ct_state": state}, *answered)
    again: Fields = {"eth_type": IP, "ct_state": NEW, TRANSLATED.name: 1}
    chosen = load(ENDPOINT, Endpoint.CHOSEN)
    yield owner.flow(CONNTRACK_STATE, Priority.FALLBACK, again, chosen, seen_as, Goto(EGRESS_ADMIN))
    yield from _judged_only(owner, chosen, seen_as)


def _judged_only(owner: Owner, chosen: SetField, seen_as: Move) -> Iterator[Flow]:
    """Of connections that conntrack knows, whether they were answered or not; nobody else's go on.

    What was not answered yet is translated here: a connection has the translation that it got from its first packet,
    whatever the action says, in the kernel's datapath and in the userspace one, where it has been done. One whose first
    packet was denied, though its Service had been translated, may be put in the second zone, as by its client's next.
    """
    judged: Fields = {"eth_type": IP, JUDGED_ONLY.name: 1}
    asked: Fields = {**judged, "ct_state": NEW, REMEMBERED.name: 1, TRANSLATED.name: 0}
    for known in ({**judged, "ct_state": KNOWN}, asked):
        yield owner.flow(CONNTRACK_STATE, Priority.FIRST, known, seen_as, Goto(EGRESS_ADMIN))
    unanswered: Fields = {**judged, "ct_state": NEW, TRANSLATED.name: 1}
    as_its_first = Ct(ZONE.name, commit=True, nat=Nat("dst", NOBODY), table=EGRESS_ADMIN)
    yield owner.flow(CONNTRACK_STATE, Priority.FIRST, unanswered, chosen, seen_as, as_its_first)
    yield owner.flow(CONNTRACK_STATE, Priority.STRICT, judged)
