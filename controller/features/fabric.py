"""Routing on fabric switches: the same routes as on node bridges, in the one stage that they have."""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Actions, DecTtl, SetField, ToGroup, towards
from controller.failover import failover_group, watches
from controller.flows import IP, Fields, Flow, Group, Owner
from controller.intents import Bridge, Route
from controller.marks import Feature, Priority
from controller.tables import FABRIC_ROUTING
from controller.topology import NextHop

FEATURE = Feature.FABRIC


def route(one: Route, owner: Owner) -> Iterator[Flow]:
    """To a node or its pods; a group chooses where several ways are equally short."""
    if not one.fabric:
        return
    onward: Actions = (ToGroup(one.group),) if one.group else _via(one.next_hops[0])
    fields: Fields = {"eth_type": IP, "ipv4_dst": one.destination}
    yield owner.flow(FABRIC_ROUTING, Priority.NORMAL, fields, SetField("eth_src", one.mac), DecTtl(), *onward)


def bridge(one: Bridge, owner: Owner) -> Iterator[Group]:
    """A group for each set of equally short ways, and one for those that have backups."""
    if not one.fabric:
        return
    for number, next_hops in one.groups:
        yield owner.group(number, tuple(map(_via, next_hops)), watches=watches(next_hops))
    for failover in one.failovers:
        yield failover_group(failover, _via, owner)


def _via(next_hop: NextHop) -> Actions:
    return towards(next_hop.mac, next_hop.port)
