"""Routing on node bridges: to the ports of the node itself, and by its uplinks to the rest of the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Actions, DecTtl, Goto, Resubmit, SetField, ToGroup, load
from controller.flows import IP, Fields, Flow, Group, Owner
from controller.intents import Bridge, LocalPort, Route, group_of
from controller.marks import OUT_PORT, Feature, Priority
from controller.tables import ROUTING, SNAT
from controller.topology import NextHop

FEATURE = Feature.ROUTING


def local_port(port: LocalPort, owner: Owner) -> Iterator[Flow]:
    """To a pod or the node."""
    yield owner.flow(
        ROUTING,
        Priority.SPECIFIC,
        {"eth_type": IP, "ipv4_dst": port.address},
        SetField("eth_src", port.bridge_mac),
        DecTtl(),
        *_via(NextHop(port.port, port.mac)),
        Goto(SNAT),
    )


def route(one: Route, owner: Owner) -> Iterator[Flow]:
    """To another node or its pods; a group chooses where several ways are equally short."""
    if one.fabric:
        return
    many = len(one.next_hops) > 1
    onward: Actions = (ToGroup(group_of(one.dpid, one.next_hops)),) if many else (*_via(one.next_hops[0]), Goto(SNAT))
    fields: Fields = {"eth_type": IP, "ipv4_dst": one.destination}
    yield owner.flow(ROUTING, Priority.NORMAL, fields, SetField("eth_src", one.mac), DecTtl(), *onward)


def bridge(one: Bridge, owner: Owner) -> Iterator[Group]:
    """A group for each set of equally short ways."""
    if one.fabric:
        return
    for next_hops in one.next_hops:
        buckets = tuple((*_via(next_hop), Resubmit(SNAT)) for next_hop in next_hops)
        yield owner.group(group_of(one.dpid, next_hops), buckets)


def _via(next_hop: NextHop) -> tuple[SetField, SetField]:
    return (SetField("eth_dst", next_hop.mac), load(OUT_PORT, next_hop.port))
