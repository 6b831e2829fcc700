"""The overlay as intents: what has a pod's address crosses the fabric inside packets of the nodes. Pure.

The fabric knows nodes alone. So what pods send to other nodes goes by the overlay, too, and what they send to hosts
goes as their node. A node bridge sends into the overlay by one port: to the bridge at the other end, where the port is
a device that finds that bridge's node by its MAC, or to a hop beside the node that routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from k8sshim.cluster import CONTROL_PLANE, Cluster, Switch

from .addresses import is_ipv4
from .topology import NextHop


@dataclass(frozen=True)
class OverlayEnd:
    """On one node bridge, the outer packets of a mode between nodes of a network."""

    dpid: int
    mode: str
    network: str


@dataclass(frozen=True)
class OverlayRoute:
    """On one node bridge, the way by the overlay to addresses of another node; `pods_only`: of what pods send."""

    dpid: int
    mac: str
    destination: str
    next_hop: NextHop
    pods_only: bool


OverlayIntent = OverlayEnd | OverlayRoute


def ends_of(cluster: Cluster) -> Iterator[OverlayEnd]:
    """On every node bridge, where there is an overlay."""
    if cluster.overlay is None:
        return
    for switch in cluster.switches:
        for network in filter(is_ipv4, cluster.node_cidrs) if switch.node else ():
            yield OverlayEnd(switch.dpid, cluster.overlay.mode, network)


def overlay_routes(home: Switch, destinations: Iterable[str], cluster: Cluster) -> list[OverlayRoute]:
    """On every other node bridge, the ways to a node's pods (ranges) and to the node itself (addresses)."""
    others = [switch for switch in cluster.switches if switch.node and switch.overlay_port and switch != home]
    return [
        OverlayRoute(
            switch.dpid,
            switch.mac,
            to,
            NextHop(switch.overlay_port, switch.overlay_mac or home.mac),
            pods_only="/" not in to,
        )
        for switch in others
        for to in destinations
    ]


def no_pods_at(cluster: Cluster) -> tuple[str, ...]:
    """The addresses, besides those outside, to which pods go as their node."""
    host = cluster.host(CONTROL_PLANE) if cluster.overlay else None
    return host.addresses if host else ()
