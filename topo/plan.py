"""The plan: every name, number and address of a cluster, worked out from its description before anything is made. Pure.

The rules are those of `docs/architecture.md`, "The network, in numbers". Whoever builds, programs or serves the cluster
reads the same plan, so nobody asks anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from k8sshim import cluster as published
from k8sshim.objects import Labels, Raw, Taint

from . import addressing, fabric, placement
from .addressing import IPAddress, IPNetwork
from .fabric import FabricLink
from .placement import Group
from .ports import BridgePort, NamespaceLink
from .spec import ClusterSpec, to_raw

NODE_PORT = 1  # of a node bridge: the node's own namespace
FABRIC_DPID = 0x10000


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
    labels: Labels
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


@dataclass(frozen=True)
class Plan:
    """A cluster, ready to be built."""

    spec: ClusterSpec
    nodes: tuple[PlannedNode, ...]
    fabric: tuple[PlannedSwitch, ...]
    links: tuple[FabricLink, ...]
    groups: tuple[Group, ...]

    @cached_property
    def switches(self) -> dict[str, PlannedSwitch]:
        """Every switch by its name, node bridges first."""
        return {switch.name: switch for switch in (*(node.bridge for node in self.nodes), *self.fabric)}

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
        """Whether both ends are in one ovs-vswitchd, so that no veth pair is needed."""
        return self.group_of[link.a.switch] == self.group_of[link.b.switch]

    def node_link(self, node: PlannedNode) -> NamespaceLink:
        """The link of a node's namespace to its bridge."""
        addresses = tuple(
            addressing.with_prefix(one, network) for one, network in zip(node.addresses, node.networks, strict=True)
        )
        return NamespaceLink(
            namespace=node.namespace,
            interface="eth0",
            mac=node.mac,
            addresses=addresses,
            gateways=tuple(str(gateway) for gateway in node.gateways),
            mtu=self.spec.mtu,
            peer=node.port.interface,
            peer_namespace=self.group_of[node.bridge.name].namespace,
        )

    def cluster(self) -> published.Cluster:
        """The cluster as the OpenFlow controller needs it."""
        ranges = self.spec.ranges
        return published.Cluster(
            name=self.spec.name,
            pod_cidrs=tuple(str(network) for network in ranges.pods),
            service_cidrs=tuple(str(network) for network in ranges.services),
            node_cidrs=tuple(str(network) for network in ranges.nodes),
            pod_mtu=self.spec.mtu,
            switches=(
                *(_switch(node.bridge, node.name, NODE_PORT, node.mac) for node in self.nodes),
                *(_switch(switch) for switch in self.fabric),
            ),
            links=tuple(
                published.Link(
                    published.SwitchPort(link.a.switch, link.a.port), published.SwitchPort(link.b.switch, link.b.port)
                )
                for link in self.links
            ),
        )

    def raw(self) -> Raw:
        """The Cluster object for the API: the description with its defaults filled in, and its status."""
        return to_raw(self.spec) | {"status": self.cluster().status}


def plan(spec: ClusterSpec) -> Plan:
    """The plan of a cluster."""
    bridges = [f"b{index}" for index in range(1, len(spec.nodes) + 1)]
    names = fabric.switches(spec.fabric)
    groups = placement.place(bridges, names, spec.bridge_placement, spec.expected_pods)
    group_of = {switch: group.name for group in groups for switch in group.switches}
    pod_cidrs = _pod_cidrs(spec)
    nodes = tuple(
        PlannedNode(
            index=index,
            name=node.name,
            labels=node.labels,
            taints=node.taints,
            pod_cidrs=pod_cidrs[index - 1],
            networks=spec.ranges.nodes,
            bridge=PlannedSwitch(bridge, index, group_of[bridge]),
        )
        for index, (node, bridge) in enumerate(zip(spec.nodes, bridges, strict=True), 1)
    )
    fabric_switches = tuple(
        PlannedSwitch(name, FABRIC_DPID + index, group_of[name]) for index, name in enumerate(names, 1)
    )
    return Plan(spec, nodes, fabric_switches, fabric.links(spec.fabric, bridges), groups)


def _pod_cidrs(spec: ClusterSpec) -> list[tuple[IPNetwork, ...]]:
    """The podCIDRs of each node: those it asks for, or the next free part of each of the cluster's ranges."""
    taken = [cidr for node in spec.nodes for cidr in node.pod_cidrs]
    parts = [
        addressing.free_subnets(pods, length, taken)
        for pods, length in zip(spec.ranges.pods, spec.ranges.node_pod_prefix_lengths, strict=True)
    ]
    return [node.pod_cidrs or tuple(next(part) for part in parts) for node in spec.nodes]


def _switch(switch: PlannedSwitch, node: str = "", node_port: int = 0, node_mac: str = "") -> published.Switch:
    return published.Switch(switch.name, switch.dpid, switch.mac, node, node_port, node_mac)
