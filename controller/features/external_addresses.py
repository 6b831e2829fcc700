"""External addresses of Services are routed to the nodes that serve them, spread over those that are nearest."""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Actions, DecTtl, SetField, ToGroup, towards
from controller.external import ExternalRoute
from controller.failover import watches
from controller.flows import IP, Fields, Flow, Group, Owner
from controller.marks import Feature, Priority
from controller.tables import FABRIC_ROUTING

FEATURE = Feature.EXTERNAL_ADDRESSES


def external_route(one: ExternalRoute, owner: Owner) -> Iterator[Flow | Group]:
    """On one switch; a group of its own only where not every node serves the address."""
    buckets = tuple(towards(next_hop.mac, next_hop.port) for next_hop in one.next_hops)
    onward: Actions = buckets[0]
    if len(buckets) > 1:
        onward = (ToGroup(one.group),)
        if one.own_group:
            yield owner.group(one.group, buckets, watches=watches(one.next_hops))
    fields: Fields = {"eth_type": IP, "ipv4_dst": one.address}
    yield owner.flow(FABRIC_ROUTING, Priority.SPECIFIC, fields, SetField("eth_src", one.mac), DecTtl(), *onward)
