"""The plan: every name, number and address of a cluster, worked out from its description before anything is made. Pure.

The rules are those of `docs/architecture.md`, "The network, in numbers". Whoever builds, programs or serves the cluster
reads the same plan, so nobody asks anybody.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from k8sshim import cluster as published
from k8sshim.objects import Labels, Raw, Taint, labels_of

from . import addressing, attachment, fabric, placement
from .addressing import IPAddress, IPNetwork
from .fabric import BORDER, FabricLink
from .fabric_graph import graph_of
from .link_spec import PLAIN
from .network_spec import ANSWER, BRIDGED_MODE
from .outside import Outside
from .placement import Group
from .ports import BridgePort, NamespaceLink
from .spec import ClusterSpec, to_raw

NODE_PORT = 1  # of a node bridge: the node's own namespace
OVERLAY_PORT = 60_000  # of a node bridge: above those of pods
FABRIC_DPID = 0x10000
BORDER_DPID = 0x20001
OUTSIDE_PORT, CONTROL_PLANE_PORT = 1, 2  # of the border switch


@dataclass(frozen=True)
class PlannedSwitch:
    """A node bridge or a fabric switch."""

    name: str
    dpid: int
    group: str

    @property
    def mac(self) -> str:
        return addressing.switch_mac(self.dpid)


@dataclass(frozen=True)
class PlannedNode:
    """A node: its namespace, its place in the network, and its bridge. Tuples hold one entry an address family."""

    index: int  # from 1
    name: str
    labels: Labels  # the description's, and those of its rack and zone
    taints: tuple[Taint, ...]
    pod_cidrs: tuple[IPNetwork, ...]
    networks: tuple[IPNetwork, ...]  # the node networks
    bridge: PlannedSwitch

    @property
    def host(self) -> str:
        """The Mininet host's name."""
        return f"n{self.index}"

    @property
    def namespace(self) -> str:
        return f"node-{self.name}"

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        return tuple(addressing.address(network, self.index + 1) for network in self.networks)

    @property
    def gateways(self) -> tuple[IPAddress, ...]:
        """The nodes' gateways."""
        return tuple(addressing.address(network, 1) for network in self.networks)

    @property
    def pod_gateways(self) -> tuple[IPAddress, ...]:
        """The gateways of the node's pods."""
        return tuple(addressing.address(cidr, 1) for cidr in self.pod_cidrs)

    @property
    def mac(self) -> str:
        return addressing.host_mac(self.addresses[0])

    @property
    def port(self) -> BridgePort:
        """The node's own port of its bridge."""
        return BridgePort(self.bridge.name, f"{self.bridge.name}-{self.host}", NODE_PORT)

    @property
    def interface_addresses(self) -> tuple[str, ...]:
        """With prefix lengths."""
        return tuple(map(addressing.with_prefix, self.addresses, self.networks))

    @property
    def overlay_port(self) -> BridgePort:
        """Where the overlay begins, if there is one."""
        return BridgePort(self.bridge.name, f"{self.bridge.name}-ov", OVERLAY_PORT)

    @property
    def hop(self) -> str:
        """The namespace that routes between bridge and tunnels, in modes that have such a hop."""
        return f"hop-{self.name}"

    @property
    def hop_mac(self) -> str:
        return addressing.hop_mac(self.addresses[0])


@dataclass(frozen=True)
class PlannedHost:
    """A host at the border switch. Tuples hold one entry an address family, but for `others`."""

    name: str  # published.OUTSIDE or published.CONTROL_PLANE
    host: str  # the Mininet host's name
    port_number: int
    addresses: tuple[IPAddress, ...]
    networks: tuple[IPNetwork, ...]
    border: PlannedSwitch
    others: tuple[IPAddress, ...] = ()  # addresses that it has besides

    @property
    def namespace(self) -> str:
        return self.name

    @property
    def gateways(self) -> tuple[IPAddress, ...]:
        return tuple(addressing.address(network, 1) for network in self.networks)

    @property
    def mac(self) -> str:
        return addressing.host_mac(self.addresses[0])

    @property
    def port(self) -> BridgePort:
        """Its port of the border switch."""
        return BridgePort(self.border.name, f"{self.border.name}-{self.host}", self.port_number)

    @property
    def interface_addresses(self) -> tuple[str, ...]:
        """With prefix lengths."""
        own = map(addressing.with_prefix, self.addresses, self.networks)
        return (*own, *(f"{one}/{one.max_prefixlen}" for one in self.others))


Attached = PlannedNode | PlannedHost  # a namespace with a port of a bridge


