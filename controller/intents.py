"""What the network shall do, before it is said how: the values between the API's objects and flows.

An intent holds everything that its flows depend on. Two equal intents have equal flows, so an event whose intents come
out equal costs nothing further.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from k8sshim.cluster import Cluster, Switch
from k8sshim.objects import Node, Pod, PodNetwork

from .addresses import first_address, is_ipv4
from .border import BorderIntent, destinations, of_hosts
from .external import ExternalRoute
from .marks import Source, source_zone_of, zone_of
from .numbers import NumberOf, group_of
from .overlay import OverlayIntent, ends_of, no_pods_at, overlay_routes
from .path_mtu import Limit, limit_of, limits_of
from .services import THIS_NODE, Backend, ServiceIntent
from .topology import NextHop, Topology


@dataclass(frozen=True)
class Bridge:
    """What every switch has of itself."""

    dpid: int
    mac: str
    uplinks: tuple[int, ...]
    groups: tuple[tuple[int, tuple[NextHop, ...]], ...]  # by number, the buckets of every set of equally good ways
    fabric: bool
    failovers: tuple[Failover, ...] = ()
    limits: tuple[tuple[int, Limit | None], ...] = ()  # by port; `PODS` for all that pods have
    border: bool = False  # whether hosts hang on this fabric switch

    @property
    def zone(self) -> int:
        return zone_of(self.dpid)

    @property
    def source_zone(self) -> int:
        return source_zone_of(self.zone)


@dataclass(frozen=True)
class Failover:
    """Equally good ways, and what takes their place when none of them is left."""

    group: int
    best: int  # the group that spreads over the ways; 0 where there is one way
    next_hop: NextHop  # that way
    backups: tuple[NextHop, ...]


@dataclass(frozen=True)
class LocalPort:
    """A pod, or a node's own namespace, at a port of its node bridge."""

    dpid: int
    source: Source
    port: int
    mac: str
    address: str
    gateway: str
    network: str  # the range in which it asks for neighbours by ARP
    bridge_mac: str
    zone: int

    @property
    def source_zone(self) -> int:
        return source_zone_of(self.zone)


@dataclass(frozen=True)
class Gateway:
    """An address that a node bridge itself has, in the network of its pods or of its node."""

    dpid: int
    mac: str
    address: str
    source: Source  # whose gateway it is


@dataclass(frozen=True)
class Route:
    """On one switch, the way to a range of addresses of another node, or of a host at the border."""

    dpid: int
    mac: str
    destination: str
    next_hops: tuple[NextHop, ...]
    group: int  # that spreads over them where they are several, and has backups where there are some
    fabric: bool
    limit: Limit | None = None


@dataclass(frozen=True)
class Refusal:
    """On one node bridge, whose kernel refuses connections to Services that have no endpoint."""

    dpid: int
    address: str


@dataclass(frozen=True)
class Egress:
    """On one node bridge, the address as which pods reach a range that lies outside the cluster."""

    dpid: int
    destination: str
    address: str


@dataclass(frozen=True)
class HostPort:
    """A port of a node that leads to a pod there."""

    dpid: int
    address: str  # or THIS_NODE
    protocol: str
    port: int
    backend: Backend


Intent = (
    Bridge
    | LocalPort
    | Gateway
    | Route
    | Refusal
    | Egress
    | HostPort
    | BorderIntent
    | ExternalRoute
    | ServiceIntent
    | OverlayIntent
)


def of_cluster(cluster: Cluster, topology: Topology, number_of: NumberOf) -> tuple[Intent, ...]:
    """What every switch does whatever objects there are."""
    gateways = [first_address(cidr) for cidr in cluster.node_cidrs if is_ipv4(cidr)]
    gateway = gateways[0] if gateways else ""
    borders = {host.switch for host in cluster.hosts}
    bridges: list[Intent] = []
    for switch in cluster.switches:
        uplinks, ways = topology.uplinks(switch.name), topology.ways(switch.name)
        uplinks += (switch.overlay_port,) if switch.overlay_port else ()
        if borders and not switch.node:
            ways = tuple(sorted({*ways, *_several(topology.to_all.get(switch.name, ()))}))
        groups = tuple((group_of(one, number_of), topology.spread(switch.name, one)) for one in ways)
        failovers = tuple(
            Failover(group_of(best, number_of, backups), group_of(best, number_of), best[0], backups)
            for best, backups in topology.backed_up(switch.name)
        )
        bridges.append(
            Bridge(
                switch.dpid,
                switch.mac,
                uplinks,
                groups,
                not switch.node,
                failovers,
                limits_of(switch, cluster),
                border=switch.name in borders,
            )
        )
        if switch.node and gateway:
            bridges.append(Gateway(switch.dpid, switch.mac, gateway, Source.NODE))
    return (*bridges, *of_hosts(cluster), *ends_of(cluster), *_ways_out(cluster, topology, number_of))


