"""A gateway's own address answers pings; nothing else listens there, and who tries is told by the controller."""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import IN_PORT, Move, Output, SetField, ToController
from controller.border import BorderGateway
from controller.flows import ICMP, IP, Fields, Flow, Owner
from controller.intents import Gateway
from controller.marks import JUDGED_ONLY, REPLY_TTL, Feature, Priority
from controller.tables import CONNTRACK, FABRIC_GUARD, FABRIC_ROUTING, ROUTING, Table

FEATURE = Feature.GATEWAY
ECHO_REPLY, ECHO_REQUEST = 0, 8


def gateway(one: Gateway, owner: Owner) -> Iterator[Flow]:
    """On a node bridge, before conntrack knows of it."""
    yield _echo(one, CONNTRACK, owner)
    asked: Fields = {"eth_type": IP, "ipv4_dst": one.address, JUDGED_ONLY.name: 0}
    yield owner.flow(ROUTING, Priority.SPECIFIC, asked, ToController())


def border_gateway(one: BorderGateway, owner: Owner) -> Iterator[Flow]:
    """At the border."""
    yield _echo(one, FABRIC_GUARD, owner)
    yield owner.flow(FABRIC_ROUTING, Priority.SPECIFIC, {"eth_type": IP, "ipv4_dst": one.address}, ToController())


def _echo(one: Gateway | BorderGateway, table: Table, owner: Owner) -> Flow:
    """An echo request becomes its reply on the spot."""
    return owner.flow(
        table,
        Priority.FIRST,
        {"eth_type": IP, "ip_proto": ICMP, "icmpv4_type": ECHO_REQUEST, "ipv4_dst": one.address},
        Move("eth_src", "eth_dst"),
        SetField("eth_src", one.mac),
        Move("ipv4_src", "ipv4_dst"),
        SetField("ipv4_src", one.address),
        SetField("icmpv4_type", ECHO_REPLY),
        SetField("nw_ttl", REPLY_TTL),
        Output(IN_PORT),
    )
