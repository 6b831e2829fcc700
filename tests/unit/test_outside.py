"""The border: who gets in, pods seen as their node outside, and answers to whoever asked."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from flow_interpreter import Arrival, reply_to
from network_model import (
    BORDER,
    CONTROL_PLANE_HOST,
    OUTSIDE_HOST,
    Host,
    Network,
    bordered,
    cluster_of,
    endpoint,
    endpoint_slice,
    host_of,
    network_of,
    node_host,
    pod,
    service,
    switch_mac,
)

from controller.marks import NODE_SOURCE_PORTS, Feature
from controller.topology import WIDEST, Topology
from k8sshim.objects import Endpoint, Service

pytestmark = pytest.mark.unit
A, B, C = pod("a", 1, 2), pod("b", 1, 3), pod("c", 2, 2)
HTTP, VIP = ("http", "TCP", 80), "198.51.100.9"


@pytest.fixture(params=[0, 2], ids=["single", "leaf-spine"])
def network(request: pytest.FixtureRequest) -> Network:
    return network_of(2, A, B, C, leaves=request.param, outside=True)


def answer(network: Network, arrival: Arrival) -> Arrival:
    """Where the answer of whoever got a packet comes out."""
    receiver = Host(arrival.dpid, arrival.port, "")
    return network.one(receiver, reply_to(arrival, arrival.fields["eth_dst"], switch_mac(arrival.dpid)))


def comes_to(host: Host, arrival: Arrival) -> bool:
    place = (arrival.dpid, arrival.port, arrival.fields["eth_dst"], arrival.fields["ipv4_dst"])
    return place == (host.dpid, host.port, host.mac, host.address)


@pytest.mark.parametrize("there", [node_host(1), node_host(2), CONTROL_PLANE_HOST])
def test_hosts_reach_nodes_and_one_another_as_themselves(network: Network, there: Host) -> None:
    arrival = network.one(OUTSIDE_HOST, OUTSIDE_HOST.packet(there.address))
    assert comes_to(there, arrival)
    assert arrival.fields["ipv4_src"] == OUTSIDE_HOST.address
    assert comes_to(OUTSIDE_HOST, answer(network, arrival))


@pytest.mark.parametrize("there", ["10.244.2.2", "10.244.7.7", "10.96.0.10"])
def test_the_outside_host_is_kept_from_pods_and_services(network: Network, there: str) -> None:
    arrival = network.one(OUTSIDE_HOST, OUTSIDE_HOST.packet(there))
    assert (arrival.dpid, arrival.port) == (BORDER, 0)
    assert arrival.to_controller is not None
    assert arrival.to_controller.owner.feature is Feature.BORDER


def test_the_control_plane_reaches_pods(network: Network) -> None:
    arrival = network.one(CONTROL_PLANE_HOST, CONTROL_PLANE_HOST.packet("10.244.2.2"))
    assert comes_to(host_of(C), arrival)
    assert comes_to(CONTROL_PLANE_HOST, answer(network, arrival))


@pytest.mark.parametrize("spoofed", [{"ipv4_src": "172.30.0.2"}, {"eth_src": "0a:58:ac:1e:00:02"}])
def test_hosts_send_as_what_they_are(network: Network, spoofed: dict[str, str]) -> None:
    for host in (OUTSIDE_HOST, CONTROL_PLANE_HOST):
        assert network.send(host, host.packet(node_host(1).address, **spoofed)) == []


def test_the_outside_host_may_use_each_of_its_addresses(network: Network) -> None:
    other = Host(BORDER, OUTSIDE_HOST.port, "192.0.2.7")
    sent = OUTSIDE_HOST.packet(node_host(2).address, ipv4_src=other.address)
    arrival = network.one(OUTSIDE_HOST, sent)
    assert arrival.fields["ipv4_src"] == other.address
    back = answer(network, arrival)
    assert (back.dpid, back.port, back.fields["eth_dst"]) == (BORDER, OUTSIDE_HOST.port, OUTSIDE_HOST.mac)


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("source", [40000, 9000])
def test_pods_are_seen_as_their_node_outside(network: Network, protocol: str, source: int) -> None:
    field = f"{protocol.lower()}_src"
    ports = set()
    for client in map(host_of, (A, B)):
        sent = client.packet(OUTSIDE_HOST.address, protocol, **{field: source})
        arrival = network.one(client, sent)
        assert comes_to(OUTSIDE_HOST, arrival)
        assert arrival.fields["ipv4_src"] == node_host(1).address
        assert NODE_SOURCE_PORTS[0] <= arrival.fields[field] <= NODE_SOURCE_PORTS[1]
        ports.add(arrival.fields[field])
        back = answer(network, arrival)
        assert comes_to(client, back)
        assert (back.fields["ipv4_src"], back.fields[f"{protocol.lower()}_dst"]) == (OUTSIDE_HOST.address, source)
        assert network.one(client, sent).fields[field] == arrival.fields[field]
    assert len(ports) == 2


def test_pings_go_out_and_come_back(network: Network) -> None:
    client = host_of(C)
    arrival = network.one(client, client.ping(OUTSIDE_HOST.address))
    assert (arrival.fields["ipv4_src"], comes_to(OUTSIDE_HOST, arrival)) == (node_host(2).address, True)
    assert comes_to(client, answer(network, arrival))


def test_nodes_and_pods_inside_are_not_translated(network: Network) -> None:
    node = node_host(1)
    assert network.one(node, node.packet(OUTSIDE_HOST.address)).fields["tcp_src"] == 40000
    for there in (node_host(2), host_of(C), CONTROL_PLANE_HOST):
        arrival = network.one(host_of(A), host_of(A).packet(there.address))
        assert arrival.fields["ipv4_src"] == host_of(A).address


def test_a_service_of_an_endpoint_outside() -> None:
    web = service("web", "10.96.0.10", HTTP)
    endpoints = endpoint_slice("web", [endpoint(OUTSIDE_HOST.address)], HTTP)
    network = network_of(2, A, web, endpoints, outside=True)
    arrival = network.one(host_of(A), host_of(A).packet("10.96.0.10"))
    assert comes_to(OUTSIDE_HOST, arrival)
    assert arrival.fields["ipv4_src"] == node_host(1).address
    back = answer(network, arrival)
    assert comes_to(host_of(A), back)
    assert back.fields["ipv4_src"] == "10.96.0.10"


def external(*, local: bool, name: str = "web", address: str = "10.96.0.10") -> Service:
    return replace(service(name, address, HTTP), ingress_ips=(VIP,), external_local=local, type="LoadBalancer")


def on(number: int, **state: bool) -> Endpoint:
    """An endpoint on a node."""
    return replace(endpoint(f"10.244.{number}.2", **state), node=f"node{number}")


def served(network: Network, **fields: int) -> set[int]:
    """The nodes whose bridges get what the outside host sends to the address."""
    found: set[int] = set()
    for place in range(60):
        arrivals = network.send(OUTSIDE_HOST, OUTSIDE_HOST.packet(VIP, tcp_src=41000 + place, **fields))
        found |= {arrival.dpid for arrival in arrivals}
    return found


@pytest.fixture(params=[0, 2], ids=["single", "leaf-spine"])
def wide(request: pytest.FixtureRequest) -> Network:
    """Four nodes, with a pod each."""
    pods = [pod(f"p{i}", i, 2) for i in range(1, 5)]
    return network_of(4, *pods, leaves=request.param, choose=Random(3).randrange, outside=True)


def test_every_node_serves_an_external_address(wide: Network) -> None:
    wide.put(external(local=False))
    assert served(wide) == {1, 2, 3, 4}  # no endpoint: each refuses by itself


@pytest.mark.parametrize(
    ("endpoints", "nodes"),
    [
        ([on(1), on(3)], {1, 3}),
        ([on(2), on(4, ready=False)], {2}),
        ([on(2), on(4, ready=False, terminating=True)], {2}),
        ([on(2, ready=False, terminating=True), on(4, ready=False, serving=False, terminating=True)], {2}),
        ([], {BORDER}),
        ([on(1, ready=False, serving=False)], {BORDER}),
    ],
)
def test_nodes_with_an_endpoint_serve_under_policy_local(
    wide: Network, endpoints: list[Endpoint], nodes: set[int]
) -> None:
    wide.put(external(local=True), endpoint_slice("web", endpoints, HTTP))
    assert served(wide) == nodes


def test_ways_follow_the_endpoints(wide: Network) -> None:
    wide.put(external(local=True), endpoint_slice("web", [on(1), on(2)], HTTP))
    assert served(wide) == {1, 2}
    wide.put(endpoint_slice("web", [on(4)], HTTP))
    assert served(wide) == {4}
    wide.remove(external(local=True))
    assert served(wide) == {BORDER}


def test_an_address_of_two_services_is_routed_until_the_last_is_gone(wide: Network) -> None:
    local, other = external(local=True), external(local=False, name="api", address="10.96.0.11")
    wide.put(local, endpoint_slice("web", [on(3)], HTTP))
    assert served(wide) == {3}
    wide.put(replace(other, ports=(replace(other.ports[0], port=81),)))
    assert served(wide) == {3}  # the other nodes get it, too, and drop what policy Local forbids
    assert served(wide, tcp_dst=81) == {1, 2, 3, 4}
    wide.remove(other)
    assert served(wide) == {3}


@pytest.mark.parametrize("taken", ["172.30.0.254", "203.0.113.2", "203.0.113.1", "10.244.1.2"])
def test_what_others_have_keeps_its_way(network: Network, taken: str) -> None:
    before = {dpid: dict(switch.flows) for dpid, switch in network.fabric.switches.items()}
    network.put(replace(service("web", "10.96.0.10", HTTP), external_ips=(taken,)))
    assert all(network.fabric.switches[dpid].flows == before[dpid] for dpid in before if dpid >= 0x10000)


def test_of_many_ways_no_more_are_taken_than_a_switch_can_be_told() -> None:
    ways = Topology(bordered(cluster_of(600))).to_all["s1"]
    assert 128 < len(ways) <= WIDEST
    assert len(set(ways)) == len(ways)


@pytest.mark.parametrize("address", ["203.0.113.1", "172.30.0.1"])
def test_the_border_answers_pings(network: Network, address: str) -> None:
    arrival = network.one(OUTSIDE_HOST, OUTSIDE_HOST.ping(address))
    assert comes_to(OUTSIDE_HOST, arrival)
    assert (arrival.fields["icmpv4_type"], arrival.fields["ipv4_src"]) == (0, address)


def test_a_pod_pings_the_border(network: Network) -> None:
    arrival = network.one(host_of(A), host_of(A).ping("203.0.113.1"))
    assert comes_to(host_of(A), arrival)


@pytest.mark.parametrize("address", ["203.0.113.77", "198.51.100.9", "8.8.8.8"])
def test_what_nobody_has_is_said_to_be_unreachable(network: Network, address: str) -> None:
    arrival = network.one(OUTSIDE_HOST, OUTSIDE_HOST.packet(address))
    assert (arrival.dpid, arrival.to_controller and arrival.to_controller.owner.feature) == (
        BORDER,
        Feature.UNREACHABLE,
    )


def test_no_ttl_left(network: Network) -> None:
    arrival = network.one(OUTSIDE_HOST, OUTSIDE_HOST.packet(node_host(1).address, nw_ttl=1))
    assert arrival.to_controller is not None
    assert arrival.to_controller.owner.feature is Feature.TIME_EXCEEDED


def test_a_cluster_without_hosts_has_no_border() -> None:
    assert cluster_of(2).hosts == ()
    assert {host.name for host in bordered(cluster_of(2)).hosts} == {"outside", "control-plane"}
