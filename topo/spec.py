"""What a cluster is to be: the description a person writes, checked whole before anything is built. Pure.

The description is an object in Kubernetes' manner (`apiVersion: podwire.dev/v1alpha1`, `kind: Cluster`). Every field
but the name has a default; `parse` reports every problem at once, and what it returns can be planned as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from k8sshim import names
from k8sshim.cluster import CLUSTER_API_VERSION, NODE_PORTS
from k8sshim.errors import BadInput
from k8sshim.objects import Raw, Taint

from .attachment import parse_fabric
from .fabric_spec import SINGLE, Fabric
from .failure_spec import USUAL_FAILOVER, USUAL_LEASE, Failover, NodeLease, parse_failover, parse_lease
from .fields import Fields, Problems
from .link_spec import MTU_RANGE, USUAL_LINKS, Links, LinkSpec, check_link, parse_links
from .network_spec import USUAL_NETWORK, NetworkSpec, parse_network, parse_offload, too_small
from .nodes import MAX_NODES, NodeSpec, default_nodes, parse_nodes
from .ranges import Ranges, default_ranges, parse_ranges
from .services import USUAL_API_SERVER, USUAL_DNS, ApiServer, Dns, parse_api_server, parse_dns, parse_node_ports

DATAPATHS = ("auto", "kernel", "userspace")
PLACEMENTS = ("auto", "shared", "per-node")
DEFAULT_NODES = 3
PODS_PER_NODE = 10  # expected where the description does not say
METADATA = ("labels", "annotations", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")

__all__ = ["ClusterSpec", "Fabric", "NodeSpec", "Ranges", "Taint", "default", "parse", "to_raw"]


@dataclass(frozen=True)
class ClusterSpec:
    """A cluster description, complete and free of contradictions."""

    name: str
    nodes: tuple[NodeSpec, ...]
    ranges: Ranges
    fabric: Fabric = SINGLE
    datapath: str = "auto"  # auto, kernel or userspace
    bridge_placement: str | int = "auto"  # auto, shared, per-node, or the number of nodes that share an ovs-vswitchd
    expected_pods: int = DEFAULT_NODES * PODS_PER_NODE  # in the whole cluster: what `auto` places bridges for
    mtu: int = 1500  # bytes: of nodes, hosts and every link that does not say otherwise
    links: Links = USUAL_LINKS
    network: NetworkSpec = USUAL_NETWORK
    offload: bool = (
        True  # whether segments and checksums are left to devices: they are too large for a link's bandwidth
    )
    node_ports: tuple[int, int] = NODE_PORTS  # the first and the last
    dns: Dns = USUAL_DNS
    failover: Failover = USUAL_FAILOVER
    node_lease: NodeLease = USUAL_LEASE
    api_server: ApiServer = USUAL_API_SERVER

    def expecting(self, pods: int) -> ClusterSpec:
        """The same cluster, for at least this many pods: bridges are placed for them."""
        return replace(self, expected_pods=max(self.expected_pods, pods))

    @property
    def own_links(self) -> Iterator[tuple[str, LinkSpec]]:
        """What is said of links, each with its field."""
        yield "links", self.links.usual
        for index, link in enumerate(self.fabric.link_specs):
            yield f"fabric.links[{index}]", link
        for index, node in enumerate(self.nodes):
            for place, link in enumerate(node.uplink_specs):
                yield f"nodes[{index}].uplinks[{place}]", link

    @property
    def carried(self) -> int:
        """The largest packet of a pod, in bytes, that crosses links as they usually are: what pods have by default."""
        return min(self.mtu, self.links.usual.mtu or self.mtu) - self.network.overhead(self.ranges.nodes)

    @property
    def pod_mtu(self) -> int:
        """Bytes."""
        return self.network.pod_mtu or self.carried


def default(name: str) -> ClusterSpec:
    """Three nodes on one fabric switch."""
    nodes = default_nodes(DEFAULT_NODES)
    return ClusterSpec(name, nodes, default_ranges(nodes))


def parse(raw: Any, file: str = "") -> ClusterSpec:
    """The description as a spec, defaults filled in. Raises BadInput with every problem found."""
    name = _name_of(raw)
    problems = Problems(file, f"Cluster {name}" if name else "Cluster")
    top = Fields(raw, "", problems)
    if not top.sound:
        raise BadInput(*problems.found)
    _check_kind(top)
    if raw.get("kind", "Cluster") != "Cluster":  # what another object's fields should be is not for us to say
        raise BadInput(*problems.found)
    _check_metadata(top.fields("metadata"))
    spec = _parse_spec(top.fields("spec"), name)
    top.take("status")
    top.close()
    if problems.found:
        raise BadInput(*problems.found)
    return spec


def to_raw(spec: ClusterSpec) -> Raw:
    """The object that parses back to this spec."""
    body: Raw = {
        "nodes": [node.to_raw() for node in spec.nodes],
        "fabric": spec.fabric.to_raw(),
        **spec.ranges.to_raw(),
        "datapath": spec.datapath,
        "bridgePlacement": spec.bridge_placement,
        "expectedPods": spec.expected_pods,
        "mtu": spec.mtu,
        "links": spec.links.to_raw(),
        "network": spec.network.to_raw(),
        "offload": "on" if spec.offload else "off",
        "nodePortRange": "-".join(map(str, spec.node_ports)),
        "dns": spec.dns.to_raw(),
        "failover": spec.failover.to_raw(),
        "nodeLease": spec.node_lease.to_raw(),
        "apiServer": spec.api_server.to_raw(),
    }
    return {"apiVersion": CLUSTER_API_VERSION, "kind": "Cluster", "metadata": {"name": spec.name}, "spec": body}


def _name_of(raw: Any) -> str:
    metadata = raw.get("metadata") if isinstance(raw, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _check_kind(top: Fields) -> None:
    for field, expected in (("apiVersion", CLUSTER_API_VERSION), ("kind", "Cluster")):
        value = top.required(field)
        if value is not None and value != expected:
            top.wrong(field, f"must be {expected}, not {value!r}")


def _check_metadata(metadata: Fields) -> None:
    name = metadata.required("name")
    if name is not None and len(name) > 63:
        metadata.wrong("name", f"must have at most 63 characters, not {len(name)}")
    elif name is not None and names.dns_label(name):
        metadata.wrong(
            "name",
            f"{name!r} must consist of lower case letters, digits and '-', and begin and end with a letter or digit",
        )
    for field in METADATA:
        metadata.take(field)
    metadata.close()


def _parse_spec(spec: Fields, name: str) -> ClusterSpec:
    nodes = parse_nodes(spec, DEFAULT_NODES)
    links = parse_links(spec)
    parsed = ClusterSpec(
        name=name,
        nodes=nodes,
        ranges=parse_ranges(spec, nodes),
        fabric=parse_fabric(spec, nodes),
        datapath=spec.choice("datapath", DATAPATHS, "auto"),
        bridge_placement=_parse_placement(spec),
        expected_pods=spec.integer("expectedPods", len(nodes) * PODS_PER_NODE, 0, 100_000),
        mtu=spec.integer("mtu", links.usual.mtu or 1500, *MTU_RANGE),
        links=links,
        network=parse_network(spec),
        node_ports=parse_node_ports(spec),
        dns=parse_dns(spec),
        failover=parse_failover(spec),
        node_lease=parse_lease(spec, len(nodes)),
        api_server=parse_api_server(spec),
    )
    held = any(link.bandwidth_mbit for _, link in parsed.own_links)
    parsed = replace(parsed, offload=parse_offload(spec, usual=not held))
    spec.close()
    for field, link in parsed.own_links if not spec.problems.found else ():
        check_link(spec, field, link, links)
    if links.kind == "patch" and parsed.bridge_placement not in ("auto", "shared"):
        spec.wrong("links.kind", "patch ports join bridges of one ovs-vswitchd: bridgePlacement must be shared")
    if wrong := too_small(parsed.pod_mtu, parsed.ranges.pods):
        spec.wrong("network.podMtu" if parsed.network.pod_mtu else "mtu", f"MTU of pods: {wrong}")
    return parsed


def _parse_placement(spec: Fields) -> str | int:
    value = spec.take("bridgePlacement")
    if value is None or value in PLACEMENTS:
        return value or "auto"
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_NODES:
        return value
    spec.wrong(
        "bridgePlacement", f"must be auto, shared, per-node or a number of nodes from 1 to {MAX_NODES}, not {value!r}"
    )
    return "auto"
