"""The real controller, the real Open vSwitch and real packets.

Once with os-ken, and once with Ryu where `PODWIRE_RYU_PYTHON` names a Python that has it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from handmade import Handmade
from talk import ask, refused_at_once, with_servers

from lab.waiting import wait_until

pytestmark = pytest.mark.netns
WEB, SELF, NONE = "10.96.0.10", "10.96.0.11", "10.96.0.12"
PORTS = {80: "TCP", 53: "UDP"}
KINDS = pytest.mark.parametrize(("kind", "port"), [("TCP", 80), ("UDP", 53)], ids=["TCP", "UDP"])
RYU = os.environ.get("PODWIRE_RYU_PYTHON", "")


@pytest.fixture(scope="module", params=["os-ken", "ryu"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handmade]:
    """Four nodes under two leaves and two spines; `a` and `b` on node 1, `c` on node 2, `d` on node 4."""
    if request.param == "ryu" and not RYU:
        pytest.skip("PODWIRE_RYU_PYTHON names no Python with Ryu 4.34")
    python = RYU if request.param == "ryu" else sys.executable
    handmade = Handmade(tmp_path_factory.mktemp("lab"), 4, "leaf-spine", python, request.param).begun(request)
    for name, node, number in (("a", 1, 2), ("b", 1, 3), ("c", 2, 2), ("d", 4, 2)):
        handmade.pod(name, node, number)
    b, d, a = (handmade.hosts[name].address for name in ("b", "d", "a"))
    handmade.service("web", WEB, PORTS, [(b, 8080), (d, 8080)])
    handmade.service("self", SELF, PORTS, [(a, 8080)])
    handmade.service("none", NONE, PORTS, [])
    handmade.programmed()
    with with_servers(handmade, "a", "b", "c", "d", "node1"):
        yield handmade


def test_everybody_reaches_everybody(lab: Handmade) -> None:
    hosts = list(lab.hosts.values())
    assert [(one.name, other.name) for one in hosts for other in hosts if not one.reaches(other.address)] == []


@pytest.mark.parametrize("client", ["b", "c", "d", "node1", "node3"])
def test_addresses_are_not_translated(lab: Handmade, client: str) -> None:
    host = lab.hosts[client]
    assert ask(host, "TCP", lab.hosts["a"].address, 8080) == ("a", host.address)
    assert ask(host, "UDP", lab.hosts["a"].address, 8080) == ("a", host.address)


@pytest.mark.parametrize(("target", "ttl"), [("b", 63), ("c", 61), ("d", 59)])
def test_ttl_falls_by_one_a_routed_hop(lab: Handmade, target: str, ttl: int) -> None:
    assert f" ttl={ttl} " in lab.hosts["a"].run("ping", "-n", "-c1", "-W10", lab.hosts[target].address).stdout


@pytest.mark.parametrize(
    ("ttl", "router"), [(1, "10.244.1.1"), (2, "172.30.0.1"), (3, "172.30.0.1"), (4, "172.30.0.1"), (5, "172.30.0.5")]
)
def test_every_hop_says_where_the_ttl_ran_out(lab: Handmade, ttl: int, router: str) -> None:
    said = lab.hosts["a"].run("ping", "-n", "-c1", "-W10", "-t", str(ttl), lab.hosts["d"].address).stdout
    assert f"From {router} icmp_seq=1 Time to live exceeded" in said


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("10.244.1.99", "From 10.244.1.1 icmp_seq=1 Destination Host Unreachable"),
        ("10.244.4.99", "From 172.30.0.5 icmp_seq=1 Destination Host Unreachable"),
        ("10.96.0.99", "From 10.244.1.1 icmp_seq=1 Destination Host Unreachable"),
        ("8.8.8.8", "From 10.244.1.1 icmp_seq=1 Destination Net Unreachable"),
    ],
)
def test_who_is_not_there_is_unreachable(lab: Handmade, address: str, said: str) -> None:
    assert said in lab.hosts["a"].run("ping", "-n", "-c1", "-W10", address).stdout


@pytest.mark.parametrize("gateway", ["10.244.1.1", "172.30.0.1", "10.244.4.1"])
def test_gateways_answer(lab: Handmade, gateway: str) -> None:
    assert lab.hosts["a"].reaches(gateway)
    assert refused_at_once(lab.hosts["a"], "UDP", gateway, 99)


def test_errors_of_the_other_ends_kernel_come_back(lab: Handmade) -> None:
    assert refused_at_once(lab.hosts["a"], "UDP", lab.hosts["d"].address, 99)
    assert refused_at_once(lab.hosts["a"], "TCP", lab.hosts["d"].address, 99)


@KINDS
@pytest.mark.parametrize("client", ["a", "b", "c", "d", "node1", "node3"])
def test_services_answer_pods_and_nodes(lab: Handmade, client: str, kind: str, port: int) -> None:
    host = lab.hosts[client]
    for _ in range(4):
        server, seen = ask(host, kind, WEB, port)
        assert server in ("b", "d")
        assert seen == (host.address if server != client else f"10.244.{host.node}.1")


def test_connections_spread_over_the_endpoints(lab: Handmade) -> None:
    assert wait_until(lambda: {ask(lab.hosts["c"], "TCP", WEB, 80)[0] for _ in range(10)} == {"b", "d"}, 10)


@KINDS
def test_hairpin(lab: Handmade, kind: str, port: int) -> None:
    assert ask(lab.hosts["a"], kind, SELF, port) == ("a", "10.244.1.1")


@KINDS
def test_an_endpoint_on_the_clients_own_node(lab: Handmade, kind: str, port: int) -> None:
    """A hostNetwork pod's: reached from its node's own namespace, and from a pod there."""
    lab.service("host", "10.96.0.13", PORTS, [(lab.hosts["node1"].address, 8080)])
    assert wait_until(lambda: ask(lab.hosts["a"], kind, "10.96.0.13", port)[0] == "node1", 30)
    assert ask(lab.hosts["a"], kind, "10.96.0.13", port) == ("node1", lab.hosts["a"].address)
    assert ask(lab.hosts["node1"], kind, "10.96.0.13", port) == ("node1", "172.30.0.1")
    assert ask(lab.hosts["d"], kind, "10.96.0.13", port) == ("node1", lab.hosts["d"].address)


@KINDS
@pytest.mark.parametrize("client", ["a", "node1"])
def test_without_endpoints_and_on_other_ports_connections_are_refused(
    lab: Handmade, client: str, kind: str, port: int
) -> None:
    assert refused_at_once(lab.hosts[client], kind, NONE, port)
    assert refused_at_once(lab.hosts[client], kind, WEB, port + 1)


def test_an_error_about_a_translated_packet_comes_back_translated(lab: Handmade) -> None:
    """The endpoint's kernel refuses; the client's socket learns it though it knows the Service alone."""
    lab.service("shut", "10.96.0.14", PORTS, [(lab.hosts["d"].address, 99)])
    assert wait_until(lambda: refused_at_once(lab.hosts["a"], "UDP", "10.96.0.14", 53), 30)
    assert refused_at_once(lab.hosts["a"], "TCP", "10.96.0.14", 80)


@KINDS
def test_the_longest_way_to_a_node_port(lab: Handmade, kind: str, port: int) -> None:
    """Over two spines to another rack's node, and back to an endpoint in the client's: a datagram is sent once."""
    lab.service("far", "10.96.0.15", PORTS, [(lab.hosts[name].address, 8080) for name in "ab"], {80: 30080, 53: 30053})
    client, node = lab.hosts["c"], lab.hosts["node3"]
    number = {80: 30080, 53: 30053}[port]
    assert wait_until(lambda: ask(client, kind, node.address, number)[0] in ("a", "b"), 30)
    for _ in range(6):
        assert ask(client, kind, node.address, number) in {(server, node.address) for server in "ab"}


def test_spoofed_packets_are_dropped(lab: Handmade) -> None:
    a, d = lab.hosts["a"], lab.hosts["d"]
    a.run("ip", "addr", "add", "10.244.1.77/32", "dev", "eth0", check=True)
    try:
        assert not a.pings(d.address, "-I", "10.244.1.77")
        a.run("ip", "link", "set", "eth0", "address", "0a:58:0a:f4:01:4d", check=True)
        assert not a.pings(d.address)
    finally:
        a.run("ip", "addr", "del", "10.244.1.77/32", "dev", "eth0")
        a.run("ip", "link", "set", "eth0", "address", "0a:58:0a:f4:01:02")
    assert wait_until(lambda: a.pings(d.address), 30)


def test_arp_is_answered_for_the_network_and_nothing_else(lab: Handmade) -> None:
    a = lab.hosts["a"]
    for address in ("10.244.1.1", "10.244.1.3", "10.244.1.200"):
        a.pings(address)
        assert "0a:77:00:00:00:01" in a.run("ip", "neigh", "show", address).stdout


def test_no_switch_refused_anything(lab: Handmade) -> None:
    assert "ERROR" not in lab.log.read_text()
