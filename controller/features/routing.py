"""Routing on node bridges: to the ports of the node itself, and by its uplinks to the rest of the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Actions, DecTtl, Goto, Resubmit, SetField, ToGroup, load
from controller.failover import failover_group, watches
from controller.flows import IP, Fields, Flow, Group, Owner
from controller.intents import Bridge, LocalPort, Route
from controller.marks import OUT_PORT, Feature, Priority
from controller.tables import PATH_MTU, ROUTING
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
        Goto(PATH_MTU),
    )


def route(one: Route, owner: Owner) -> Iterator[Flow]:
    """To another node or its pods; a group chooses where several ways are equally short."""
    if one.fabric:
        return
    onward: Actions = (ToGroup(one.group),) if one.group else (*_via(one.next_hops[0]), Goto(PATH_MTU))
    fields: Fields = {"eth_type": IP, "ipv4_dst": one.destination}
    yield owner.flow(ROUTING, Priority.NORMAL, fields, SetField("eth_src", one.mac), DecTtl(), *onward)


def bridge(one: Bridge, owner: Owner) -> Iterator[Group]:
    """A group for each set of equally short ways, and one for those that have backups."""
    if one.fabric:
        return
    for number, next_hops in one.groups:
        yield owner.group(number, tuple(map(_onward, next_hops)), watches=watches(next_hops))
    for failover in one.failovers:
        yield failover_group(failover, _onward, owner)


def _onward(next_hop: NextHop) -> Actions:
    return (*_via(next_hop), Resubmit(PATH_MTU))


def _via(next_hop: NextHop) -> tuple[SetField, SetField]:
    return (SetField("eth_dst", next_hop.mac), load(OUT_PORT, next_hop.port))
