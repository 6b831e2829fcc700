"""Packets by which the controller has connections of silent clients judged: what becomes of them, and of answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flow_interpreter import Arrival, Fields, reply_to
from network_model import (
    OUTSIDE_HOST,
    UPLINK,
    Host,
    Network,
    endpoint,
    endpoint_slice,
    host_of,
    node_address,
    node_host,
    service,
    switch_mac,
)
from test_policy_stages import CLIENT, NEIGHBOUR, WEB, isolate, network

from controller.actions import SetField
from controller.features.classifier import entry_marks
from controller.marks import JUDGED_ONLY, Source, source_zone_of, zone_of
from controller.tables import CONNTRACK
from k8sshim.policies import Policy

pytestmark = pytest.mark.unit
DNS = ("dns", "UDP", 53)
WEB_HOST, CLIENT_HOST = host_of(WEB), host_of(CLIENT)


def shut(side: str) -> Policy:
    return isolate(side, name="later")


def asks(client: Host, to: str, port: int = 53) -> Fields:
    return client.packet(to, "UDP", port)


def judged(made: Network, dpid: int, packet: Fields, source: Source = Source.UPLINK) -> list[Arrival]:
    """What comes of a packet like a client's at a bridge, which it enters by no port."""
    zone = zone_of(dpid)
    marks: dict[str, Any] = {JUDGED_ONLY.name: 1}
    for action in entry_marks(source, zone, source_zone_of(zone)):
        assert isinstance(action, SetField)
        marks[action.field] = action.value
    frame = {**packet, "eth_src": "00:00:00:00:00:00", "eth_dst": "00:00:00:00:00:00"}
    return made.fabric.send(dpid, UPLINK, frame, marks, first=CONNTRACK.number)


def answers(made: Network, asked: Arrival) -> bool:
    """Whether what the server sends arrives, and nothing else does."""
    back = reply_to(asked, asked.fields["eth_dst"], switch_mac(asked.dpid))
    arrivals = made.fabric.send(asked.dpid, asked.port, back)
    assert all(one.to_controller is None for one in arrivals)
    return bool(arrivals)


def known(made: Network) -> list[tuple[Any, ...]]:
    """What conntrack has, and how it is marked."""
    zones = made.fabric.connections.items()
    return [(zone, one.there, one.back, dict(one.marks)) for zone, some in zones for one in some]


def cut_and_going_on(made: Network, asked: Arrival, side: str, judge: tuple[int, Fields, Source]) -> None:
    assert answers(made, asked)
    made.put(shut(side))
    assert answers(made, asked), "nobody has judged it"
    assert judged(made, *judge) == []
    assert not answers(made, asked)
    made.remove(shut(side))
    assert not answers(made, asked), "nobody has judged it again"
    assert judged(made, *judge) == []
    assert answers(made, asked)


@pytest.mark.parametrize(
    ("side", "client", "server", "where", "source"),
    [
        ("ingress", CLIENT_HOST, WEB_HOST, 1, Source.UPLINK),
        ("egress", WEB_HOST, CLIENT_HOST, 1, Source.POD),
        ("ingress", host_of(NEIGHBOUR), WEB_HOST, 1, Source.POD),
        ("egress", WEB_HOST, host_of(NEIGHBOUR), 1, Source.POD),
        ("ingress", node_host(2), WEB_HOST, 1, Source.UPLINK),
        ("egress", WEB_HOST, node_host(2), 1, Source.POD),
    ],
)
def test_answers_are_cut_and_go_on_though_the_client_is_silent(
    side: str, client: Host, server: Host, where: int, source: Source
) -> None:
    made = network()
    packet = asks(client, server.address)
    cut_and_going_on(made, made.one(client, packet), side, (where, packet, source))


def test_a_connection_to_a_service_is_judged_by_what_it_was_translated_to() -> None:
    made = network(service("dns", "10.96.0.10", DNS), endpoint_slice("dns", [endpoint(WEB_HOST.address)], DNS))
    packet = asks(CLIENT_HOST, "10.96.0.10")
    asked = made.one(CLIENT_HOST, packet)
    cut_and_going_on(made, asked, "ingress", (1, asked.fields, Source.UPLINK))
    made = network(service("dns", "10.96.0.10", DNS), endpoint_slice("dns", [endpoint(CLIENT_HOST.address)], DNS))
    packet = asks(WEB_HOST, "10.96.0.10")
    cut_and_going_on(made, made.one(WEB_HOST, packet), "egress", (1, packet, Source.POD))


