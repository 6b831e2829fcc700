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
from topo.fabric_spec import SHAPES
from topo.network_spec import NetworkSpec, too_small
from topo.plan import plan
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
    assert lab.ranges.load_balancers == (ip_network("198.51.100.0/24"),)
    assert lab.ranges.outside.networks == (ip_network("203.0.113.0/24"),)
    assert lab.ranges.outside.addresses == ()
    assert lab.api_server.rbac is False
    assert (lab.node_ports, lab.dns.replicas, lab.dns.domain) == ((30000, 32767), 1, "cluster.local")


def test_listed_nodes() -> None:
    taint = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
    node = {"name": "edge.example", "labels": {"zone": "a"}, "taints": [taint], "podCIDR": "10.244.9.0/24"}
    lab = described(nodes=[node, {"name": "other"}])
    assert lab.nodes[0].labels == (("zone", "a"),)
    assert lab.nodes[0].taints == (Taint("dedicated", "gpu", "NoSchedule"),)
    assert lab.nodes[0].pod_cidrs == (ip_network("10.244.9.0/24"),)
    assert lab.nodes[1] == spec.NodeSpec("other")


@pytest.mark.parametrize(
    ("nodes", "prefix_length", "node_network"), [(252, 24, 24), (253, 24, 23), (300, 25, 23), (1000, 26, 22)]
)
def test_default_ranges_make_room(nodes: int, prefix_length: int, node_network: int) -> None:
    lab = described(nodes=nodes)
    assert lab.ranges.node_pod_prefix_lengths == (prefix_length,)
    assert lab.ranges.nodes[0].prefixlen == node_network


def leaf_spine(leaves: int, spines: int) -> spec.Fabric:
    return spec.Fabric("leaf-spine", (("leaves", leaves), ("spines", spines)))


def test_leaf_spine_defaults() -> None:
    assert described(fabric="leaf-spine") == described(fabric={"shape": "leaf-spine"})
    assert described(fabric={"shape": "leaf-spine"}).fabric == leaf_spine(2, 2)
    assert described(nodes=50, fabric={"shape": "leaf-spine"}).fabric == leaf_spine(4, 2)
    assert described(fabric={"shape": "leaf-spine", "leaves": 1, "spines": 5}).fabric == leaf_spine(1, 5)


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
    assert lab.ranges.nodes[0].prefixlen == 29  # 4 nodes, their gateway, the control plane
    assert described(outside={"cidr": "192.0.2.0/30"}).ranges.outside.networks == (ip_network("192.0.2.0/30"),)


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
    st.sampled_from(["linear", "tree", "fat-tree"]),
    st.fixed_dictionaries(
        {"shape": st.just("ring"), "switches": st.integers(3, 9)},
        optional={
            "uplinks": st.integers(1, 3),
            "border": st.just(["s3", "s1"]),
            "racks": st.just([{"name": "r", "zone": "z", "switches": ["s2"]}]),
        },
    ),
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
        "outside": st.fixed_dictionaries(
            {},
            optional={
                "cidr": st.just("192.0.2.0/25"),
                "addresses": st.just(["192.0.2.200", "8.8.8.8"]),
                "names": st.just({"db.example.org": "9.9.9.9"}),
            },
        ),
        "loadBalancerCIDR": st.just("198.51.100.128/25"),
        "nodePortRange": st.integers(30000, 32767).map(lambda first: f"{first}-32767"),
        "dns": st.fixed_dictionaries({}, optional={"replicas": st.integers(0, 5), "domain": st.just("lab.test")}),
        "nodePodPrefixLength": st.integers(22, 28),
        "apiServer": st.fixed_dictionaries({}, optional={"rbac": st.booleans()}),
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
    "apiServer",
]


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), JSON))
def test_whatever_is_written_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        described(**body) if all(key.isidentifier() for key in body) else spec.parse({"spec": body})
    except BadInput as error:
        assert all("\n" not in str(problem) for problem in error.problems)


