"""What the network shall do, before it is said how: the values between the API's objects and flows.

An intent holds everything that its flows depend on. Two equal intents have equal flows, so an event whose intents come
out equal costs nothing further.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from k8sshim.cluster import Cluster, Switch
from k8sshim.objects import EndpointSlice, Node, Pod, Service

from .marks import Source, digest, hairpin_zone_of, zone_of
from .topology import NextHop, Topology


@dataclass(frozen=True)
class Bridge:
    """What every switch has of itself."""

    dpid: int
    mac: str
    uplinks: tuple[int, ...]
    next_hops: tuple[tuple[NextHop, ...], ...]  # every set of equally good ways of this switch's routes
    fabric: bool

    @property
    def zone(self) -> int:
        return zone_of(self.dpid)

    @property
    def hairpin_zone(self) -> int:
        return hairpin_zone_of(self.zone)


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
    def hairpin_zone(self) -> int:
        return hairpin_zone_of(self.zone)


@dataclass(frozen=True)
class Gateway:
    """An address that a node bridge itself has, in the network of its pods or of its node."""

    dpid: int
    mac: str
    address: str
    source: Source  # whose gateway it is


@dataclass(frozen=True)
class Route:
    """On one switch, the way to a range of addresses of another node."""

    dpid: int
    mac: str
    destination: str
    next_hops: tuple[NextHop, ...]
    fabric: bool


@dataclass(frozen=True)
class Refusal:
    """On one node bridge, whose kernel refuses connections to Services that have no endpoint."""

    dpid: int
    address: str


@dataclass(frozen=True)
class Backend:
    """An endpoint's address and port."""

    address: str
    port: int


@dataclass(frozen=True)
class VirtualPort:
    """A port of a Service, for every node bridge. No backends: connections are refused."""

    address: str
    protocol: str
    port: int
    group: int
    backends: tuple[Backend, ...]


@dataclass(frozen=True)
class VirtualAddress:
    """An address of a Service; ports that it does not declare are refused."""

    address: str


Intent = Bridge | LocalPort | Gateway | Route | Refusal | VirtualPort | VirtualAddress


def first_address(network: str) -> str:
    """The gateway of a range: its first address."""
    return str(ipaddress.ip_network(network).network_address + 1)


def is_ipv4(text: str) -> bool:
    return ":" not in text


def of_cluster(cluster: Cluster, topology: Topology) -> tuple[Intent, ...]:
    """What every switch does whatever objects there are."""
    gateways = [first_address(cidr) for cidr in cluster.node_cidrs if is_ipv4(cidr)]
    gateway = gateways[0] if gateways else ""
    bridges: list[Intent] = []
    for switch in cluster.switches:
        uplinks, ways = topology.uplinks(switch.name), topology.ways(switch.name)
        bridges.append(Bridge(switch.dpid, switch.mac, uplinks, ways, not switch.node))
        if switch.node and gateway:
            bridges.append(Gateway(switch.dpid, switch.mac, gateway, Source.NODE))
    return tuple(bridges)


def of_node(node: Node, cluster: Cluster, topology: Topology) -> tuple[Intent, ...]:
    """A node's own port and gateway on its bridge, and the ways to it on every other switch."""
    home = topology.bridge_of(node.name)
    if home is None:
        return ()
    addresses = [address for address in node.addresses if is_ipv4(address)]
    pod_cidrs = [cidr for cidr in node.pod_cidrs if is_ipv4(cidr)]
    intents: list[Intent] = [Gateway(home.dpid, home.mac, first_address(cidr), Source.POD) for cidr in pod_cidrs]
    for address in addresses:
        intents += _own_port(home, address, cluster)
    for switch in cluster.switches:
        ways = topology.next_hops(switch.name, home.name)
        if ways:
            destinations = [*pod_cidrs, *addresses]
            intents += [Route(switch.dpid, switch.mac, to, ways, not switch.node) for to in destinations]
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
    return tuple(
        LocalPort(
            home.dpid, Source.POD, pod.network.port, pod.network.mac, address, first_address(cidr), cidr, home.mac,
            zone_of(home.dpid),
        )
        for address in pod.network.addresses
        if is_ipv4(address)
        for cidr in node.pod_cidrs
        if is_ipv4(cidr) and ipaddress.ip_address(address) in ipaddress.ip_network(cidr)
    )  # fmt: skip


def of_service(service: Service, slices: Iterable[EndpointSlice]) -> tuple[Intent, ...]:
    """A Service's addresses and ports with the endpoints that are ready to serve them."""
    slices = sorted(slices, key=lambda one: one.key)
    intents: list[Intent] = []
    for address in filter(is_ipv4, service.cluster_ips):
        intents.append(VirtualAddress(address))
        for port in service.ports:
            backends = _backends(slices, port.name, port.protocol)
            group = group_number(f"Service {service.key} {address} {port.protocol} {port.port}")
            intents.append(VirtualPort(address, port.protocol, port.port, group, backends))
    return tuple(intents)


def _backends(slices: Iterable[EndpointSlice], name: str, protocol: str) -> tuple[Backend, ...]:
    """Ready endpoints; where there are none, those that still serve while they end (KEP-1669), as kube-proxy does."""
    ready: set[tuple[str, int]] = set()
    ending: set[tuple[str, int]] = set()
    for one in slices:
        ports = [port.port for port in one.ports if port.name == name and port.protocol == protocol and port.port]
        if one.address_type != "IPv4":
            continue
        for endpoint in one.endpoints:
            wanted = ready if endpoint.ready else ending if endpoint.serving and endpoint.terminating else None
            if wanted is not None:
                wanted.update((address, port) for address in endpoint.addresses[:1] for port in ports)
    return tuple(Backend(address, port) for address, port in sorted(ready or ending))


def group_number(name: str) -> int:
    """A group's number, the same for the same name in every process; 0 and the reserved numbers are left out."""
    return digest(name, 31) + 1


def group_of(dpid: int, next_hops: tuple[NextHop, ...]) -> int:
    """The number of the group that spreads over equally good ways."""
    return group_number(f"ways {dpid} {next_hops}")
