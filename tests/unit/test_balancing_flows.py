"""Balancing and session affinity, followed through the flows: who answers which client, and for how long."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from flow_interpreter import Arrival
from network_model import (
    Host,
    Network,
    endpoint,
    endpoint_slice,
    host_of,
    network_of,
    node_address,
    node_host,
    pod,
    service,
)

from controller.marks import SLOT, SLOT_GIVEN, Feature
from controller.tables import AFFINITY_CLIENTS, ENDPOINT_SELECTION

pytestmark = pytest.mark.unit
VIP = "10.96.0.10"
CLIENTS = [pod(f"c{number}", 1, number) for number in range(2, 102)]
ADDRESSES = ["10.244.2.2", "10.244.2.3", "10.244.2.4"]
PORTS = (("http", "TCP", 80), ("dns", "UDP", 53))
WEB = service("web", VIP, *PORTS)
KINDS = pytest.mark.parametrize(("protocol", "port"), [("TCP", 80), ("UDP", 53)], ids=["TCP", "UDP"])
MODES = ("hash", "source", "weighted", "round-robin", "consistent")
HOUR = 3600


def serving(
    balancing: str, *, clients: int = len(CLIENTS), affinity_s: int = 0, addresses: list[str] = ADDRESSES
) -> Network:
    """Clients on the first node, servers on the second."""
    servers = [pod(f"s{address.split('.')[-1]}", 2, int(address.split(".")[-1])) for address in ADDRESSES]
    web = replace(WEB, balancing=balancing, affinity_s=affinity_s)
    return network_of(2, *CLIENTS[:clients], *servers, web, slices(*addresses))


def slices(*addresses: str):  # type: ignore[no-untyped-def]
    return endpoint_slice("web", map(endpoint, addresses), *PORTS)


def arrival(network: Network, host: Host, protocol: str = "TCP", port: int = 80, source: int = 40000) -> Arrival:
    """Where a first packet arrives, with the controller's help where it is asked."""
    packet = host.packet(VIP, protocol, port, **{f"{protocol.lower()}_src": source})
    one = network.one(host, packet)
    while one.to_controller:
        assert one.to_controller.owner.feature is Feature.BALANCING
        given = {SLOT.name: next(TURNS) % one.marks[SLOT.name], SLOT_GIVEN.name: 1}
        one = network.fabric.send(host.dpid, host.port, one.fields, given)[0]
    return one


def turns():  # type: ignore[no-untyped-def]
    number = 0
    while True:
        yield number
        number += 1


TURNS = turns()


def who(network: Network, host: Host, protocol: str = "TCP", port: int = 80, source: int = 40000) -> str:
    found = arrival(network, host, protocol, port, source).fields["ipv4_dst"]
    assert found in ADDRESSES
    return str(found)


@KINDS
@pytest.mark.parametrize("balancing", ["source", "consistent"])
def test_a_source_has_one_endpoint_and_sources_are_spread(balancing: str, protocol: str, port: int) -> None:
    network = serving(balancing)
    firsts = {client: who(network, host_of(client), protocol, port) for client in CLIENTS}
    assert min(Counter(firsts.values()).values()) > len(CLIENTS) / 5
    for client in CLIENTS[:20]:
        again = {who(network, host_of(client), protocol, port, source) for source in range(41000, 41010)}
        assert again == {firsts[client]}


@pytest.mark.parametrize(("balancing", "most"), [("consistent", 0.45), ("source", 1.0)])
def test_how_many_sources_move_when_an_endpoint_leaves_and_comes_back(balancing: str, most: float) -> None:
    network = serving(balancing)
    before = {client: who(network, host_of(client)) for client in CLIENTS}
    network.put(slices(*ADDRESSES[1:]))
    without = {client: who(network, host_of(client), source=41000) for client in CLIENTS}
    moved = [client for client in CLIENTS if before[client] != without[client]]
    assert all(client in moved for client in CLIENTS if before[client] == ADDRESSES[0])
    assert len(moved) <= most * len(CLIENTS)
    network.put(slices(*ADDRESSES))
    assert {client: who(network, host_of(client), source=42000) for client in CLIENTS} == before