def _several(next_hops: tuple[NextHop, ...]) -> tuple[tuple[NextHop, ...], ...]:
    return (next_hops,) if len(next_hops) > 1 else ()


def _ways_out(cluster: Cluster, topology: Topology, number_of: NumberOf) -> Iterator[Route]:
    """To what lies outside, and to the control plane."""
    for host in cluster.hosts:
        for switch in cluster.switches:
            ways = topology.next_hops(switch.name, host.switch)
            for to in destinations(host, cluster) if ways else ():
                group = group_of(ways, number_of, topology.backups(switch.name, host.switch))
                limit = limit_of(switch, ways, cluster)
                yield Route(switch.dpid, switch.mac, to, ways, group, not switch.node, limit)


def of_node(node: Node, cluster: Cluster, topology: Topology, number_of: NumberOf) -> tuple[Intent, ...]:
    """A node's own port and gateway on its bridge, and the ways to it on every other switch."""
    home = topology.bridge_of(node.name)
    if home is None:
        return ()
    addresses = [address for address in node.addresses if is_ipv4(address)]
    pod_cidrs = [cidr for cidr in node.pod_cidrs if is_ipv4(cidr)]
    intents: list[Intent] = [Gateway(home.dpid, home.mac, first_address(cidr), Source.POD) for cidr in pod_cidrs]
    for address in addresses:
        intents += _own_port(home, address, cluster)
    beyond = (*cluster.outside_cidrs, *no_pods_at(cluster))
    intents += [Egress(home.dpid, to, address) for to in filter(is_ipv4, beyond) for address in addresses[:1]]
    intents += overlay_routes(home, [*pod_cidrs, *addresses], cluster)
    for switch in cluster.switches:
        ways = topology.next_hops(switch.name, home.name)
        if ways:
            group = group_of(ways, number_of, topology.backups(switch.name, home.name))
            limit = limit_of(switch, ways, cluster)
            destinations = addresses if cluster.overlay else [*pod_cidrs, *addresses]
            intents += [Route(switch.dpid, switch.mac, to, ways, group, not switch.node, limit) for to in destinations]
    return tuple(intents)


def _own_port(home: Switch, address: str, cluster: Cluster) -> list[Intent]:
    networks = [cidr for cidr in cluster.node_cidrs if ipaddress.ip_address(address) in ipaddress.ip_network(cidr)]
    return [
        Refusal(home.dpid, address),
        *(
            LocalPort(
                home.dpid, Source.NODE, home.node_port, home.node_mac, address, first_address(cidr), cidr, home.mac,
                zone_of(home.dpid),
            )
            for cidr in networks[:1]
        ),
    ]  # fmt: skip


def of_pod(pod: Pod, node: Node | None, topology: Topology) -> tuple[Intent, ...]:
    """A pod's port on its node's bridge; nothing while it has none."""
    home = topology.bridge_of(pod.node)
    if home is None or node is None or pod.network is None or pod.finished:
        return ()
    intents: list[Intent] = []
    for address in filter(is_ipv4, pod.network.addresses):
        for cidr in filter(is_ipv4, node.pod_cidrs):
            if ipaddress.ip_address(address) in ipaddress.ip_network(cidr):
                intents += [_pod_port(pod.network, address, cidr, home), *_host_ports(pod, address, home, node)]
    return tuple(intents)


def _pod_port(network: PodNetwork, address: str, cidr: str, home: Switch) -> LocalPort:
    gateway, zone = first_address(cidr), zone_of(home.dpid)
    return LocalPort(home.dpid, Source.POD, network.port, network.mac, address, gateway, cidr, home.mac, zone)


def _host_ports(pod: Pod, address: str, home: Switch, node: Node) -> Iterator[HostPort]:
    """The ports of its node that a pod has asked for."""
    for port in pod.ports:
        asked = THIS_NODE if port.host_ip in ("", "0.0.0.0", *node.addresses) else port.host_ip
        if port.host_port and is_ipv4(asked):
            yield HostPort(home.dpid, asked, port.protocol, port.host_port, Backend(address, port.number))