def test_an_outside_client_that_is_seen_as_a_node_is_judged_too() -> None:
    made = network(outside=True)
    ports = service("dns", "10.96.0.10", DNS)
    ports = replace(ports, type="NodePort", ports=(replace(ports.ports[0], node_port=30053),))
    made.put(ports, endpoint_slice("dns", [endpoint(WEB_HOST.address)], DNS))
    packet = asks(OUTSIDE_HOST, node_address(1), 30053)
    asked = made.one(OUTSIDE_HOST, packet)
    cut_and_going_on(made, asked, "ingress", (1, packet, Source.UPLINK))
    made.put(isolate("ingress", {"from": [{"ipBlock": {"cidr": f"{node_address(1)}/32"}}]}, name="nodes"))
    assert judged(made, 1, packet) == []
    assert answers(made, asked), "it is seen as the node"


def test_a_pod_that_asks_outside_as_its_node_is_judged_too() -> None:
    made = network(outside=True)
    packet = asks(WEB_HOST, OUTSIDE_HOST.address)
    cut_and_going_on(made, made.one(WEB_HOST, packet), "egress", (1, packet, Source.POD))


def test_what_the_own_node_and_the_pod_itself_ask_is_never_cut() -> None:
    made = network(service("dns", "10.96.0.10", DNS), endpoint_slice("dns", [endpoint(WEB_HOST.address)], DNS))
    for client, to, source in ((node_host(1), WEB_HOST.address, Source.NODE), (WEB_HOST, "10.96.0.10", Source.POD)):
        packet = asks(client, to)
        asked = made.one(client, packet)
        made.put(shut("ingress"), isolate("egress", name="both"))
        assert judged(made, 1, packet, source) == []
        assert answers(made, asked)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("to", [CLIENT_HOST.address, OUTSIDE_HOST.address])
def test_a_first_answer_is_cut_and_passes_again_as_well(to: str, again: bool) -> None:
    """Its connection is a new one until then, of which nobody is told by what is only judged."""
    made = network(outside=True)
    made.put(service("dns", "10.96.0.10", DNS), endpoint_slice("dns", [endpoint(CLIENT_HOST.address)], DNS))
    packet = asks(WEB_HOST, to)
    asked = made.one(WEB_HOST, packet)
    made.put(shut("egress"))
    assert judged(made, 1, packet, Source.POD) == []
    if again:
        made.remove(shut("egress"))
        assert judged(made, 1, packet, Source.POD) == []
    assert answers(made, asked) is again


@pytest.mark.parametrize("in_kernel", [False, True])
def test_a_first_answer_of_a_service_is_cut_and_passes_again_as_well(in_kernel: bool) -> None:
    """What follows the first packet is not translated by the kernel's conntrack then, but policies see the endpoint."""
    made = network(service("dns", "10.96.0.10", DNS), endpoint_slice("dns", [endpoint(CLIENT_HOST.address)], DNS))
    made.fabric.in_kernel = in_kernel
    packet = asks(WEB_HOST, "10.96.0.10")
    asked = made.one(WEB_HOST, packet)
    to_endpoint = isolate("egress", {"to": [{"ipBlock": {"cidr": f"{CLIENT_HOST.address}/32"}}]}, name="to-endpoint")
    known_before = len(known(made))
    made.put(shut("egress"))
    assert judged(made, 1, packet, Source.POD) == []
    assert not answers(made, asked)
    made.put(to_endpoint)
    assert judged(made, 1, packet, Source.POD) == []
    assert answers(made, asked)
    assert len(known(made)) == known_before, "what is only judged makes no connection"


@pytest.mark.parametrize("in_kernel", [False, True])
def test_a_first_answer_to_an_outside_client_that_is_seen_as_a_node_is_cut_as_well(in_kernel: bool) -> None:
    made = network(outside=True)
    made.fabric.in_kernel = in_kernel
    ports = service("dns", "10.96.0.10", DNS)
    ports = replace(ports, type="NodePort", ports=(replace(ports.ports[0], node_port=30053),))
    made.put(ports, endpoint_slice("dns", [endpoint(WEB_HOST.address)], DNS))
    packet = asks(OUTSIDE_HOST, node_address(1), 30053)
    asked = made.one(OUTSIDE_HOST, packet)
    made.put(shut("ingress"))
    assert judged(made, 1, packet) == []
    assert not answers(made, asked)
    made.put(isolate("ingress", {"from": [{"ipBlock": {"cidr": f"{node_address(1)}/32"}}]}, name="nodes"))
    assert judged(made, 1, packet) == []
    assert answers(made, asked), "it is seen as the node"


