"""Sends what is for pods of other nodes into the overlay, and lets the overlay's own packets pass between nodes.

Those are untracked: conntrack would remember every connection twice, and the userspace datapath's knows neither GRE nor
IPIP, and takes what it does not know for invalid.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import DecTtl, Goto, SetField, load
from controller.features.exemptions import PAST_POLICY
from controller.flows import IP, UDP, Fields, Flow, Owner
from controller.marks import OUT_PORT, SOURCE, Feature, Priority, Source
from controller.overlay import OverlayEnd, OverlayRoute
from controller.tables import CONNTRACK, PATH_MTU, ROUTING

FEATURE = Feature.OVERLAY
GRE, IPIP = 47, 4  # IP protocols
PORTS = {"vxlan": 4789, "geneve": 6081, "wireguard": 51820}  # of UDP; WireGuard's is its authors' custom
OUTER: dict[str, Fields] = {mode: {"ip_proto": UDP, "udp_dst": port} for mode, port in PORTS.items()}
OUTER |= {"gre": {"ip_proto": GRE}, "ipip": {"ip_proto": IPIP}}


def overlay_end(one: OverlayEnd, owner: Owner) -> Iterator[Flow]:
    """From node to node; pods' addresses are in another range."""
    fields: Fields = {"eth_type": IP, "ipv4_src": one.network, "ipv4_dst": one.network, **OUTER[one.mode]}
    yield owner.flow(CONNTRACK, Priority.STRICT, fields, *PAST_POLICY)


def overlay_route(one: OverlayRoute, owner: Owner) -> Iterator[Flow]:
    """To another node's pods; and to the node itself, of what pods send."""
    fields: Fields = {"eth_type": IP, "ipv4_dst": one.destination}
    if one.pods_only:
        fields = {**fields, SOURCE.name: Source.POD}
    yield owner.flow(
        ROUTING,
        Priority.SPECIFIC if one.pods_only else Priority.NORMAL,
        fields,
        SetField("eth_src", one.mac),
        DecTtl(),
        SetField("eth_dst", one.next_hop.mac),
        load(OUT_PORT, one.next_hop.port),
        Goto(PATH_MTU),
    )
