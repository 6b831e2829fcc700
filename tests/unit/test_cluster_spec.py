"""Cluster descriptions: what is filled in, and that a description survives being written and read again."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sshim.errors import BadInput
from k8sshim.objects import Taint
from topo import spec
from topo.spec import ClusterSpec

pytestmark = pytest.mark.unit


def described(**body: Any) -> ClusterSpec:
    return spec.parse(
        {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "lab"}, "spec": body}
    )


def test_nothing_said_is_the_default() -> None:
    assert described() == spec.default("lab")
    raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "lab"}}
    assert spec.parse(raw) == spec.default("lab")


def test_default() -> None:
    lab = spec.default("lab")
    assert [node.name for node in lab.nodes] == ["node1", "node2", "node3"]
    assert lab.fabric.shape == "single"
    assert (lab.datapath, lab.bridge_placement, lab.mtu) == ("auto", "auto", 1500)
    assert lab.ranges.pods == (ip_network("10.244.0.0/16"),)
    assert lab.ranges.node_pod_prefix_lengths == (24,)
    assert lab.ranges.services == (ip_network("10.96.0.0/12"),)
    assert lab.ranges.nodes == (ip_network("172.30.0.0/24"),)


def test_listed_nodes() -> None:
    taint = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
    node = {"name": "edge.example", "labels": {"zone": "a"}, "taints": [taint], "podCIDR": "10.244.9.0/24"}
    lab = described(nodes=[node, {"name": "other"}])
    assert lab.nodes[0].labels == (("zone", "a"),)
    assert lab.nodes[0].taints == (Taint("dedicated", "gpu", "NoSchedule"),)
    assert lab.nodes[0].pod_cidrs == (ip_network("10.244.9.0/24"),)
    assert lab.nodes[1] == spec.NodeSpec("other")


@pytest.mark.parametrize(
    ("nodes", "prefix_length", "node_network"), [(253, 24, 24), (254, 24, 23), (300, 25, 23), (1000, 26, 22)]
)
def test_default_ranges_make_room(nodes: int, prefix_length: int, node_network: int) -> None:
    lab = described(nodes=nodes)
    assert lab.ranges.node_pod_prefix_lengths == (prefix_length,)
    assert lab.ranges.nodes[0].prefixlen == node_network


def test_leaf_spine_defaults() -> None:
    assert described(fabric="leaf-spine") == described(fabric={"shape": "leaf-spine"})
    assert described(fabric={"shape": "leaf-spine"}).fabric == spec.Fabric("leaf-spine", 2, 2)
    assert described(nodes=50, fabric={"shape": "leaf-spine"}).fabric == spec.Fabric("leaf-spine", 4, 2)
    assert described(fabric={"shape": "leaf-spine", "leaves": 1, "spines": 5}).fabric == spec.Fabric("leaf-spine", 1, 5)


@pytest.mark.parametrize("placement", ["auto", "shared", "per-node", 4])
def test_placement(placement: str | int) -> None:
    assert described(bridgePlacement=placement).bridge_placement == placement


@pytest.mark.parametrize("placement", [True, 2.0, "4", [], {}])
def test_no_placement(placement: Any) -> None:
    with pytest.raises(BadInput, match=r"spec\.bridgePlacement: must be"):
        described(bridgePlacement=placement)


def test_an_object_of_the_api_is_read() -> None:
    raw = spec.to_raw(spec.default("lab"))
    raw["metadata"] |= {"uid": "1", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"}
    assert spec.parse(raw | {"status": {"podMTU": 1500}}) == spec.default("lab")


def test_room_for_the_pods_of_manifests() -> None:
    lab = described(expectedPods=40)
    assert lab.expecting(500).expected_pods == 500
    assert lab.expecting(7) == lab


def test_a_range_may_be_used_up_to_the_last() -> None:
    lab = described(nodes=4, podCIDR="10.0.0.0/22", nodeCIDR="172.31.0.0/29")
    assert lab.ranges.pods[0].prefixlen == 22
    assert described(nodes=5, nodeCIDR="172.31.0.0/29").ranges.nodes[0].prefixlen == 29


NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
LABELS = st.dictionaries(
    NAMES, st.from_regex(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,20}[A-Za-z0-9])?)?", fullmatch=True), max_size=3
)
TAINTS = st.lists(
    st.fixed_dictionaries({"key": NAMES, "effect": st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"])}),
    max_size=2,
)
NODES = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"labels": LABELS, "taints": TAINTS}),
    min_size=1,
    max_size=6,
    unique_by=lambda node: node["name"],
)
FABRICS = st.one_of(
    st.just({"shape": "single"}),
    st.fixed_dictionaries({"shape": st.just("leaf-spine"), "leaves": st.integers(1, 9), "spines": st.integers(1, 9)}),
)
DESCRIPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "nodes": NODES | st.integers(1, 40),
        "fabric": FABRICS,
        "datapath": st.sampled_from(spec.DATAPATHS),
        "bridgePlacement": st.sampled_from(spec.PLACEMENTS) | st.integers(1, 50),
        "expectedPods": st.integers(0, 1000),
        "mtu": st.integers(576, 9000),
        "nodePodPrefixLength": st.integers(22, 28),
    },
)


@given(DESCRIPTIONS)
def test_written_and_read_again(body: dict[str, Any]) -> None:
    lab = described(**body)
    assert spec.parse(spec.to_raw(lab)) == lab


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "nodes",
    "fabric",
    "podCIDR",
    "nodePodPrefixLength",
    "serviceCIDR",
    "nodeCIDR",
    "datapath",
    "bridgePlacement",
    "mtu",
]


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), JSON))
def test_whatever_is_written_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        described(**body) if all(key.isidentifier() for key in body) else spec.parse({"spec": body})
    except BadInput as error:
        assert all("\n" not in str(problem) for problem in error.problems)


@given(JSON)
def test_no_object_is_refused(raw: Any) -> None:
    with pytest.raises(BadInput):
        spec.parse(raw, file="lab.yaml")
