"""Services: translated once, on the client's bridge, and back; refused at once where there is nobody."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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

from controller.actions import SetField
from controller.flows import Flow
from controller.tables import SERVICE_LOAD_BALANCING

pytestmark = pytest.mark.unit
VIP = "10.96.0.10"
A, B, C = pod("a", 1, 2), pod("b", 1, 3), pod("c", 2, 2)
HTTP = ("http", "TCP", 8080)
WEB = service("web", VIP, ("http", "TCP", 80), ("dns", "UDP", 53), ("sig", "SCTP", 90))


def serving(*addresses: str, **choose: object) -> Network:
    """Three pods on two nodes; the Service's three ports at these addresses."""
    ports = (HTTP, ("dns", "UDP", 5353), ("sig", "SCTP", 9090))
    slices = endpoint_slice("web", map(endpoint, addresses), *ports)
    return network_of(2, A, B, C, WEB, slices, **choose)  # type: ignore[arg-type]


def end(network: Network, host: Host, protocol: str = "TCP", port: int = 80) -> tuple[str, int]:
    """Address and port that a new connection to the Service arrives at."""
    arrival = network.one(host, host.packet(VIP, protocol, port))
    assert arrival.fields["ipv4_src"] == host.address
    return arrival.fields["ipv4_dst"], arrival.fields[f"{protocol.lower()}_dst"]


@pytest.mark.parametrize("host", [host_of(A), host_of(C), node_host(1), node_host(2)], ids=["a", "c", "node1", "node2"])
@pytest.mark.parametrize(
    ("protocol", "port", "target"),
    [("TCP", 80, 8080), ("UDP", 53, 5353), ("SCTP", 90, 9090)],
    ids=["TCP", "UDP", "SCTP"],
)
def test_there_and_back(host: Host, protocol: str, port: int, target: int) -> None:
    network = serving("10.244.1.3")
    there = network.one(host, host.packet(VIP, protocol, port))
    prefix = protocol.lower()
    assert (there.fields["ipv4_src"], there.fields["ipv4_dst"]) == (host.address, "10.244.1.3")
    assert there.fields[f"{prefix}_dst"] == target
    back = network.reply(there)
    assert (back.dpid, back.port) == (host.dpid, host.port)
    assert (back.fields["ipv4_src"], back.fields[f"{prefix}_src"]) == (VIP, port)
    assert (back.fields["ipv4_dst"], back.fields[f"{prefix}_dst"]) == (host.address, 40000)


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(["10.244.1.2", "10.244.1.3", "10.244.2.2", node_address(2)]), min_size=1), st.data())
def test_every_ready_endpoint_is_chosen_and_no_other(addresses: set[str], data: st.DataObject) -> None:
    network = serving(*addresses, choose=lambda buckets: data.draw(st.integers(0, buckets - 1)))
    assert end(network, node_host(1)) in {(address, 8080) for address in addresses}
    for group in network.desired.wanted(1).groups.values():
        shown = [action for bucket in group.buckets for action in bucket if isinstance(action, SetField)]
        assert {action.value for action in shown if action.field == "endpoint_ipv4"} == addresses


@pytest.mark.parametrize(
    ("protocol", "port"),
    [("TCP", 80), ("UDP", 53), ("SCTP", 90), ("TCP", 81), ("UDP", 80)],
    ids=str,
)
@pytest.mark.parametrize("host", [host_of(A), host_of(C), node_host(1)], ids=["a", "c", "node1"])
def test_without_an_endpoint_the_kernel_of_the_clients_node_refuses(host: Host, protocol: str, port: int) -> None:
    network = serving()
    there = network.one(host, host.packet(VIP, protocol, port))
    assert (there.dpid, there.port) == (host.dpid, 1)
    assert (there.fields["ipv4_dst"], there.fields[f"{protocol.lower()}_dst"]) == (node_address(host.dpid), 1)
    back = network.reply(there)
    assert (back.port, back.fields["ipv4_src"], back.fields[f"{protocol.lower()}_src"]) == (host.port, VIP, port)