@dataclass(frozen=True)
class Plan:
    """A cluster, ready to be built."""

    spec: ClusterSpec
    nodes: tuple[PlannedNode, ...]
    hosts: tuple[PlannedHost, ...]
    fabric: tuple[PlannedSwitch, ...]  # the border switch is the last
    links: tuple[FabricLink, ...]
    groups: tuple[Group, ...]

    @cached_property
    def switches(self) -> dict[str, PlannedSwitch]:
        """Every switch by its name, node bridges first."""
        return {switch.name: switch for switch in (*(node.bridge for node in self.nodes), *self.fabric)}

    @cached_property
    def attached(self) -> tuple[Attached, ...]:
        """The nodes and the hosts."""
        return (*self.nodes, *self.hosts)

    @cached_property
    def group_of(self) -> dict[str, Group]:
        """Switch name -> its group."""
        return {switch: group for group in self.groups for switch in group.switches}

    def node(self, name: str) -> PlannedNode:
        """The node of this name. Raises KeyError."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, PlannedNode]:
        return {node.name: node for node in self.nodes}

    def is_patch(self, link: FabricLink) -> bool:
        """Whether both ends are in one ovs-vswitchd and nothing is asked of the link, so that there need be no veth."""
        largest = max(self.spec.mtu, self.spec.pod_mtu)
        asked = self.spec.links.kind == "veth" or link.like.shaped or self.mtu_of(link) < largest
        return not asked and self.group_of[link.a.switch] == self.group_of[link.b.switch]

    def mtu_of(self, link: FabricLink) -> int:
        """Bytes."""
        return link.like.mtu or self.spec.mtu

    @property
    def overlay(self) -> published.Overlay | None:
        """The overlay, with the largest packet that it carries over every link there is."""
        network = self.spec.network
        if network.mode == published.FLAT:
            return None
        thinnest = min(self.spec.mtu, *(self.mtu_of(link) for link in self.links))
        return published.Overlay(network.mode, thinnest - network.overhead(self.spec.ranges.nodes))

    @property
    def has_hops(self) -> bool:
        """Whether a hop beside each node routes into the tunnels; else the bridges' ports are tunnels themselves."""
        return self.spec.network.mode not in (published.FLAT, BRIDGED_MODE)

    def link_of(self, one: Attached) -> NamespaceLink:
        """The link of a node's or host's namespace to its bridge."""
        return NamespaceLink(
            namespace=one.namespace,
            interface="eth0",
            mac=one.mac,
            addresses=one.interface_addresses,
            gateways=tuple(str(gateway) for gateway in one.gateways),
            mtu=self.spec.mtu,
            peer=one.port.interface,
            peer_namespace=self.group_of[one.port.bridge].namespace,
            offload=self.spec.offload,
        )

    def cluster(self) -> published.Cluster:
        """The cluster as the OpenFlow controller needs it."""
        ranges = self.spec.ranges
        return published.Cluster(
            name=self.spec.name,
            pod_cidrs=tuple(str(network) for network in ranges.pods),
            service_cidrs=tuple(str(network) for network in ranges.services),
            node_cidrs=tuple(str(network) for network in ranges.nodes),
            pod_mtu=self.spec.pod_mtu,
            switches=(
                *map(self._bridge, self.nodes),
                *(_switch(switch) for switch in self.fabric),
            ),
            links=tuple(
                published.Link(
                    published.SwitchPort(link.a.switch, link.a.port),
                    published.SwitchPort(link.b.switch, link.b.port),
                    self.mtu_of(link),
                )
                for link in self.links
            ),
            hosts=tuple(map(_host, self.hosts)),
            outside_cidrs=tuple(map(str, (*ranges.outside.networks, *_apart(ranges.outside)))),
            load_balancer_cidrs=tuple(map(str, ranges.load_balancers)),
            node_ports=self.spec.node_ports,
            domain=self.spec.dns.domain,
            node_mtu=self.spec.mtu,
            overlay=self.overlay,
            path_mtu_discovery=self.spec.network.path_mtu_discovery == ANSWER,
            segments_cut=self.spec.offload and self.spec.datapath == "userspace",
        )

    def _bridge(self, node: PlannedNode) -> published.Switch:
        switch = _switch(node.bridge, node.name, NODE_PORT, node.mac)
        if self.overlay is None:
            return switch
        return replace(switch, overlay_port=OVERLAY_PORT, overlay_mac=node.hop_mac if self.has_hops else "")

    def raw(self) -> Raw:
        """The Cluster object for the API: the description with its defaults filled in, and its status."""
        return to_raw(self.spec) | {"status": self.cluster().status}


