"""What a cluster is to be: the description a person writes, checked whole before anything is built. Pure.

The description is an object in Kubernetes' manner (`apiVersion: podwire.dev/v1alpha1`, `kind: Cluster`). Every field
but the name has a default; `parse` reports every problem at once, and what it returns can be planned as it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from k8sshim.cluster import CLUSTER_API_VERSION
from k8sshim.errors import BadInput
from k8sshim.objects import Raw, Taint

from .fields import Fields, Problems
from .nodes import MAX_NODES, NodeSpec, default_nodes, parse_nodes
from .ranges import Ranges, default_ranges, parse_ranges

SHAPES = ("single", "leaf-spine")
DATAPATHS = ("auto", "kernel", "userspace")
PLACEMENTS = ("auto", "shared", "per-node")
DEFAULT_NODES = 3
PODS_PER_NODE = 10  # expected where the description does not say
MAX_LEAVES, MAX_SPINES = 100, 64
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
METADATA = ("labels", "annotations", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")

__all__ = ["ClusterSpec", "Fabric", "NodeSpec", "Ranges", "Taint", "default", "parse", "to_raw"]


@dataclass(frozen=True)
class Fabric:
    """How node bridges are joined: by one switch, or by leaves that each know every spine."""

    shape: str = "single"
    leaves: int = 0  # 0 for the shape `single`
    spines: int = 0


@dataclass(frozen=True)
class ClusterSpec:
    """A cluster description, complete and free of contradictions."""

    name: str
    nodes: tuple[NodeSpec, ...]
    ranges: Ranges
    fabric: Fabric = Fabric()
    datapath: str = "auto"  # auto, kernel or userspace
    bridge_placement: str | int = "auto"  # auto, shared, per-node, or the number of nodes that share an ovs-vswitchd
    expected_pods: int = DEFAULT_NODES * PODS_PER_NODE  # in the whole cluster: what `auto` places bridges for
    mtu: int = 1500  # of every link, in bytes

    def expecting(self, pods: int) -> ClusterSpec:
        """The same cluster, for at least this many pods: bridges are placed for them."""
        return replace(self, expected_pods=max(self.expected_pods, pods))


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
        "fabric": {"shape": spec.fabric.shape},
        **spec.ranges.to_raw(),
        "datapath": spec.datapath,
        "bridgePlacement": spec.bridge_placement,
        "expectedPods": spec.expected_pods,
        "mtu": spec.mtu,
    }
    if spec.fabric.shape == "leaf-spine":
        body["fabric"] |= {"leaves": spec.fabric.leaves, "spines": spec.fabric.spines}
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
    elif name is not None and not DNS_LABEL.fullmatch(name):
        metadata.wrong(
            "name",
            f"{name!r} must consist of lower case letters, digits and '-', and begin and end with a letter or digit",
        )
    for field in METADATA:
        metadata.take(field)
    metadata.close()


def _parse_spec(spec: Fields, name: str) -> ClusterSpec:
    nodes = parse_nodes(spec, DEFAULT_NODES)
    parsed = ClusterSpec(
        name=name,
        nodes=nodes,
        ranges=parse_ranges(spec, nodes),
        fabric=_parse_fabric(_fabric_fields(spec), len(nodes)),
        datapath=spec.choice("datapath", DATAPATHS, "auto"),
        bridge_placement=_parse_placement(spec),
        expected_pods=spec.integer("expectedPods", len(nodes) * PODS_PER_NODE, 0, 100_000),
        mtu=spec.integer("mtu", 1500, 576, 9000),
    )
    spec.close()
    return parsed


def _fabric_fields(spec: Fields) -> Fields:
    """The field `fabric`, which may be the shape alone."""
    value = spec.take("fabric")
    if value is None or isinstance(value, str):
        value = {"shape": value}
    return Fields(value, spec.at("fabric"), spec.problems)


def _parse_fabric(fabric: Fields, nodes: int) -> Fabric:
    shape = fabric.choice("shape", SHAPES, "single")
    if shape == "single":
        for field in ("leaves", "spines"):
            if fabric.take(field) is not None:
                fabric.wrong(field, "has a meaning for the shape leaf-spine alone")
        fabric.close()
        return Fabric(shape)
    leaves = fabric.integer("leaves", min(max(2, -(-nodes // 16)), MAX_LEAVES), 1, MAX_LEAVES)
    spines = fabric.integer("spines", 2, 1, MAX_SPINES)
    fabric.close()
    return Fabric(shape, leaves, spines)


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
