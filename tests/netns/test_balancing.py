"""Ways of balancing and session affinity with the real controller, the real Open vSwitch and real packets.

Once with os-ken, and once with Ryu where `PODWIRE_RYU_PYTHON` names a Python that has it.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest
from handmade import Handmade, Host
from talk import said_often, with_servers

from controller.tables import AFFINITY_CLIENTS
from lab.waiting import wait_until

pytestmark = pytest.mark.netns
PORTS = {80: "TCP", 53: "UDP"}
KINDS = pytest.mark.parametrize(("kind", "port"), [("TCP", 80), ("UDP", 53)], ids=["TCP", "UDP"])
RYU = os.environ.get("PODWIRE_RYU_PYTHON", "")
SERVERS = ("s1", "s2", "s3")
CLIENTS = tuple(f"c{number}" for number in range(12))
WEIGHTS = {"s1": 1, "s2": 3, "s3": 6}
MODES = ("hash", "source", "weighted", "round-robin", "consistent")
BURST = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); one.settimeout(3); one.connect((sys.argv[1], int(sys.argv[2])))
for _ in range(10): one.send(b"who?")
for _ in range(10): print(one.recv(100).decode().split()[0])
"""
AT_ONCE = """
import socket, sys
ends = [socket.socket() for _ in range(int(sys.argv[3]))]
for one in ends:
    one.setblocking(False)
    try: one.connect((sys.argv[1], int(sys.argv[2])))
    except BlockingIOError: pass
for one in ends:
    one.settimeout(3); print(one.recv(100).decode().split()[0])
"""


