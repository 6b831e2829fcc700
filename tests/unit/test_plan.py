"""The plan's numbers: those that the architecture page promises, and that nothing is given out twice."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sshim.cluster import Cluster, Link, SwitchPort
from topo import spec
from topo.plan import Plan, plan

pytestmark = pytest.mark.unit


def planned(**body: Any) -> Plan:
    raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "lab"}, "spec": body}
    return plan(spec.parse(raw))


def test_second_node() -> None:
    node = planned().node("node2")
    assert (node.index, node.host, node.namespace) == (2, "n2", "node-node2")
    assert [str(one) for one in node.addresses] == ["172.30.0.3"]
    assert [str(one) for one in node.gateways] == ["172.30.0.1"]
    assert [str(one) for one in node.pod_cidrs] == ["10.244.1.0/24"]
    assert [str(one) for one in node.pod_gateways] == ["10.244.1.1"]
    assert node.mac == "0a:58:ac:1e:00:03"
    assert (node.bridge.name, node.bridge.dpid, node.bridge.mac) == ("b2", 2, "0a:77:00:00:00:02")
    assert (node.port.bridge, node.port.number) == ("b2", 1)


def test_link_of_a_node() -> None:
    lab = planned(mtu=1400)
    link = lab.link_of(lab.nodes[0])
    assert (link.namespace, link.interface, link.mtu) == ("node-node1", "eth0", 1400)
    assert (link.addresses, link.gateways) == (("172.30.0.2/24",), ("172.30.0.1",))
    assert (link.peer, link.peer_namespace) == (lab.nodes[0].port.interface, None)


def test_single_fabric() -> None:
    cluster = planned().cluster()
    assert [(switch.name, switch.dpid, switch.node) for switch in cluster.switches] == [
        ("b1", 1, "node1"),
        ("b2", 2, "node2"),
        ("b3", 3, "node3"),
        ("s1", 0x10001, ""),
        ("border", 0x20001, ""),
    ]
    assert cluster.links == (
        *(Link(SwitchPort(f"b{i}", 2), SwitchPort("s1", i), 1500) for i in (1, 2, 3)),
        Link(SwitchPort("border", 2001), SwitchPort("s1", 3001), 1500),
    )


def test_hosts_at_the_border() -> None:
    outside, control_plane = planned(nodes=20).cluster().hosts
    assert (outside.name, outside.switch, outside.port) == ("outside", "border", 1)
    assert (outside.addresses, outside.network, outside.gateway) == (
        ("203.0.113.2",),
        "203.0.113.0/24",
        "203.0.113.1",
    )
    assert (control_plane.name, control_plane.switch, control_plane.port) == ("control-plane", "border", 2)
    assert (control_plane.addresses, control_plane.network, control_plane.gateway) == (
        ("172.30.0.254",),
        "172.30.0.0/24",
        "172.30.0.1",
    )


def test_what_lies_outside() -> None:
    lab = planned(
        outside={"cidr": "192.0.2.0/28", "addresses": ["8.8.8.8", "192.0.2.9"]}, loadBalancerCIDR="9.9.9.0/24"
    )
    cluster = lab.cluster()
    assert cluster.hosts[0].addresses == ("192.0.2.2", "8.8.8.8", "192.0.2.9")
    assert cluster.outside_cidrs == ("192.0.2.0/28", "8.8.8.8/32")
    assert cluster.load_balancer_cidrs == ("9.9.9.0/24",)
    assert lab.link_of(lab.hosts[0]).addresses == ("192.0.2.2/28", "8.8.8.8/32", "192.0.2.9/32")


def test_node_ports_and_domain() -> None:
    cluster = planned(nodePortRange="31000-31009", dns={"domain": "lab.test"}).cluster()
    assert (cluster.node_ports, cluster.domain) == ((31000, 31009), "lab.test")


def test_leaf_spine_fabric() -> None:
    cluster = planned(nodes=4, fabric={"shape": "leaf-spine", "leaves": 2, "spines": 2}).cluster()
    fabric = [(switch.name, switch.dpid) for switch in cluster.switches if not switch.node]
    assert fabric == [
        ("leaf1", 0x10001),
        ("leaf2", 0x10002),
        ("spine1", 0x10003),
        ("spine2", 0x10004),
        ("border", 0x20001),
    ]
    ends = {(link.a.switch, link.b.switch) for link in cluster.links}
    assert ends == {("b1", "leaf1"), ("b2", "leaf1"), ("b3", "leaf2"), ("b4", "leaf2")} | {
        (above, f"spine{spine}") for above in ("leaf1", "leaf2", "border") for spine in (1, 2)
    }
    assert Link(SwitchPort("border", 2002), SwitchPort("spine2", 3001), 1500) in cluster.links
    assert Link(SwitchPort("leaf2", 2001), SwitchPort("spine1", 2002), 1500) in cluster.links


def test_a_chosen_pod_cidr_is_kept_and_stepped_over() -> None:
    lab = planned(nodes=[{"name": "a"}, {"name": "b", "podCIDR": "10.244.0.128/25"}, {"name": "c"}])
    assert [str(node.pod_cidrs[0]) for node in lab.nodes] == ["10.244.1.0/24", "10.244.0.128/25", "10.244.2.0/24"]


def test_the_object_for_the_api_parses_back() -> None:
    lab = planned(nodes=4, fabric={"shape": "leaf-spine"})
    assert Cluster.parse(lab.raw()) == lab.cluster()
    assert plan(spec.parse(lab.raw())) == lab


def test_shared() -> None:
    lab = planned(nodes=20, bridgePlacement="shared")
    assert [group.namespace for group in lab.groups] == [None]
    assert all(lab.is_patch(link) for link in lab.links)


def test_a_process_each() -> None:
    lab = planned(bridgePlacement="per-node")
    assert [(group.switches, group.namespace) for group in lab.groups] == [
        (("b1",), "switchd-0"),
        (("b2",), "switchd-1"),
        (("b3",), "switchd-2"),
        (("s1", "border"), "switchd-3"),
    ]
    assert [link.a.switch for link in lab.links if lab.is_patch(link)] == ["border"]
    assert lab.link_of(lab.hosts[0]).peer_namespace == "switchd-3"
    assert lab.link_of(lab.nodes[1]).peer_namespace == "switchd-1"


def test_two_nodes_a_process() -> None:
    lab = planned(nodes=5, bridgePlacement=2, fabric={"shape": "leaf-spine", "leaves": 2, "spines": 1})
    assert [group.switches for group in lab.groups] == [
        ("b1", "b2"),
        ("b3", "b4"),
        ("b5",),
        ("leaf1", "leaf2", "spine1", "border"),
    ]
    assert {link.a.switch for link in lab.links if lab.is_patch(link)} == {"leaf1", "leaf2", "border"}


@pytest.mark.parametrize(
    ("nodes", "pods", "groups"), [(3, 20, 1), (3, 60, 1), (10, 100, 1), (50, 500, 14), (3, 3000, 4)]
)
def test_auto_placement(nodes: int, pods: int, groups: int) -> None:
    assert len(planned(nodes=nodes, expectedPods=pods).groups) == groups


LABS = st.builds(
    planned,
    nodes=st.integers(1, 60),
    bridgePlacement=st.sampled_from(spec.PLACEMENTS) | st.integers(1, 70),
    expectedPods=st.integers(0, 2000),
    fabric=st.just({"shape": "single"})
    | st.fixed_dictionaries({"shape": st.just("leaf-spine"), "leaves": st.integers(1, 8), "spines": st.integers(1, 8)})
    | st.fixed_dictionaries({"shape": st.just("ring"), "switches": st.integers(3, 9), "uplinks": st.integers(1, 3)})
    | st.fixed_dictionaries({"shape": st.just("tree"), "depth": st.integers(1, 4), "fanout": st.integers(1, 4)})
    | st.fixed_dictionaries({"shape": st.just("fat-tree"), "k": st.sampled_from([2, 4, 6])}),
)


@given(LABS)
def test_nothing_is_given_out_twice(lab: Plan) -> None:
    for values in (
        [*(address for one in lab.attached for address in one.addresses), *lab.nodes[0].gateways],
        [switch.dpid for switch in lab.switches.values()],
        [*(one.mac for one in lab.attached), *(switch.mac for switch in lab.switches.values())],
        [one.namespace for one in lab.attached] + [group.namespace for group in lab.groups if group.namespace],
        [end.interface for link in lab.links for end in (link.a, link.b)]
        + [one.port.interface for one in lab.attached],
    ):
        assert set(Counter(values).values()) == {1}


@given(LABS)
def test_pod_ranges_lie_apart_inside_the_clusters(lab: Plan) -> None:
    ranges = sorted(node.pod_cidrs[0] for node in lab.nodes)
    assert all(lab.spec.ranges.pods[0].supernet_of(one) for one in ranges)
    assert not any(one.overlaps(other) for one, other in pairwise(ranges))


@given(LABS)
def test_ports_of_a_switch_are_its_own(lab: Plan) -> None:
    ports = Counter((end.switch, end.port) for link in lab.links for end in (link.a, link.b))
    ports.update((one.port.bridge, one.port.number) for one in lab.attached)
    assert set(ports.values()) == {1}
    assert all(0 < port < 0xFF00 for _, port in ports)
    assert all(2 <= port <= 15 for switch, port in ports if switch[1:].isdecimal() and switch[0] == "b" and port != 1)


@given(LABS)
def test_groups_partition_the_switches(lab: Plan) -> None:
    members = [switch for group in lab.groups for switch in group.switches]
    assert sorted(members) == sorted(lab.switches)
    assert all(lab.switches[name].group == group.name for group in lab.groups for name in group.switches)
    assert len(lab.groups) == 1 or all(group.namespace for group in lab.groups)


@given(LABS)
def test_interface_names_fit_the_kernel(lab: Plan) -> None:
    names = [end.interface for link in lab.links for end in (link.a, link.b)] + [
        one.port.interface for one in lab.attached
    ]
    assert all(len(name.encode()) <= 15 for name in names)


@pytest.mark.parametrize(
    "fabric", [{"shape": "leaf-spine", "leaves": 100, "spines": 64}, {"shape": "fat-tree", "k": 16}]
)
def test_longest_names_fit_the_kernel(fabric: dict[str, Any]) -> None:
    lab = planned(nodes=1000, fabric=fabric, bridgePlacement="per-node")
    assert max(len(end.interface) for link in lab.links for end in (link.a, link.b)) <= 15