def plan(spec: ClusterSpec) -> Plan:
    """The plan of a cluster."""
    bridges = [f"b{index}" for index in range(1, len(spec.nodes) + 1)]
    graph = graph_of(spec.fabric)
    uplinks = attachment.uplinks(spec.fabric, graph, spec.nodes)
    names = (*graph.switches, BORDER)
    groups = placement.place(bridges, names, _placement(spec), spec.expected_pods)
    group_of = {switch: group.name for group in groups for switch in group.switches}
    pod_cidrs = _pod_cidrs(spec)
    nodes = tuple(
        PlannedNode(
            index=index,
            name=node.name,
            labels=labels_of(dict(attachment.labels(spec.fabric, uplinks[index - 1])) | dict(node.labels)),
            taints=node.taints,
            pod_cidrs=pod_cidrs[index - 1],
            networks=spec.ranges.nodes,
            bridge=PlannedSwitch(bridge, index, group_of[bridge]),
        )
        for index, (node, bridge) in enumerate(zip(spec.nodes, bridges, strict=True), 1)
    )
    fabric_switches = tuple(
        PlannedSwitch(name, FABRIC_DPID + index, group_of[name]) for index, name in enumerate(names[:-1], 1)
    )
    border = PlannedSwitch(BORDER, BORDER_DPID, group_of[BORDER])
    links = fabric.links(graph, list(zip(bridges, uplinks, strict=True)), spec.fabric.border or graph.border)
    return Plan(spec, nodes, _hosts(spec, border), (*fabric_switches, border), _shaped(spec, uplinks, links), groups)


def _shaped(
    spec: ClusterSpec, uplinks: Sequence[tuple[str, ...]], links: tuple[FabricLink, ...]
) -> tuple[FabricLink, ...]:
    """The links, in their order (nodes' uplinks, those of the graph, the border's), each with what it is like."""
    usual = replace(spec.links.usual, mtu=spec.links.usual.mtu or spec.mtu)
    own = [
        like
        for node, switches in zip(spec.nodes, uplinks, strict=True)
        for like in node.uplink_specs or (PLAIN,) * len(switches)
    ]
    own += spec.fabric.link_specs
    own += (PLAIN,) * (len(links) - len(own))
    return tuple(replace(link, like=like.over(usual)) for link, like in zip(links, own, strict=True))


def _placement(spec: ClusterSpec) -> str | int:
    """Patch ports have both ends in one ovs-vswitchd."""
    return "shared" if spec.links.kind == "patch" else spec.bridge_placement


def _hosts(spec: ClusterSpec, border: PlannedSwitch) -> tuple[PlannedHost, ...]:
    ranges = spec.ranges
    own = tuple(addressing.address(network, 2) for network in ranges.outside.networks)
    return (
        PlannedHost(
            published.OUTSIDE, "host", OUTSIDE_PORT, own, ranges.outside.networks, border, ranges.outside.addresses
        ),
        PlannedHost(published.CONTROL_PLANE, "cp", CONTROL_PLANE_PORT, ranges.control_plane, ranges.nodes, border),
    )


def _pod_cidrs(spec: ClusterSpec) -> list[tuple[IPNetwork, ...]]:
    """The podCIDRs of each node: those it asks for, or the next free part of each of the cluster's ranges."""
    taken = [cidr for node in spec.nodes for cidr in node.pod_cidrs]
    parts = [
        addressing.free_subnets(pods, length, taken)
        for pods, length in zip(spec.ranges.pods, spec.ranges.node_pod_prefix_lengths, strict=True)
    ]
    return [node.pod_cidrs or tuple(next(part) for part in parts) for node in spec.nodes]


def _apart(outside: Outside) -> list[IPNetwork]:
    """The outside host's addresses that are in none of its networks, each as a range."""
    beyond = (one for one in outside.addresses if not any(one in network for network in outside.networks))
    return [ipaddress.ip_network(one) for one in beyond]


def _host(host: PlannedHost) -> published.Host:
    return published.Host(
        name=host.name,
        switch=host.port.bridge,
        port=host.port.number,
        mac=host.mac,
        addresses=tuple(map(str, (*host.addresses, *host.others))),
        network=str(host.networks[0]),
        gateway=str(host.gateways[0]),
    )


def _switch(switch: PlannedSwitch, node: str = "", node_port: int = 0, node_mac: str = "") -> published.Switch:
    return published.Switch(switch.name, switch.dpid, switch.mac, node, node_port, node_mac)