@pytest.fixture(scope="module", params=["os-ken", "ryu"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handmade]:
    """Two nodes: servers on both, clients on the first but for the last, which is on the second."""
    if request.param == "ryu" and not RYU:
        pytest.skip("PODWIRE_RYU_PYTHON names no Python with Ryu 4.34")
    python = RYU if request.param == "ryu" else sys.executable
    handmade = Handmade(tmp_path_factory.mktemp("lab"), 2, "single", python, request.param).begun(request)
    for number, name in enumerate(SERVERS):
        handmade.pod(name, 1 + number % 2, 2 + number, weight=WEIGHTS[name])
    for number, name in enumerate(CLIENTS):
        handmade.pod(name, 2 if name == CLIENTS[-1] else 1, 20 + number)
    handmade.programmed()
    with with_servers(handmade, *SERVERS):
        yield handmade


def service(
    lab: Handmade, name: str, address: str, balancing: str, servers: tuple[str, ...] = SERVERS, **spec: object
) -> None:
    annotations = {"podwire.dev/load-balancing": balancing}
    lab.service(
        name, address, PORTS, [(lab.hosts[one].address, 8080) for one in servers], annotations=annotations, **spec
    )


def answers(client: Host, kind: str, address: str, port: int, times: int) -> list[str]:
    """Who answered each of so many connections, one after the other."""
    return [one.split()[0] for one in said_often(client, kind, address, port, times)]


@KINDS
def test_round_robin(lab: Handmade, kind: str, port: int) -> None:
    service(lab, "turns", "10.96.1.1", "round-robin")
    client = lab.hosts["c0"]
    assert wait_until(lambda: set(answers(client, kind, "10.96.1.1", port, 3)) == set(SERVERS), 10)
    found = answers(client, kind, "10.96.1.1", port, 30)
    assert Counter(found) == dict.fromkeys(SERVERS, 10)
    assert all(one != other for one, other in pairwise(found))


@KINDS
def test_hash_spreads_the_connections_of_one_client(lab: Handmade, kind: str, port: int) -> None:
    service(lab, "hash", "10.96.1.2", "hash")
    client = lab.hosts["c0"]
    assert served(client, kind, "10.96.1.2", port)
    counts = Counter(answers(client, kind, "10.96.1.2", port, 300))
    assert set(counts) == set(SERVERS)
    assert min(counts.values()) > 60


@KINDS
def test_weights_are_the_pods(lab: Handmade, kind: str, port: int) -> None:
    service(lab, "weighted", "10.96.1.3", "weighted")
    client = lab.hosts["c0"]
    assert served(client, kind, "10.96.1.3", port)
    counts = Counter(answers(client, kind, "10.96.1.3", port, 400))
    assert set(counts) == set(SERVERS)
    for server, weight in WEIGHTS.items():
        assert abs(counts[server] / 400 - weight / sum(WEIGHTS.values())) < 0.1


@KINDS
@pytest.mark.parametrize(("balancing", "address"), [("source", "10.96.1.4"), ("consistent", "10.96.1.5")])
def test_a_source_stays_and_sources_are_spread(
    lab: Handmade, balancing: str, address: str, kind: str, port: int
) -> None:
    service(lab, balancing, address, balancing)
    assert served(lab.hosts["c0"], kind, address, port)
    found = {client: set(answers(lab.hosts[client], kind, address, port, 10)) for client in CLIENTS}
    assert all(len(servers) == 1 for servers in found.values())
    assert len({server for servers in found.values() for server in servers}) > 1


def test_consistent_moves_the_sources_of_the_endpoint_that_leaves_and_few_others(lab: Handmade) -> None:
    address = "10.96.1.6"
    service(lab, "ring", address, "consistent")
    assert served(lab.hosts["c0"], "TCP", address, 80)
    before = {client: answers(lab.hosts[client], "TCP", address, 80, 1)[0] for client in CLIENTS}
    leaving = before["c0"]
    rest = tuple(server for server in SERVERS if server != leaving)
    service(lab, "ring", address, "consistent", rest)
    assert wait_until(lambda: answers(lab.hosts["c0"], "TCP", address, 80, 1)[0] in rest, 10)
    after = {client: answers(lab.hosts[client], "TCP", address, 80, 1)[0] for client in CLIENTS}
    assert sum(before[client] != leaving and before[client] != after[client] for client in CLIENTS) <= 2
    assert leaving not in after.values()
    service(lab, "ring", address, "consistent")
    assert wait_until(lambda: answers(lab.hosts["c0"], "TCP", address, 80, 1)[0] == leaving, 10)
    assert {client: answers(lab.hosts[client], "TCP", address, 80, 1)[0] for client in CLIENTS} == before


def test_several_datagrams_before_the_first_turn_reach_one_endpoint(lab: Handmade) -> None:
    service(lab, "burst", "10.96.1.7", "round-robin")
    client = lab.hosts["c0"]
    assert served(client, "UDP", "10.96.1.7", 53)
    for _ in range(5):
        said = client.run(sys.executable, "-c", BURST, "10.96.1.7", "53").stdout.split()
        assert len(set(said)) == 1
        assert len(said) == 10 or lab.in_kernel  # where one may be lost that comes before the first is remembered


@KINDS
@pytest.mark.parametrize(("balancing", "number"), [(name, 20 + number) for number, name in enumerate(MODES)], ids=MODES)
def test_affinity_holds_from_the_first_of_many_quick_connections(
    lab: Handmade, balancing: str, number: int, kind: str, port: int
) -> None:
    address = f"10.96.1.{number}"
    service(lab, f"stay-{balancing}", address, balancing, sessionAffinity="ClientIP")
    assert served(lab.hosts["c1"], kind, address, port)
    for client in CLIENTS[2:]:
        found = answers(lab.hosts[client], kind, address, port, 50)
        assert len(found) == 50
        assert len(set(found)) == 1
        assert found[0] in SERVERS


def test_affinity_holds_for_connections_that_are_made_at_once(lab: Handmade) -> None:
    address = "10.96.1.30"
    service(lab, "stay-at-once", address, "hash", sessionAffinity="ClientIP")
    assert served(lab.hosts["c1"], "TCP", address, 80)
    for client in CLIENTS[2:]:
        first = answers(lab.hosts[client], "TCP", address, 80, 1)
        said = lab.hosts[client].run(sys.executable, "-c", AT_ONCE, address, "80", "50").stdout.split()
        assert len(said) == 50
        assert set(said) == set(first)


def test_affinity_spans_node_port_and_cluster_address(lab: Handmade) -> None:
    address = "10.96.1.31"
    service(lab, "stay-two", address, "hash", sessionAffinity="ClientIP", node_ports={80: 30080, 53: 30053})
    assert served(lab.hosts["c1"], "TCP", address, 80)
    for client in CLIENTS[2:8]:
        (one,) = answers(lab.hosts[client], "TCP", address, 80, 1)
        assert set(answers(lab.hosts[client], "TCP", lab.hosts["node1"].address, 30080, 10)) == {one}


def test_affinity_ends_with_the_timeout_and_lasts_while_it_is_used(lab: Handmade) -> None:
    address, client = "10.96.1.32", lab.hosts["c2"]
    config = {"clientIP": {"timeoutSeconds": 4}}
    service(lab, "stay-short", address, "hash", sessionAffinity="ClientIP", sessionAffinityConfig=config)
    assert served(lab.hosts["c1"], "TCP", address, 80)
    first = answers(client, "TCP", address, 80, 1)
    for _ in range(4):
        time.sleep(1.2)
        assert answers(client, "TCP", address, 80, 1) == first
    assert wait_until(lambda: learned(lab, client) == 0, 30)
    others = set()
    for _ in range(14):
        others |= set(answers(client, "TCP", address, 80, 1))
        if len(others) > 1:
            break
        assert wait_until(lambda: learned(lab, client) == 0, 30)
    assert len(others) > 1


def test_an_endpoint_that_leaves_lets_its_clients_go_at_once(lab: Handmade) -> None:
    address = "10.96.1.33"
    service(lab, "stay-leave", address, "hash", sessionAffinity="ClientIP")
    assert served(lab.hosts["c1"], "TCP", address, 80)
    before = {client: answers(lab.hosts[client], "TCP", address, 80, 1)[0] for client in CLIENTS[:11]}
    leaving = before["c0"]
    service(
        lab, "stay-leave", address, "hash", tuple(one for one in SERVERS if one != leaving), sessionAffinity="ClientIP"
    )
    assert wait_until(lambda: answers(lab.hosts["c0"], "TCP", address, 80, 1)[0] != leaving, 10)
    after = {client: set(answers(lab.hosts[client], "TCP", address, 80, 5)) for client in before}
    for client, server in before.items():
        assert len(after[client]) == 1
        assert leaving not in after[client]
        assert server == leaving or after[client] == {server}


def test_switching_affinity_off_and_on(lab: Handmade) -> None:
    address, client = "10.96.1.34", lab.hosts["c3"]
    service(lab, "stay-switch", address, "hash", sessionAffinity="ClientIP")
    assert served(lab.hosts["c1"], "TCP", address, 80)
    assert len(set(answers(client, "TCP", address, 80, 20))) == 1
    service(lab, "stay-switch", address, "hash")
    assert wait_until(lambda: len(set(answers(client, "TCP", address, 80, 20))) > 1, 10)
    service(lab, "stay-switch", address, "hash", sessionAffinity="ClientIP")
    assert wait_until(lambda: len(set(answers(client, "TCP", address, 80, 20))) == 1, 10)


def test_a_restarted_controller_leaves_affinity_as_it_is(lab: Handmade) -> None:
    address = "10.96.1.35"
    service(lab, "stay-restart", address, "hash", sessionAffinity="ClientIP")
    assert served(lab.hosts["c1"], "TCP", address, 80)
    before = {client: answers(lab.hosts[client], "TCP", address, 80, 1) for client in CLIENTS}
    held = {
        bridge: {flow for flow in remembered(lab, bridge) if "idle_timeout=10800," in flow} for bridge in ("b1", "b2")
    }
    assert min(map(len, held.values())) > 0
    lab.stop_controller()  # kill -9
    assert {client: answers(lab.hosts[client], "TCP", address, 80, 1) for client in CLIENTS} == before
    lab.log.unlink()
    lab.start_controller()
    assert wait_until(lambda: lab.log.exists() and lab.log.read_text().count(" to change") == 3, 60)
    assert lab.log.read_text().count(" 0 to change") == 3
    for bridge, flows in held.items():
        assert flows <= remembered(lab, bridge)
    assert {client: answers(lab.hosts[client], "TCP", address, 80, 1) for client in CLIENTS} == before


def test_no_switch_refused_anything(lab: Handmade) -> None:
    assert "ERROR" not in lab.log.read_text()


def served(client: Host, kind: str, address: str, port: int) -> bool:
    return wait_until(lambda: answers(client, kind, address, port, 1)[0] in SERVERS, 40)


def remembered(lab: Handmade, bridge: str) -> set[str]:
    """The learned flows of a bridge, without what changes by itself."""
    lines = lab.ofctl("dump-flows", bridge, f"table={AFFINITY_CLIENTS.number}", "--no-stats").splitlines()
    return {line.strip() for line in lines if "nw_src" in line}


def learned(lab: Handmade, client: Host) -> int:
    """How many flows of a client with a short timeout there are."""
    return sum(f"nw_src={client.address} " in line and "idle_timeout=4," in line for line in remembered(lab, "b1"))