def test_two_services_spread_the_same_sources_differently() -> None:
    network = serving("source")
    other = replace(service("other", "10.96.0.11", *PORTS), balancing="source")
    network.put(other, endpoint_slice("other", map(endpoint, ADDRESSES), *PORTS))
    same = [
        client
        for client in map(host_of, CLIENTS)
        if network.one(client, client.packet("10.96.0.11", tcp_src=50000)).fields["ipv4_dst"] == who(network, client)
    ]
    assert len(same) < len(CLIENTS) / 2


def test_udp_connections_of_one_client_are_spread() -> None:
    network, client = serving("hash", clients=1), host_of(CLIENTS[0])
    counts = Counter(who(network, client, "UDP", 53, source) for source in range(40000, 40300))
    assert min(counts.values()) > 70


def test_weights_are_the_pods() -> None:
    network = serving("weighted", clients=1)
    for address, weight in zip(ADDRESSES, (1, 3, 6), strict=True):
        number = int(address.split(".")[-1])
        network.put(replace(pod(f"s{number}", 2, number), weight=weight))
    with_targets = [
        replace(endpoint(address), target=pod(f"s{address.split('.')[-1]}", 2, 2).key) for address in ADDRESSES
    ]
    network.put(endpoint_slice("web", with_targets, *PORTS))
    group = next(iter(network.desired.wanted(1).groups.values()))
    assert group.weights == (24, 76, 153, 1)
    counts = Counter(who(network, host_of(CLIENTS[0]), "UDP", 53, source) for source in range(40000, 41000))
    assert [round(counts[address] / 1000, 1) for address in ADDRESSES] == [0.1, 0.3, 0.6]


@KINDS
def test_round_robin_takes_turns_and_a_packet_sent_again_stays(protocol: str, port: int) -> None:
    network, client = serving("round-robin", clients=1), host_of(CLIENTS[0])
    found = [who(network, client, protocol, port, source) for source in range(40000, 40009)]
    assert Counter(found) == dict.fromkeys(ADDRESSES, 3)
    assert who(network, client, protocol, port, 40000) == found[0]


def test_two_packets_of_a_connection_that_wait_for_their_turn_get_one_endpoint() -> None:
    network, client = serving("round-robin", clients=1), host_of(CLIENTS[0])
    waiting = [network.one(client, client.packet(VIP, "UDP", 53)) for _ in range(3)]
    assert all(one.to_controller for one in waiting)
    arrivals = [
        network.fabric.send(client.dpid, client.port, one.fields, {SLOT.name: slot, SLOT_GIVEN.name: 1})[0]
        for slot, one in enumerate(waiting)
    ]
    assert len({one.fields["ipv4_dst"] for one in arrivals}) == 1


def test_a_turn_that_was_given_before_an_endpoint_left_is_no_reason_to_pass_untranslated() -> None:
    network, client = serving("round-robin", clients=1), host_of(CLIENTS[0])
    waiting = network.one(client, client.packet(VIP))
    network.put(slices(*ADDRESSES[:2]))
    one = network.fabric.send(client.dpid, client.port, waiting.fields, {SLOT.name: 2, SLOT_GIVEN.name: 1})[0]
    assert one.fields["ipv4_dst"] in ADDRESSES[:2]


@KINDS
@pytest.mark.parametrize("balancing", MODES)
def test_affinity_lasts_from_the_last_use(balancing: str, protocol: str, port: int) -> None:
    network, client = serving(balancing, clients=1, affinity_s=10), host_of(CLIENTS[0])
    first = who(network, client, protocol, port)
    for number in range(1, 8):
        network.fabric.now += 9
        assert who(network, client, protocol, port, 40000 + number) == first
    assert learned(network) == 1
    network.fabric.now += 11
    who(network, client, protocol, port, 50000)
    assert learned(network) == 1