WORDS = st.sampled_from(["s1", "leaf1", "oslo", "rome", "b1", ""])
PARTS = st.dictionaries(st.sampled_from(["a", "b", "name", "zone", "switches"]), WORDS | st.lists(WORDS, max_size=2))
FABRIC_FIELDS = st.fixed_dictionaries(
    {"shape": st.sampled_from([*SHAPES, "mesh"])},
    optional={
        **{name: st.integers(-1, 9) for name in ("leaves", "spines", "depth", "fanout", "k")},
        "switches": st.integers(0, 9) | st.lists(WORDS, max_size=3) | JSON,
        **{name: st.lists(PARTS | JSON, max_size=3) | JSON for name in ("links", "racks")},
        "border": st.lists(WORDS, max_size=2) | JSON,
        "uplinks": st.integers(0, 3) | JSON,
    },
)
ATTACHED = st.lists(
    st.fixed_dictionaries({"name": WORDS}, optional={"uplinks": st.lists(WORDS, max_size=2) | JSON}), max_size=3
)


@given(FABRIC_FIELDS, st.integers(1, 5) | ATTACHED)
def test_whatever_is_written_of_a_fabric_is_read_or_refused(fabric: dict[str, Any], nodes: Any) -> None:
    try:
        lab = described(fabric=fabric, nodes=nodes)
    except BadInput as error:
        assert all("\n" not in str(problem) for problem in error.problems)
    else:
        assert plan(spec.parse(spec.to_raw(lab))) == plan(lab)


@given(JSON)
def test_no_object_is_refused(raw: Any) -> None:
    with pytest.raises(BadInput):
        spec.parse(raw, file="lab.yaml")


def test_links_and_network_are_read_and_written() -> None:
    usual = {"bandwidthMbit": 100, "delayMs": 2.5, "jitterMs": 0.5, "lossPercent": 0.1, "queuePackets": 50, "mtu": 1400}
    lab = described(
        nodes=[
            {"name": "one", "uplinks": [{"switch": "oslo", "bandwidthMbit": 10}]},
            {"name": "two", "uplinks": ["rome"]},
        ],
        fabric={"shape": "graph", "switches": ["oslo", "rome"], "links": [{"a": "oslo", "b": "rome", "delayMs": 0}]},
        links=usual,
        network={"mode": "vxlan", "podMtu": 1480, "pathMtuDiscovery": "swallow"},
        offload="off",
    )
    assert spec.parse(spec.to_raw(lab)) == lab
    links = plan(lab).links
    assert [link.like.bandwidth_mbit for link in links] == [10, 100, 100, 100]
    assert [link.like.delay_ms for link in links] == [2.5, 2.5, 0, 2.5]
    assert (lab.mtu, lab.pod_mtu, lab.network.path_mtu_discovery, lab.offload) == (1400, 1480, "swallow", False)


@pytest.mark.parametrize(
    ("mode", "mtu"),
    [("flat", 1500), ("vxlan", 1450), ("geneve", 1450), ("gre", 1458), ("ipip", 1480), ("wireguard", 1440)],
)
def test_pods_have_what_the_mode_leaves(mode: str, mtu: int) -> None:
    assert described(network={"mode": mode}).pod_mtu == mtu
    assert described(network={"mode": mode}, mtu=9000, links={"mtu": 1500}).pod_mtu == mtu


def test_outer_ipv6_headers_are_longer_and_ipv6_needs_1280() -> None:
    assert NetworkSpec("vxlan").overhead([ip_network("fd00::/64")]) == 70
    assert NetworkSpec().overhead([ip_network("fd00::/64")]) == 0
    assert "IPv6 needs 1280" in too_small(1279, [ip_network("10.0.0.0/8"), ip_network("fd00::/64")])
    assert not too_small(1279, [ip_network("10.0.0.0/8")])
