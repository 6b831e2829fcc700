"""Isolated pods: what no rule of the policies that isolate them has let through is denied."""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Goto, load
from controller.flows import IP, Fields, Flow, Owner
from controller.marks import DENIED_SIDE, SOURCE, Feature, Priority, Side, Source
from controller.policy.entries import Isolation
from controller.tables import DENIED, EGRESS_DEFAULT, INGRESS_DEFAULT

FEATURE = Feature.ISOLATION


def isolation(one: Isolation, owner: Owner) -> Iterator[Flow]:
    """New connections apart from known ones, so that counters tell them apart, too."""
    own: Fields = {SOURCE.name: Source.POD, "ipv4_src": one.address}
    fields: Fields = {"eth_type": IP, **(own if one.side is Side.EGRESS else {"ipv4_dst": one.address})}
    stage = EGRESS_DEFAULT if one.side is Side.EGRESS else INGRESS_DEFAULT
    deny = (load(DENIED_SIDE, one.side), Goto(DENIED))
    yield owner.flow(stage, Priority.SPECIFIC, {**fields, "ct_state": "+trk+new"}, *deny)
    yield owner.flow(stage, Priority.NORMAL, fields, *deny)
