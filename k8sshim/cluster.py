"""The cluster as the OpenFlow controller needs it: switches, links and ranges, in the `status` of the Cluster object.

The lab writes it from its plan; whoever reads it knows the network without knowing how it was planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from k8sshim.objects import GROUP, Raw

CLUSTER_API_VERSION = f"{GROUP}/v1alpha1"
NODE_PORTS = (30000, 32767)
DOMAIN = "cluster.local"
DNS_NUMBER = 10  # of the service range's addresses: kube-dns's
FLAT = "flat"  # the pod network where the fabric routes pods' addresses
OUTSIDE, CONTROL_PLANE = "outside", "control-plane"  # names of hosts


SECOND_ZONE_BIT = 0x8000  # room for 32,767 node bridges


def conntrack_zones(dpid: int) -> tuple[int, int]:
    """The two conntrack zones of a node bridge: of destinations, and of sources that are translated."""
    first = dpid & 0xFFFF
    return first, first | SECOND_ZONE_BIT


@dataclass(frozen=True)
class SwitchPort:
    """One end of a link between switches."""

    switch: str
    port: int


@dataclass(frozen=True)
class Link:
    """A link between two switches."""

    a: SwitchPort
    b: SwitchPort
    mtu: int = 0  # bytes; 0: not told


@dataclass(frozen=True)
class Overlay:
    """How packets of pods cross the fabric where it does not route their addresses."""

    mode: str
    mtu: int  # bytes of the largest packet that it carries


@dataclass(frozen=True)
class Switch:
    """A node bridge (`node` names its node) or a fabric switch (`node` is empty)."""

    name: str
    dpid: int
    mac: str  # source address of what it routes
    node: str
    node_port: int  # node bridges: the OpenFlow port to the node's own namespace
    node_mac: str  # node bridges: the address of the node's own interface
    overlay_port: int = 0  # node bridges: where the overlay begins; 0: there is none
    overlay_mac: str = ""  # node bridges: whom to send to there; "": the bridge at the other end


@dataclass(frozen=True)
class Host:
    """A machine at the border switch that is no node: the outside host, or the control plane."""

    name: str  # OUTSIDE or CONTROL_PLANE
    switch: str
    port: int
    mac: str
    addresses: tuple[str, ...]  # the first is its own, others are addresses that it has besides
    network: str  # the range in which it asks for neighbours by ARP
    gateway: str


@dataclass(frozen=True)
class Cluster:
    """The cluster as the OpenFlow controller needs it: `status` of the Cluster object, written by the lab."""

    name: str
    pod_cidrs: tuple[str, ...]
    service_cidrs: tuple[str, ...]
    node_cidrs: tuple[str, ...]
    pod_mtu: int
    switches: tuple[Switch, ...]
    links: tuple[Link, ...]
    hosts: tuple[Host, ...] = ()
    outside_cidrs: tuple[str, ...] = ()  # what lies behind the border: the outside host's network and other addresses
    load_balancer_cidrs: tuple[str, ...] = ()  # what Services of type LoadBalancer get their addresses from
    node_ports: tuple[int, int] = NODE_PORTS  # the first and the last
    domain: str = DOMAIN
    node_mtu: int = 0  # bytes, of nodes and hosts; 0: the pods'
    overlay: Overlay | None = None
    path_mtu_discovery: bool = True  # whether the sender of a packet that is too large is told
    segments_cut: bool = False  # whether switches cut TCP's segments to the MTU of the port that they leave by

    @property
    def largest(self) -> int:
        """Bytes of the largest packet that anybody sends."""
        return max(self.pod_mtu, self.node_mtu)

    @cached_property
    def thin(self) -> dict[SwitchPort, int]:
        """The ends of links that carry less than somebody sends, with their MTU in bytes."""
        links = (link for link in self.links if 0 < link.mtu < self.largest)
        return {end: link.mtu for link in links for end in (link.a, link.b)}

    def host(self, name: str) -> Host | None:
        """The host of that name, where there is one."""
        return next((one for one in self.hosts if one.name == name), None)

    @classmethod
    def parse(cls, raw: Raw) -> Cluster:
        """Parse a Cluster whose `status` is filled; see `Cluster.status` for its shape."""
        status = raw.get("status") or {}
        return cls(
            name=raw["metadata"]["name"],
            pod_cidrs=tuple(status.get("podCIDRs") or ()),
            service_cidrs=tuple(status.get("serviceCIDRs") or ()),
            node_cidrs=tuple(status.get("nodeCIDRs") or ()),
            pod_mtu=int(status.get("podMTU") or 1500),
            switches=tuple(
                Switch(
                    s["name"],
                    int(s["dpid"]),
                    s["mac"],
                    s.get("node") or "",
                    int(s.get("nodePort") or 0),
                    s.get("nodeMAC") or "",
                    int(s.get("overlayPort") or 0),
                    s.get("overlayMAC") or "",
                )
                for s in status.get("switches") or ()
            ),
            links=tuple(
                Link(_end(link["a"]), _end(link["b"]), int(link.get("mtu") or 0)) for link in status.get("links") or ()
            ),
            hosts=tuple(
                Host(
                    h["name"], h["switch"], int(h["port"]), h["mac"], tuple(h["addresses"]), h["network"], h["gateway"]
                )
                for h in status.get("hosts") or ()
            ),
            outside_cidrs=tuple(status.get("outsideCIDRs") or ()),
            load_balancer_cidrs=tuple(status.get("loadBalancerCIDRs") or ()),
            node_ports=_pair(status.get("nodePorts") or NODE_PORTS),
            domain=status.get("domain") or DOMAIN,
            node_mtu=int(status.get("nodeMTU") or 0),
            overlay=Overlay(o["mode"], int(o["mtu"])) if (o := status.get("overlay")) else None,
            path_mtu_discovery=status.get("pathMTUDiscovery", True),
            segments_cut=status.get("segmentsCut", False),
        )

    @cached_property
    def status(self) -> Raw:
        """The object's `status` that parses back to this."""
        return {
            "podCIDRs": list(self.pod_cidrs),
            "serviceCIDRs": list(self.service_cidrs),
            "nodeCIDRs": list(self.node_cidrs),
            "podMTU": self.pod_mtu,
            "switches": [
                {
                    "name": s.name,
                    "dpid": s.dpid,
                    "mac": s.mac,
                    "node": s.node,
                    "nodePort": s.node_port,
                    "nodeMAC": s.node_mac,
                    "overlayPort": s.overlay_port,
                    "overlayMAC": s.overlay_mac,
                }
                for s in self.switches
            ],
            "links": [
                {end: {"switch": port.switch, "port": port.port} for end, port in (("a", link.a), ("b", link.b))}
                | {"mtu": link.mtu}
                for link in self.links
            ],
            "hosts": [{**vars(host), "addresses": list(host.addresses)} for host in self.hosts],
            "outsideCIDRs": list(self.outside_cidrs),
            "loadBalancerCIDRs": list(self.load_balancer_cidrs),
            "nodePorts": list(self.node_ports),
            "domain": self.domain,
            "nodeMTU": self.node_mtu,
            "overlay": vars(self.overlay) if self.overlay else None,
            "pathMTUDiscovery": self.path_mtu_discovery,
            "segmentsCut": self.segments_cut,
        }


def _end(raw: Raw) -> SwitchPort:
    return SwitchPort(raw["switch"], int(raw["port"]))


def _pair(numbers: Sequence[int]) -> tuple[int, int]:
    first, last = numbers
    return int(first), int(last)
