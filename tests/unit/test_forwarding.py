"""Pods and nodes reach each other without translation, over any fabric; what should not pass does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_model import Host, host_of, network_of, node_host, pod, switch_mac

from controller.marks import Feature
from k8sshim.objects import Pod

pytestmark = pytest.mark.unit
A, B, C = pod("a", 1, 2), pod("b", 1, 3), pod("c", 2, 2)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[int, int, list[Pod]]:
    """Number of nodes, number of leaves (0: one fabric switch), pods at least two."""
    nodes, leaves = draw(st.integers(1, 5)), draw(st.integers(0, 3))
    places = draw(st.sets(st.tuples(st.integers(1, nodes), st.integers(2, 40)), min_size=2, max_size=6))
    return nodes, leaves, [pod(f"p{on}-{number}", on, number) for on, number in sorted(places)]


def bridges_between(a: Host, b: Host, leaves: int) -> int:
    """How many switches route a packet, worked out from the shape alone."""
    if a.dpid == b.dpid:
        return 1
    same_leaf = not leaves or a.dpid % leaves == b.dpid % leaves
    return 3 if same_leaf else 5


@settings(max_examples=60, deadline=None)
@given(clusters(), st.data())
def test_every_pod_and_node_reaches_every_other_as_itself(
    shape: tuple[int, int, list[Pod]], data: st.DataObject
) -> None:
    nodes, leaves, pods = shape
    choose: Callable[[int], int] = lambda buckets: data.draw(st.integers(0, buckets - 1))  # noqa: E731
    network = network_of(nodes, *pods, leaves=leaves, choose=choose)
    hosts = [*map(host_of, pods), *(node_host(i) for i in range(1, nodes + 1))]
    for client in hosts:
        for server in hosts:
            if client == server:
                continue
            arrival = network.one(client, client.packet(server.address))
            assert (arrival.dpid, arrival.port) == (server.dpid, server.port)
            assert (arrival.fields["ipv4_src"], arrival.fields["ipv4_dst"]) == (client.address, server.address)
            assert arrival.fields["nw_ttl"] == 64 - bridges_between(client, server, leaves)
            assert (arrival.fields["eth_src"], arrival.fields["eth_dst"]) == (switch_mac(server.dpid), server.mac)


@pytest.mark.parametrize(
    "spoofed",
    [
        {"ipv4_src": "10.244.1.3"},
        {"ipv4_src": "0.0.0.0"},
        {"eth_src": "0a:58:0a:f4:01:03"},
        {"eth_dst": "ff:ff:ff:ff:ff:ff"},
        {"eth_type": 0x86DD},
    ],
    ids=lambda one: next(iter(one)) + "=" + str(next(iter(one.values()))),
)
@pytest.mark.parametrize("host", [host_of(A), node_host(1)], ids=["pod", "node"])
def test_nobody_sends_as_somebody_else(host: Host, spoofed: dict[str, object]) -> None:
    network = network_of(2, A, B, C)
    assert network.send(host, host.packet("10.244.2.2")) != []
    assert network.send(host, host.packet("10.244.2.2", **spoofed)) == []


def arp(host: Host, target: str, **other: object) -> dict[str, object]:
    return {
        "eth_type": 0x0806, "eth_src": host.mac, "eth_dst": "ff:ff:ff:ff:ff:ff", "arp_op": 1, "arp_spa": host.address,
        "arp_sha": host.mac, "arp_tha": "00:00:00:00:00:00", "arp_tpa": target, **other,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("host", "target"),
    [
        (host_of(A), "10.244.1.1"),
        (host_of(A), "10.244.1.3"),
        (node_host(1), "172.30.0.1"),
        (node_host(1), "172.30.0.3"),
    ],
    ids=["pod, gateway", "pod, neighbour", "node, gateway", "node, other node"],
)
def test_arp_requests_are_answered_with_the_bridges_mac(host: Host, target: str) -> None:
    answer = network_of(2, A, B, C).one(host, arp(host, target))
    assert (answer.dpid, answer.port) == (host.dpid, host.port)
    assert answer.fields == {
        "eth_type": 0x0806, "eth_src": switch_mac(1), "eth_dst": host.mac, "arp_op": 2, "arp_spa": target,
        "arp_sha": switch_mac(1), "arp_tha": host.mac, "arp_tpa": host.address,
    }  # fmt: skip


def test_other_arp_is_not_answered() -> None:
    network, host = network_of(2, A, B, C), host_of(A)
    for wrong in (
        arp(host, host.address),  # is somebody using my address?
        arp(host, "10.244.2.2"),  # not in the pod's network
        arp(host, "10.244.1.3", arp_op=2),
        arp(host, "10.244.1.1", arp_spa="10.244.1.3"),
        arp(host, "10.244.1.1", arp_sha="0a:58:0a:f4:01:03"),
        arp(host, "10.244.1.1", eth_src="0a:58:0a:f4:01:03"),
    ):
        assert network.send(host, wrong) == []


@pytest.mark.parametrize("gateway", ["10.244.1.1", "172.30.0.1", "10.244.2.1"])
def test_gateways_answer_pings(gateway: str) -> None:
    host = host_of(A)
    answer = network_of(2, A, C).one(host, host.ping(gateway))
    assert (answer.dpid, answer.port, answer.fields["icmpv4_type"]) == (host.dpid, host.port, 0)
    assert (answer.fields["ipv4_src"], answer.fields["ipv4_dst"]) == (gateway, host.address)
    assert answer.fields["eth_dst"] == host.mac


@pytest.mark.parametrize(("ttl", "dpid"), [(1, 1), (2, 0x10001), (3, 2)])
def test_a_packet_that_runs_out_of_ttl_goes_to_the_controller_from_there(ttl: int, dpid: int) -> None:
    network, host = network_of(2, A, C), host_of(A)
    arrival = network.one(host, host.ping("10.244.2.2", ttl=ttl))
    assert arrival.dpid == dpid
    assert arrival.to_controller is not None
    assert arrival.to_controller.owner.feature is Feature.TIME_EXCEEDED


@pytest.mark.parametrize(
    ("destination", "dpid"), [("10.244.2.99", 2), ("10.244.9.9", 1), ("10.96.0.99", 1), ("8.8.8.8", 1)]
)
def test_what_has_no_route_goes_to_the_controller(destination: str, dpid: int) -> None:
    host = host_of(A)
    arrival = network_of(2, A, C).one(host, host.packet(destination))
    assert arrival.dpid == dpid
    assert arrival.to_controller is not None
    assert arrival.to_controller.owner.feature is Feature.UNREACHABLE


@pytest.mark.parametrize("destination", ["224.0.0.251", "255.255.255.255"])
def test_multicast_and_broadcast_are_dropped_in_silence(destination: str) -> None:
    host = host_of(A)
    assert network_of(2, A, C).send(host, host.packet(destination, "UDP")) == []


def test_a_finished_or_deleted_pod_is_reached_no_more() -> None:
    network, client = network_of(2, A, C), host_of(A)
    network.put(pod("c", 2, 2, phase="Succeeded"))
    assert network.one(client, client.packet("10.244.2.2")).to_controller
    network.put(C)
    assert not network.one(client, client.packet("10.244.2.2")).to_controller
    network.remove(C)
    assert network.one(client, client.packet("10.244.2.2")).to_controller


def test_connections_that_last_keep_passing() -> None:
    network, client = network_of(2, A, C), host_of(A)
    for _ in range(2):
        there = network.one(client, client.packet("10.244.2.2"))
        back = network.reply(there)
        assert (back.dpid, back.port, back.fields["ipv4_src"]) == (1, client.port, "10.244.2.2")
