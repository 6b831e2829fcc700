"""Fabrics of every shape: their switches and links, and that packets take shortest ways over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import permutations
from typing import Any

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_model import CONTROL_PLANE_HOST, OUTSIDE_HOST, Host, Network, host_of, node, pod

from controller.topology import Topology
from topo import spec
from topo.fabric import LinkEnd
from topo.plan import Plan, plan

pytestmark = pytest.mark.unit
TRIANGLE = {
    "shape": "graph",
    "switches": ["oslo", "bonn", "rome", "bern-2"],
    "links": [{"a": a, "b": b} for a, b in (("oslo", "bonn"), ("bonn", "rome"), ("rome", "oslo"), ("rome", "bern-2"))],
}
PLACES = (["oslo"], ["bonn", "rome"], ["bern-2"])
RING_WITH_A_SHORT_CUT = {"shape": "ring", "switches": 6, "border": ["s1", "s4"]}
SHAPES: list[tuple[Any, Any]] = [
    (3, "single"),
    (3, "linear"),
    (4, {"shape": "ring", "switches": 4}),
    (5, {"shape": "ring", "switches": 5, "uplinks": 2}),
    (6, RING_WITH_A_SHORT_CUT),
    (5, {"shape": "tree", "depth": 3, "fanout": 2}),
    (4, {"shape": "leaf-spine", "leaves": 2, "spines": 2, "uplinks": 2}),
    (8, {"shape": "fat-tree", "k": 4}),
    ([{"name": f"node{i}", "uplinks": place} for i, place in enumerate(PLACES, 1)], TRIANGLE),
]


def planned(nodes: Any, fabric: Any) -> Plan:
    body = {"nodes": nodes, "fabric": fabric}
    raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "lab"}, "spec": body}
    return plan(spec.parse(raw))


def joined(lab: Plan) -> Counter[str]:
    """How many links each switch has, those to nodes and border among them."""
    return Counter(end.switch for link in lab.links for end in (link.a, link.b))


@pytest.mark.parametrize(
    ("fabric", "switches", "links"),
    [
        ({"shape": "linear", "switches": 7}, 7, 6),
        ({"shape": "ring", "switches": 7}, 7, 7),
        ({"shape": "tree", "depth": 3, "fanout": 3}, 13, 12),
        ({"shape": "tree", "depth": 1}, 1, 0),
        ({"shape": "leaf-spine", "leaves": 3, "spines": 4}, 7, 12),
        ({"shape": "fat-tree", "k": 4}, 20, 32),
        ({"shape": "fat-tree", "k": 6}, 45, 108),
    ],
)
def test_switches_and_links(fabric: Any, switches: int, links: int) -> None:
    lab = planned(2, fabric)
    among = [link for link in lab.links if link.a.switch not in ("b1", "b2", "border")]
    assert (len(lab.fabric) - 1, len(among)) == (switches, links)


def test_a_fat_tree_is_made_of_switches_with_k_ports() -> None:
    lab = planned(16, {"shape": "fat-tree", "k": 4, "border": ["edge1"]})
    ports = joined(lab)
    assert ports.pop("edge1") == 5
    assert {ports[switch.name] for switch in lab.fabric if switch.name in ports} - {ports["border"]} == {4}


@pytest.mark.parametrize(("nodes", "fabric"), SHAPES, ids=lambda value: str(value)[:40])
def test_what_is_planned_is_read_from_the_api_as_it_was(nodes: Any, fabric: Any) -> None:
    lab = planned(nodes, fabric)
    assert plan(spec.parse(lab.raw())) == lab


def test_uplinks_of_two_switches() -> None:
    lab = planned(4, {"shape": "leaf-spine", "leaves": 2, "spines": 1, "uplinks": 2})
    ends = [(link.a.switch, link.a.port, link.b.switch, link.b.port) for link in lab.links[:4]]
    assert ends == [("b1", 2, "leaf1", 1), ("b1", 3, "leaf2", 1), ("b2", 2, "leaf1", 2), ("b2", 3, "leaf2", 2)]


def test_switches_share_their_nodes_in_pairs() -> None:
    lab = planned(5, {"shape": "leaf-spine", "leaves": 5, "uplinks": 2})
    hang = [[link.b.switch for link in lab.links if link.a.switch == one.bridge.name] for one in lab.nodes]
    pairs = (("leaf1", "leaf2"), ("leaf2", "leaf1"), ("leaf3", "leaf4"), ("leaf4", "leaf3"), ("leaf5", "leaf4"))
    assert hang == [list(pair) for pair in pairs]


def test_a_node_may_hang_where_it_says() -> None:
    nodes = [{"name": "one", "uplinks": ["leaf2"]}, {"name": "two"}]
    lab = planned(nodes, {"shape": "leaf-spine", "leaves": 2, "spines": 1, "border": ["leaf1"]})
    assert [link.b.switch for link in lab.links[:2]] == ["leaf2", "leaf2"]
    assert (lab.links[-1].a.switch, lab.links[-1].b.switch) == ("border", "leaf1")


def test_racks_and_zones_are_labels_of_nodes() -> None:
    own = {"topology.kubernetes.io/zone": "mine", "size": "large"}
    racks = [{"name": "r1", "zone": "east", "switches": ["leaf1", "leaf2"]}, {"name": "r2", "switches": ["leaf3"]}]
    nodes = [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d", "labels": own, "uplinks": ["leaf2"]}]
    lab = planned(nodes, {"shape": "leaf-spine", "leaves": 4, "racks": racks})
    rack, zone = "podwire.dev/rack", "topology.kubernetes.io/zone"
    assert [dict(one.labels) for one in lab.nodes] == [
        {rack: "r1", zone: "east"},
        {rack: "r1", zone: "east"},
        {rack: "r2"},
        {rack: "r1", zone: "mine", "size": "large"},
    ]


def test_a_switch_is_a_rack_where_none_is_described() -> None:
    assert [dict(one.labels) for one in planned(2, "linear").nodes] == [{"podwire.dev/rack": f"s{i}"} for i in (1, 2)]
    assert planned(2, "single").nodes[0].labels == ()


def test_interfaces_are_called_after_both_ends_or_by_number() -> None:
    nodes, fabric = SHAPES[-1]
    names = {link.a.interface for link in planned(nodes, fabric).links}
    assert names == {
        "b1-oslo",
        "b2-bonn",
        "b2-rome",
        "link4_a",
        "oslo-bonn",
        "bonn-rome",
        "rome-oslo",
        "link8_a",
        "border-oslo",
    }


def hops(lab: Plan) -> dict[str, dict[str, int]]:
    """Between node bridges and the border, how many switches a packet is routed by; nobody passes through a bridge."""
    ends = {*(one.bridge.name for one in lab.nodes), "border"}
    found: dict[str, dict[str, int]] = {}
    for a, b in permutations(ends, 2):
        graph = networkx.Graph((link.a.switch, link.b.switch) for link in lab.links)
        graph.remove_nodes_from(ends - {a, b})
        found.setdefault(a, {})[b] = networkx.shortest_path_length(graph, a, b) + 1
    return found


@settings(max_examples=4, deadline=None)
@pytest.mark.parametrize(("nodes", "fabric"), SHAPES, ids=lambda value: str(value)[:40])
@given(data=st.data())
def test_every_packet_takes_a_shortest_way(nodes: Any, fabric: Any, data: st.DataObject) -> None:
    lab = planned(nodes, fabric)
    choose: Callable[[int], int] = lambda buckets: data.draw(st.integers(0, buckets - 1))  # noqa: E731
    pods = [pod(f"p{one.index}", one.index, 2) for one in lab.nodes]
    network = Network(lab.cluster(), choose)
    network.put(lab.cluster(), *(node(one.index) for one in lab.nodes), *pods)
    expected = hops(lab)
    bridges = {one.bridge.dpid: one.bridge.name for one in lab.nodes} | {OUTSIDE_HOST.dpid: "border"}
    hosts: list[Host] = [*map(host_of, pods), control_plane(lab)]
    for client, server in permutations(hosts, 2):
        arrival = network.one(client, client.packet(server.address))
        assert (arrival.dpid, arrival.port) == (server.dpid, server.port)
        assert 64 - arrival.fields["nw_ttl"] == expected[bridges[client.dpid]][bridges[server.dpid]]


def control_plane(lab: Plan) -> Host:
    address = str(lab.hosts[1].addresses[0])
    assert address == CONTROL_PLANE_HOST.address
    return CONTROL_PLANE_HOST


def test_two_equal_ways_round_a_ring_are_both_taken() -> None:
    lab = planned(4, {"shape": "ring", "switches": 4})
    chosen: list[int] = []
    network = Network(lab.cluster(), lambda buckets: chosen.append(buckets) or 0)
    network.put(lab.cluster(), *(node(i) for i in range(1, 5)), pod("a", 1, 2), pod("b", 3, 2), pod("c", 2, 2))
    client = host_of(pod("a", 1, 2))
    network.one(client, client.packet("10.244.2.2"))
    assert chosen == []
    network.one(client, client.packet("10.244.3.2"))
    assert len(chosen) == 1
    assert chosen[0] % 2 == 0


def way(lab: Plan, start: str, end: str, hashed: int) -> list[str]:
    """The switches that a connection passes, if each counts its buckets off by the same hash, as Open vSwitch does."""
    topology = Topology(lab.cluster())
    beyond = {(one.switch, one.port): other.switch for link in lab.links for one, other in both(link.a, link.b)}
    passed = [start]
    while passed[-1] != end:
        buckets = topology.spread(passed[-1], topology.next_hops(passed[-1], end))
        passed.append(beyond[passed[-1], buckets[hashed % len(buckets)].port])
    return passed


def both(a: LinkEnd, b: LinkEnd) -> list[tuple[LinkEnd, LinkEnd]]:
    return [(a, b), (b, a)]


@pytest.mark.parametrize(
    ("fabric", "start", "end", "ways"),
    [
        ({"shape": "fat-tree", "k": 4}, "b1", "b8", 4),
        (
            {"shape": "fat-tree", "k": 4, "uplinks": 2},
            "b1",
            "b8",
            2 * 4,
        ),  # agg switches choose by one digit up and down
        ({"shape": "fat-tree", "k": 8}, "b8", "b1", 16),
        ({"shape": "leaf-spine", "leaves": 4, "spines": 4, "uplinks": 2}, "b1", "b8", 2 * 4 * 2),
        ({"shape": "leaf-spine", "leaves": 4, "spines": 4}, "border", "b8", 4),
        ({"shape": "leaf-spine", "leaves": 4, "spines": 4, "uplinks": 2}, "border", "b8", 4 * 2),
        ({"shape": "tree", "depth": 3}, "b1", "b8", 1),
    ],
)
def test_connections_are_spread_over_all_equal_ways(fabric: Any, start: str, end: str, ways: int) -> None:
    lab = planned(8, fabric)
    taken = Counter(tuple(way(lab, start, end, hashed)) for hashed in range(256))
    assert len(taken) == ways
    assert set(taken.values()) == {256 // ways}
