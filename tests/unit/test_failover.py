"""Where links die: what switches do by themselves at once, and what the controller makes of it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from itertools import permutations
from typing import Any

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_model import Host, Network, host_of, node, pod
from test_fabrics import SHAPES, planned

from controller.actions import ToGroup
from controller.links import Links
from controller.tables import FABRIC_ROUTING, ROUTING
from k8sshim.cluster import Cluster, Link
from topo.plan import Plan

pytestmark = pytest.mark.unit


def network_on(lab: Plan, choose: Callable[[int], int] = lambda buckets: 0) -> tuple[Network, list[Host]]:
    """With a pod on each node."""
    pods = [pod(f"p{one.index}", one.index, 2) for one in lab.nodes]
    network = Network(lab.cluster(), choose)
    network.put(lab.cluster(), *(node(one.index) for one in lab.nodes), *pods)
    return network, list(map(host_of, pods))


def graph_without(cluster: Cluster, *down: Link) -> Any:
    """The links that are left, between datapath ids."""
    graph = networkx.Graph()
    graph.add_nodes_from(switch.dpid for switch in cluster.switches)
    numbers = {switch.name: switch.dpid for switch in cluster.switches}
    graph.add_edges_from((numbers[link.a.switch], numbers[link.b.switch]) for link in cluster.links if link not in down)
    return graph


def shortest(graph: Any, ends: set[int], a: int, b: int) -> int | None:
    """Switches on a shortest way that no other end is on; None for no way."""
    within = graph.subgraph(set(graph) - (ends - {a, b}))
    return networkx.shortest_path_length(within, a, b) + 1 if networkx.has_path(within, a, b) else None


def ends_of(cluster: Cluster) -> set[int]:
    return {switch.dpid for switch in cluster.switches if switch.node or switch.name == "border"}


@settings(max_examples=4, deadline=None)
@pytest.mark.parametrize(("nodes", "fabric"), SHAPES, ids=lambda value: str(value)[:40])
@given(data=st.data())
def test_the_controller_finds_the_shortest_ways_that_are_left(nodes: Any, fabric: Any, data: st.DataObject) -> None:
    lab = planned(nodes, fabric)
    choose: Callable[[int], int] = lambda buckets: data.draw(st.integers(0, buckets - 1))  # noqa: E731
    network, hosts = network_on(lab, choose)
    down = data.draw(st.lists(st.sampled_from(network.cluster.links), max_size=3, unique=True))
    network.lose(*down)
    network.reroute(*down)
    graph, ends = graph_without(network.cluster, *down), ends_of(network.cluster)
    for client, server in permutations(hosts, 2):
        arrivals = network.send(client, client.packet(server.address))
        length = shortest(graph, ends, client.dpid, server.dpid)
        assert [64 - one.fields["nw_ttl"] for one in arrivals if one.port] == ([length] if length else [])


@pytest.mark.parametrize(("nodes", "fabric"), SHAPES, ids=lambda value: str(value)[:40])
def test_what_went_and_came_back_leaves_no_trace(nodes: Any, fabric: Any) -> None:
    network, _ = network_on(planned(nodes, fabric))
    before = {dpid: switch.holds() for dpid, switch in network.fabric.switches.items()}
    network.reroute(*network.cluster.links[-3:])
    network.reroute()
    assert {dpid: switch.holds() for dpid, switch in network.fabric.switches.items()} == before


def by_group(network: Network, dpid: int, server: Host) -> int | None:
    """The group by which a switch sends to a pod."""
    routes = (flow for flow in network.fabric.switches[dpid].flows.values() if flow.table in (ROUTING, FABRIC_ROUTING))
    pods = str(ip_network(f"{server.address}/24", strict=False))
    found = (action for flow in routes if dict(flow.match).get("ipv4_dst") == pods for action in flow.actions)
    return next((action.id for action in found if isinstance(action, ToGroup)), None)


@pytest.mark.parametrize(
    "fabric",
    [
        {"shape": "leaf-spine", "leaves": 2, "spines": 2},
        {"shape": "fat-tree", "k": 4},
        {"shape": "ring", "switches": 4, "uplinks": 2},
    ],
    ids=str,
)
def test_a_switch_with_another_equal_way_takes_it_at_once(fabric: Any) -> None:
    """Nobody has told the controller yet."""
    network, hosts = network_on(planned(4, fabric))
    tried = 0
    for dpid, switch in network.fabric.switches.items():
        spreading = [group for group in switch.groups.values() if not group.first]
        for dead in {watch.port for group in spreading for watch in group.watches}:
            network.fabric.dead_ports = {(dpid, dead)}
            shared = [group.number for group in spreading if {watch.port for watch in group.watches} > {dead}]
            for client, server in permutations(hosts, 2):
                if by_group(network, dpid, server) in shared:
                    tried += 1
                    assert network.one(client, client.packet(server.address)).port == server.port
    assert tried


def test_a_neighbour_as_near_serves_where_no_shortest_way_is_left() -> None:
    """On a ring of five, two switches are as far from the one across: each sends by the other if its own way dies."""
    network, hosts = network_on(planned(5, {"shape": "ring", "switches": 5}))
    (cut,) = (one for one in network.cluster.links if {one.a.switch, one.b.switch} == {"s2", "s3"})
    network.lose(cut)
    arrival = network.one(hosts[1], hosts[1].packet("10.244.4.2"))  # s2 to s4: by s3, else by s1 and s5
    assert 64 - arrival.fields["nw_ttl"] == 6
    assert [one.port for one in network.send(hosts[1], hosts[1].packet("10.244.3.2"))] == []  # s3's only nearer is s3
    network.reroute(cut)
    assert network.one(hosts[1], hosts[1].packet("10.244.3.2")).port == hosts[2].port


def test_a_node_with_a_farther_uplink_falls_back_on_it() -> None:
    places = [["s1", "s3"], ["s1"], ["s3"]]
    nodes = [{"name": f"node{i}", "uplinks": place} for i, place in enumerate(places, 1)]
    links = [{"a": "s1", "b": "s2"}, {"a": "s2", "b": "s3"}]
    network, hosts = network_on(planned(nodes, {"shape": "graph", "switches": ["s1", "s2", "s3"], "links": links}))
    (cut,) = (one for one in network.cluster.links if {one.a.switch, one.b.switch} == {"b1", "s1"})
    network.lose(cut)
    arrival = network.one(hosts[0], hosts[0].packet("10.244.2.2"))
    assert (arrival.port, 64 - arrival.fields["nw_ttl"]) == (hosts[1].port, 5)


def live(cluster: Cluster) -> dict[int, dict[int, bool]]:
    """Every port of every switch, up."""
    numbers = {switch.name: switch.dpid for switch in cluster.switches}
    ports: dict[int, dict[int, bool]] = {dpid: {} for dpid in numbers.values()}
    for end in (end for link in cluster.links for end in (link.a, link.b)):
        ports[numbers[end.switch]][end.port] = True
    return ports


def test_a_link_is_down_when_one_end_says_so_and_up_when_both_are_ready() -> None:
    cluster = planned(2, {"shape": "leaf-spine", "leaves": 2, "spines": 2}).cluster()
    links, settled = Links(), {switch.dpid for switch in cluster.switches}
    assert links.down(cluster, settled.__contains__) == frozenset()  # nobody has told anything
    for dpid, ports in live(cluster).items():
        links.ports(dpid, ports)
    assert (links.news, links.down(cluster, settled.__contains__)) == (True, frozenset())
    link = next(one for one in cluster.links if {one.a.switch, one.b.switch} == {"leaf1", "spine1"})
    spine = next(switch.dpid for switch in cluster.switches if switch.name == link.b.switch)
    links.port(spine, link.b.port, live=False)
    assert (links.news, links.down(cluster, settled.__contains__), links.news) == (True, {link}, False)
    links.port(spine, link.b.port, live=True)
    assert (links.down(cluster, (settled - {spine}).__contains__), links.news) == ({link}, True)
    assert (links.down(cluster, settled.__contains__), links.news) == (frozenset(), False)


def test_the_last_link_of_a_node_is_not_routed_around() -> None:
    """Every switch would have to be told, and nothing would be gained."""
    cluster = planned(2, {"shape": "leaf-spine", "leaves": 2, "spines": 2}).cluster()
    links = Links()
    links.ports(1, {2: False})
    assert links.down(cluster, lambda dpid: True) == frozenset()
