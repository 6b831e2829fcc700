"""Finds what is too large for the way ahead; the controller tells its sender (RFC 1191: fragmentation needed).

It does so whether or not the packet may be fragmented, which no switch does: who hears of it sends smaller ones. With
segmentation offload the userspace datapath takes many segments for one packet, and cuts them to fit as they leave.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Actions, CheckLarger, Goto, ToController, load
from controller.external import ExternalRoute
from controller.flows import IP, TCP, Fields, Flow, Owner
from controller.intents import Bridge, Route
from controller.marks import OUT_PORT, SOURCE, TO_BE_CUT, TOO_LARGE, Feature, Priority, Source
from controller.marks import PATH_MTU as CARRIED
from controller.path_mtu import PODS, Limit
from controller.tables import (
    FABRIC_PATH_MTU,
    FABRIC_ROUTING,
    FABRIC_TOO_LARGE,
    PATH_MTU,
    SNAT,
)
from controller.tables import TOO_LARGE as TELL

FEATURE = Feature.PATH_MTU


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """A node bridge compares by the port that Routing chose; all tell of what is larger."""
    if not one.limits:
        return
    tell, onward = (FABRIC_TOO_LARGE, FABRIC_ROUTING) if one.fabric else (TELL, SNAT)
    yield owner.flow(tell, Priority.NORMAL, {"eth_type": IP, TOO_LARGE.name: 1}, ToController())
    cut: Fields = {"eth_type": IP, "ip_proto": TCP, TO_BE_CUT.name: 1}
    if any(limit and limit.cut_above for _, limit in one.limits):
        yield owner.flow(tell, Priority.SPECIFIC, cut, Goto(onward))
    if not one.fabric and _spares_pods(one):
        yield owner.flow(PATH_MTU, Priority.FIRST, {"eth_type": IP, SOURCE.name: Source.POD}, Goto(SNAT))
    for port, limit in one.limits if not one.fabric else ():
        fields: Fields = {"eth_type": IP} | ({OUT_PORT.name: port} if port != PODS else {})
        actions: Actions = (*_compare(limit), Goto(TELL)) if limit else (Goto(SNAT),)
        yield owner.flow(PATH_MTU, Priority.FALLBACK if port == PODS else Priority.NORMAL, fields, *actions)


def route(one: Route, owner: Owner) -> Iterator[Flow]:
    """A fabric switch compares by the destination, before a group chooses among the ways there."""
    if one.fabric and one.limit:
        yield _compared(one.destination, one.limit, owner)


def external_route(one: ExternalRoute, owner: Owner) -> Iterator[Flow]:
    """The same for an external address of a Service."""
    if one.limit:
        yield _compared(one.address, one.limit, owner)


def _compared(destination: str, limit: Limit, owner: Owner) -> Flow:
    fields: Fields = {"eth_type": IP, "ipv4_dst": destination}
    return owner.flow(FABRIC_PATH_MTU, Priority.NORMAL, fields, *_compare(limit), Goto(FABRIC_TOO_LARGE))


def _spares_pods(one: Bridge) -> bool:
    """Whether pods send nothing that is too large for any port."""
    limits = {port: limit.mtu for port, limit in one.limits if limit}
    return limits.get(PODS, 0) == min(limits.values())


def _compare(limit: Limit) -> Actions:
    check = (CheckLarger(limit.mtu, TOO_LARGE.name), load(CARRIED, limit.mtu))
    return (*check, CheckLarger(limit.cut_above, TO_BE_CUT.name)) if limit.cut_above else check
