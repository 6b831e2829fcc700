"""Routing on fabric switches: the same routes as on node bridges, in the one stage that they have."""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Actions, DecTtl, Output, SetField, ToGroup
from controller.flows import IP, Fields, Flow, Group, Owner
from controller.intents import Bridge, Route, group_of
from controller.marks import Feature, Priority
from controller.tables import FABRIC_ROUTING
from controller.topology import NextHop

FEATURE = Feature.FABRIC


def route(one: Route, owner: Owner) -> Iterator[Flow]:
    """To a node or its pods; a group chooses where several ways are equally short."""
    if not one.fabric:
        return
    many = len(one.next_hops) > 1
    onward: Actions = (ToGroup(group_of(one.dpid, one.next_hops)),) if many else _via(one.next_hops[0])
    fields: Fields = {"eth_type": IP, "ipv4_dst": one.destination}
    yield owner.flow(FABRIC_ROUTING, Priority.NORMAL, fields, SetField("eth_src", one.mac), DecTtl(), *onward)


def bridge(one: Bridge, owner: Owner) -> Iterator[Group]:
    """A group for each set of equally short ways."""
    if one.fabric:
        for next_hops in one.next_hops:
            yield owner.group(group_of(one.dpid, next_hops), tuple(map(_via, next_hops)))


def _via(next_hop: NextHop) -> Actions:
    return (SetField("eth_dst", next_hop.mac), Output(next_hop.port))