@pytest.mark.parametrize("balancing", ["hash", "weighted", "round-robin"])
def test_after_the_timeout_another_endpoint_may_be_chosen(balancing: str) -> None:
    network, client = serving(balancing, clients=1, affinity_s=10), host_of(CLIENTS[0])
    found = set()
    for number in range(30):
        found.add(who(network, client, source=40000 + number))
        network.fabric.now += 11
    assert found == set(ADDRESSES)


def test_clients_are_told_apart_and_addresses_of_one_service_port_are_not() -> None:
    network = serving("hash", affinity_s=HOUR)
    network.put(replace(WEB, affinity_s=HOUR, external_ips=("192.0.2.7",)))
    assert {who(network, host_of(client)) for client in CLIENTS[:50]} == set(ADDRESSES)
    for client in CLIENTS[:20]:
        host = host_of(client)
        other = network.one(host, host.packet("192.0.2.7", tcp_src=45000))
        assert other.fields["ipv4_dst"] == who(network, host)


def test_an_endpoint_that_leaves_takes_its_learned_flows_along() -> None:
    network = serving("hash", affinity_s=HOUR)
    before = {client: who(network, host_of(client)) for client in CLIENTS[:60]}
    network.put(slices(*ADDRESSES[1:]))
    assert learned(network) == sum(address != ADDRESSES[0] for address in before.values())
    for client, address in before.items():
        now = who(network, host_of(client), source=41000)
        assert now == address or address == ADDRESSES[0]
        assert now != ADDRESSES[0]


def test_a_learned_flow_without_its_endpoint_is_chosen_anew_and_corrected() -> None:
    network, client = serving("hash", clients=1, affinity_s=HOUR), host_of(CLIENTS[0])
    gone = who(network, client)
    switch = network.fabric.switches[client.dpid]
    stray = dict(switch.learned)
    rest = [address for address in ADDRESSES if address != gone]
    network.put(slices(*rest))
    assert learned(network) == 0
    switch.learned = stray  # as a bridge may write it again that has not noticed the change
    now = who(network, client, source=41000)
    assert now in rest
    assert {who(network, client, source=source) for source in range(42000, 42010)} == {now}


@pytest.mark.parametrize("after", [0, 20], ids=["off", "another timeout"])
def test_what_is_learned_goes_when_affinity_changes(after: int) -> None:
    network = serving("hash", clients=5, affinity_s=10)
    for client in CLIENTS[:5]:
        who(network, host_of(client))
    assert learned(network) == 5
    network.put(replace(WEB, affinity_s=after))
    assert learned(network) == 0


def test_a_flow_cannot_be_idle_for_longer_than_its_field_holds() -> None:
    network, client = serving("hash", clients=1, affinity_s=86400), host_of(CLIENTS[0])
    who(network, client)
    assert [one.idle_s for one in network.fabric.switches[1].learned.values()] == [0xFFFF]


def test_a_node_is_a_client_too() -> None:
    network = serving("hash", clients=1, affinity_s=HOUR)
    assert len({who(network, node_host(1), source=source) for source in range(40000, 40020)}) == 1
    assert [dict(one.flow.match)["ipv4_src"] for one in network.fabric.switches[1].learned.values()] == [
        node_address(1)
    ]


def test_one_endpoint_needs_no_choice() -> None:
    for balancing in MODES:
        network = serving(balancing, clients=1, addresses=ADDRESSES[:1])
        flows = network.desired.wanted(1).flows.values()
        assert not [flow for flow in flows if flow.table is ENDPOINT_SELECTION and flow.match]
        assert not network.desired.wanted(1).groups
        assert who(network, host_of(CLIENTS[0])) == ADDRESSES[0]


def learned(network: Network) -> int:
    held = network.fabric.switches[1].in_table(AFFINITY_CLIENTS.number, network.fabric.now)
    return sum(one is not None for _, one in held)
