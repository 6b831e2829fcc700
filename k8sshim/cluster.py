"""The cluster as the OpenFlow controller needs it: switches, links and ranges, in the `status` of the Cluster object.

The lab writes it from its plan; whoever reads it knows the network without knowing how it was planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from k8sshim.objects import GROUP, Raw

CLUSTER_API_VERSION = f"{GROUP}/v1alpha1"


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


@dataclass(frozen=True)
class Switch:
    """A node bridge (`node` names its node) or a fabric switch (`node` is empty)."""

    name: str
    dpid: int
    mac: str  # source address of what it routes
    node: str
    node_port: int  # node bridges: the OpenFlow port to the node's own namespace
    node_mac: str  # node bridges: the address of the node's own interface


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
                )
                for s in status.get("switches") or ()
            ),
            links=tuple(
                Link(*(SwitchPort(link[end]["switch"], int(link[end]["port"])) for end in ("a", "b")))
                for link in status.get("links") or ()
            ),
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
                }
                for s in self.switches
            ],
            "links": [
                {end: {"switch": port.switch, "port": port.port} for end, port in (("a", link.a), ("b", link.b))}
                for link in self.links
            ],
        }