@pytest.mark.parametrize(
    ("host", "gateway"), [(host_of(A), "10.244.1.1"), (node_host(2), "172.30.0.1")], ids=["pod", "node"]
)
def test_hairpin(host: Host, gateway: str) -> None:
    network = serving(host.address)
    network.one(host, host.packet(VIP))  # lost on its way: it is sent again
    for _ in range(2):
        there = network.one(host, host.packet(VIP))
        assert (there.dpid, there.port) == (host.dpid, host.port)
        assert (there.fields["ipv4_src"], there.fields["ipv4_dst"]) == (gateway, host.address)
        assert there.fields["nw_ttl"] == 63
        back = network.reply(there)
        assert (back.dpid, back.port) == (host.dpid, host.port)
        assert (back.fields["ipv4_src"], back.fields["tcp_src"]) == (VIP, 80)
        assert (back.fields["ipv4_dst"], back.fields["tcp_dst"]) == (host.address, 40000)
    assert [len(found) for found in network.fabric.connections.values() if found] == [1, 1]  # one in each zone


def test_readiness_moves_endpoints_in_and_out() -> None:
    network, client = serving("10.244.1.3"), host_of(A)
    both = [endpoint("10.244.1.3", ready=False), endpoint("10.244.2.2")]
    network.put(endpoint_slice("web", both, HTTP))
    assert end(network, client) == ("10.244.2.2", 8080)
    network.put(endpoint_slice("web", [endpoint("10.244.1.3"), endpoint("10.244.2.2", ready=False)], HTTP))
    assert end(network, host_of(C)) == ("10.244.1.3", 8080)


def test_ending_endpoints_serve_while_there_is_no_other() -> None:
    ending = endpoint("10.244.1.3", ready=False, terminating=True)
    gone = endpoint("10.244.2.2", ready=False, serving=False, terminating=True)
    slices = endpoint_slice("web", [ending, gone], HTTP)
    network = network_of(2, A, B, C, WEB, slices, choose=lambda buckets: buckets - 1)
    assert end(network, host_of(A)) == ("10.244.1.3", 8080)
    network.put(endpoint_slice("web", [ending, gone, endpoint("10.244.1.2")], HTTP))
    assert end(network, host_of(C)) == ("10.244.1.2", 8080)


def test_a_connection_keeps_its_endpoint_when_the_endpoints_change() -> None:
    network, client = serving("10.244.1.3"), host_of(A)
    network.reply(network.one(client, client.packet(VIP)))
    network.put(endpoint_slice("web", [endpoint("10.244.2.2")], HTTP))
    assert end(network, client) == ("10.244.1.3", 8080)
    assert end(network, host_of(B)) == ("10.244.2.2", 8080)


def test_the_endpoints_of_all_slices_count() -> None:
    network = serving("10.244.1.3", choose=lambda buckets: buckets - 1)
    network.put(endpoint_slice("web", [endpoint("10.244.2.2")], HTTP, number=2))
    assert end(network, host_of(A)) == ("10.244.2.2", 8080)
    network.remove(endpoint_slice("web", [endpoint("10.244.2.2")], HTTP, number=2))
    assert end(network, host_of(C)) == ("10.244.1.3", 8080)


def test_two_services_share_an_endpoint_and_one_goes() -> None:
    other = service("other", "10.96.0.11", ("http", "TCP", 80))
    slices = endpoint_slice("other", [endpoint("10.244.1.3")], HTTP)
    network = serving("10.244.1.3")
    network.put(other, slices)
    network.remove(other)
    assert end(network, host_of(A)) == ("10.244.1.3", 8080)


def test_a_headless_service_has_no_flows() -> None:
    headless = service("db", VIP, ("http", "TCP", 80)).__class__(
        WEB.key, "ClusterIP", (), WEB.ports, WEB.selector, WEB.publish_not_ready
    )
    network = network_of(2, A, headless)
    flows: list[Flow] = list(network.desired.wanted(1).flows.values())
    assert [flow for flow in flows if flow.table is SERVICE_LOAD_BALANCING and flow.match] == []


@pytest.mark.parametrize("addresses", [["10.244.1.3"], ["10.244.1.3", "10.244.2.2"]], ids=["alone", "group"])
def test_the_registers_hold_the_endpoint_for_policy_to_see(addresses: list[str]) -> None:
    rules = serving(*addresses).desired.wanted(1)
    shown = "\n".join(entry.text for entry in (*rules.flows.values(), *rules.groups.values()))
    assert shown.count("set_field:chosen->endpoint,set_field:10.244.1.3->endpoint_ipv4") == 3
