"""What features share that translate: what was asked, and how a packet is seen as somebody else's. Pure.

A source is translated in a bridge's second conntrack zone, since it is in the first that a connection's destination is.
Replies pass the second zone before the first.
"""

from __future__ import annotations

from collections.abc import Iterator

from .actions import Actions, Ct, Goto, Nat, load
from .flows import IP, PORT_FIELDS, PROTOCOLS, Fields, Flow, Owner
from .marks import ENDPOINT, REMEMBERED, SOURCE_TRANSLATED, SOURCE_ZONE, TO_NODE, TRANSLATED, ZONE, Priority
from .services import THIS_NODE
from .tables import CONNTRACK, CONNTRACK_STATE, INGRESS_ADMIN, SERVICE_FRONT_END, SNAT


def asked(address: str, protocol: str, port: int) -> Fields:
    """What is sent to a port of an address, or of the node itself."""
    number = PROTOCOLS[protocol]
    where: Fields = {TO_NODE.name: 1} if address == THIS_NODE else {"ipv4_dst": address}
    return {"eth_type": IP, "ip_proto": number, **where, PORT_FIELDS[number]: port}


def untranslated_yet(address: str, protocol: str, port: int, owner: Owner) -> Flow:
    """What follows the first packet before any answer is translated like that: the kernel does only what was answered.

    It goes the way of the first, and the connection keeps the endpoint that it has.
    """
    fields: Fields = {**asked(address, protocol, port), "ct_state": "+trk+new", TRANSLATED.name: 1}
    return owner.flow(CONNTRACK_STATE, Priority.SPECIFIC, fields, Goto(SERVICE_FRONT_END))


def source(address: str, ports: tuple[int, int] = (0, 0)) -> Actions:
    """Go on with this source; the connection is in the first zone already."""
    translate = Ct(SOURCE_ZONE.name, commit=True, nat=Nat("src", address, *ports), table=INGRESS_ADMIN)
    return (load(SOURCE_TRANSLATED, 1), translate)


def as_source(owner: Owner, fields: Fields, address: str, ports: tuple[int, int] = (0, 0)) -> Iterator[Flow]:
    """What matches these fields after routing goes on with this source; a new connection is put in both zones."""
    translate = source(address, ports)
    yield owner.flow(SNAT, Priority.SPECIFIC, fields, *translate)
    new: Fields = {**fields, "ct_state": "+trk+new", ENDPOINT.name: 0}
    remember = Ct(ZONE.name, commit=True, load=((REMEMBERED.name, 1),))
    yield owner.flow(SNAT, Priority.FIRST, new, remember, *translate)


def look_up_source() -> Ct:
    """The way back: what is sent to an address that sources are translated to passes the second zone first."""
    return Ct(SOURCE_ZONE.name, table=CONNTRACK, nat=Nat("known"))