@pytest.mark.parametrize("in_kernel", [False, True])
def test_what_a_gateway_refuses_is_told_to_nobody_when_it_is_judged(in_kernel: bool) -> None:
    made = network(service("dns", "10.96.0.10", DNS), endpoint_slice("dns", [endpoint("10.244.1.1")], DNS))
    made.fabric.in_kernel = in_kernel
    packet = asks(WEB_HOST, "10.96.0.10")
    [told] = made.send(WEB_HOST, packet)
    assert told.to_controller is not None, "its client is"
    assert judged(made, 1, packet, Source.POD) == []


def test_who_asked_the_own_node_twice_by_a_service_is_judged() -> None:
    """Conntrack remembers it as what the node itself was asked, and knows the translation."""
    made = network(service("dns", "10.96.0.10", DNS), endpoint_slice("dns", [endpoint(node_address(1))], DNS))
    packet = asks(WEB_HOST, "10.96.0.10")
    asked = made.one(WEB_HOST, packet)
    assert made.one(WEB_HOST, packet) == asked
    made.put(shut("egress"))
    assert judged(made, 1, packet, Source.POD) == []
    assert answers(made, asked), "a pod reaches its own node"


def test_what_was_denied_is_put_in_the_second_zone_as_by_the_next_packet() -> None:
    made = network(outside=True)
    made.put(service("dns", "10.96.0.10", DNS), endpoint_slice("dns", [endpoint(OUTSIDE_HOST.address)], DNS))
    packet = asks(WEB_HOST, "10.96.0.10")
    made.put(shut("egress"))
    made.send(WEB_HOST, packet)
    made.remove(shut("egress"))
    assert judged(made, 1, packet, Source.POD) == []
    before = known(made)
    asked = made.one(WEB_HOST, packet)
    assert known(made) == before
    assert answers(made, asked)


@pytest.mark.parametrize("in_kernel", [False, True])
def test_what_was_refused_is_told_to_nobody_when_it_is_judged(in_kernel: bool) -> None:
    made = network(service("dns", "10.96.0.10", DNS))
    made.fabric.in_kernel = in_kernel
    packet = asks(WEB_HOST, "10.96.0.10")
    assert made.send(WEB_HOST, packet), "its client is"
    assert judged(made, 1, packet, Source.POD) == []
    made.put(shut("egress"))
    assert judged(made, 1, packet, Source.POD) == []


def test_what_was_cut_before_it_was_answered_goes_on_when_its_client_sends_again() -> None:
    made = network(outside=True)
    packet = asks(WEB_HOST, OUTSIDE_HOST.address)
    asked = made.one(WEB_HOST, packet)
    made.put(shut("egress"))
    assert judged(made, 1, packet, Source.POD) == []
    made.remove(shut("egress"))
    assert made.one(WEB_HOST, packet) == asked
    assert answers(made, asked)


def test_what_is_only_judged_makes_no_connection_and_is_told_to_nobody() -> None:
    """Of a connection that has ended meanwhile, or that is one the other way round by now."""
    made = network(service("dns", "10.96.0.10", DNS), endpoint_slice("dns", [endpoint(WEB_HOST.address)], DNS))
    made.put(shut("ingress"))
    made.one(WEB_HOST, WEB_HOST.packet(CLIENT_HOST.address, "UDP", 40000) | {"udp_src": 53})
    before = known(made)
    gateway, nowhere = "10.244.1.1", "10.244.1.77"
    for to in (WEB_HOST.address, "10.96.0.10", node_address(1), node_address(2), gateway, nowhere, "192.0.2.1"):
        for source in (Source.POD, Source.NODE, Source.UPLINK):
            assert judged(made, 1, asks(CLIENT_HOST, to), source) == []
    assert known(made) == before


def test_what_is_only_judged_is_told_to_nobody_where_the_server_is_gone() -> None:
    made = network()
    packet = asks(CLIENT_HOST, WEB_HOST.address)
    made.one(CLIENT_HOST, packet)
    made.remove(WEB)
    assert judged(made, 1, packet) == []
    [told] = made.fabric.send(1, UPLINK, {**packet, "eth_dst": switch_mac(1)})
    assert told.to_controller is not None, "its client is"


def test_a_pod_that_was_denied_what_is_outside_gets_answers_once_it_asks_again() -> None:
    made = network(outside=True)
    packet = asks(WEB_HOST, OUTSIDE_HOST.address)
    asked = made.one(WEB_HOST, packet)
    assert answers(made, asked)
    made.put(shut("egress"))
    assert made.send(WEB_HOST, packet) == []
    assert not answers(made, asked)
    made.remove(shut("egress"))
    assert made.one(WEB_HOST, packet) == asked
    assert answers(made, asked)
