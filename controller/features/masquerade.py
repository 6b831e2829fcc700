"""Outside clients of Services are seen as the node that they came to, so that answers pass its bridge, too.

Not by the node itself, where its own address would be no sender: its answers pass its bridge anyway.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Goto, Move, load
from controller.flows import ICMP, IP, PORT_FIELDS, Fields, Flow, Owner
from controller.intents import LocalPort
from controller.marks import (
    MASQUERADE,
    MASQUERADED,
    NODE_SOURCE_MASKS,
    NODE_SOURCE_PORTS,
    OUT_PORT,
    TO_NODE,
    Feature,
    Priority,
    Source,
)
from controller.tables import CONNTRACK, CONNTRACK_STATE, INGRESS_ADMIN, SERVICE_FRONT_END, SNAT
from controller.translation import look_up_source, source

FEATURE = Feature.MASQUERADE
FRAGMENT = "0x1/0x1"  # Open vSwitch: FLOW_NW_FRAG_ANY. All of a packet take one way, or conntrack never has it whole


def local_port(port: LocalPort, owner: Owner) -> Iterator[Flow]:
    """There and back, for everything that is seen as this node; and what new connections to the node itself are marked.

    Only what can be an answer is looked up in the second zone: the userspace datapath takes a packet through six
    look-ups on its way over all bridges, and drops it at the seventh.
    """
    if port.source is not Source.NODE:
        return
    masqueraded: Fields = {"eth_type": IP, "ct_state": "-rpl", MASQUERADE.name: 1}
    yield owner.flow(SNAT, Priority.SPECIFIC, masqueraded, *source(port.address, NODE_SOURCE_PORTS))
    itself: Fields = {"eth_type": IP, MASQUERADE.name: 1, OUT_PORT.name: port.port}
    yield owner.flow(SNAT, Priority.FIRST, itself, Goto(INGRESS_ADMIN))
    for answer in _answers():
        back: Fields = {"eth_type": IP, "ct_state": "-trk", "ipv4_dst": port.address, **answer}
        yield owner.flow(CONNTRACK, Priority.NORMAL, back, look_up_source())
    new: Fields = {"eth_type": IP, "ct_state": "+trk+new", "ipv4_dst": port.address}
    seen_as = Move(MASQUERADED.name, MASQUERADE.name)  # of what follows the first packet before any answer
    yield owner.flow(CONNTRACK_STATE, Priority.NORMAL, new, load(TO_NODE, 1), seen_as, Goto(SERVICE_FRONT_END))


def _answers() -> Iterator[Fields]:
    """What is sent to a port that sources are translated to. ICMP has none, nor have fragments but the first."""
    yield {"ip_proto": ICMP}
    yield {"ip_frag": FRAGMENT}
    for protocol, port in PORT_FIELDS.items():
        for ports in NODE_SOURCE_MASKS:
            yield {"ip_proto": protocol, port: ports}
