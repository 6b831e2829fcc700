"""Every kind of Service by real packets: who answers, and which address it sees. The table is in docs/services.md.

Whoever asks another node's address comes there by an uplink, and is an outside client there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from handmade import Handmade, Host
from talk import STAY, ask, refused_at_once, said, said_often, with_servers

from lab.waiting import wait_until

pytestmark = pytest.mark.netns
RYU = os.environ.get("PODWIRE_RYU_PYTHON", "")
PORTS = {80: "TCP", 53: "UDP"}
CLUSTER, LOCAL, INTERNAL, HINTED, ENDING, MOVING = (f"10.96.0.{number}" for number in range(20, 26))
KINDS = pytest.mark.parametrize(("kind", "offset"), [("TCP", 0), ("UDP", 1)], ids=["TCP", "UDP"])
TALK_UDP = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); one.settimeout(5); one.connect((sys.argv[1], int(sys.argv[2])))
for line in sys.stdin:
    try: one.send(b"who?"); print(one.recv(100).decode(), flush=True)
    except OSError as error: print(type(error).__name__, flush=True)
"""

FROM_ONE_PORT = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); one.settimeout(5); one.bind(("", int(sys.argv[1])))
for address, port in (target.split(":") for target in sys.argv[2:]):
    one.sendto(b"who?", (address, int(port)))
    answer, sender = one.recvfrom(100)
    print(sender[0] == address, answer.decode().split()[0])
"""
GROWING = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); one.settimeout(3)
for size in sys.argv[3:]:
    one.sendto(bytes(int(size)), (sys.argv[1], int(sys.argv[2])))
    print(len(one.recv(65535)))
"""
LISTENING = 30888
LISTENER = """
import socket, sys
one = socket.create_server(("", int(sys.argv[1]))); print("ready", flush=True)
talk, client = one.accept(); talk.sendall(b"hello"); print(client[0], flush=True)
while said := talk.recv(100): talk.sendall(said.strip())
"""


@pytest.fixture(scope="module", params=["os-ken", "ryu"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handmade]:
    """Three nodes; `a` and `b` on node 1, `c` on node 2, nothing on node 3."""
    if request.param == "ryu" and not RYU:
        pytest.skip("PODWIRE_RYU_PYTHON names no Python with Ryu 4.34")
    python = RYU if request.param == "ryu" else sys.executable
    handmade = Handmade(tmp_path_factory.mktemp("lab"), 3, python=python, framework=request.param).begun(request)
    for name, node, number in (("a", 1, 2), ("b", 1, 3), ("c", 2, 2)):
        handmade.pod(name, node, number, {"TCP": 8000, "UDP": 8000} if name == "b" else None)
    a, b, c = (handmade.hosts[name].address for name in ("a", "b", "c"))
    host = handmade.hosts["node2"].address
    both = [(b, 8080), (c, 8080)]
    handmade.service("cluster", CLUSTER, PORTS, both, {80: 30080, 53: 30081})
    handmade.service("local", LOCAL, PORTS, both, {80: 30180, 53: 30181}, externalTrafficPolicy="Local")
    handmade.service("internal", INTERNAL, PORTS, both, internalTrafficPolicy="Local")
    handmade.service("none", "10.96.0.30", PORTS, [], {80: 30280, 53: 30281}, externalTrafficPolicy="Local")
    handmade.service("host", "10.96.0.31", PORTS, [(host, 8080)], {80: 30380, 53: 30381})
    handmade.service("self", "10.96.0.32", PORTS, [(a, 8080)], {80: 30480, 53: 30481})
    node = handmade.hosts["node1"].address
    handmade.service("node", "10.96.0.34", PORTS, [(node, 8080)], {80: 30580, 53: 30581})
    handmade.service("open", "10.96.0.33", PORTS, [(c, 8080)], externalIPs=["192.0.2.1"])
    handmade.service("hinted", HINTED, PORTS, both)
    handmade.slice("hinted", 8080, PORTS, [b, c], zones={b: "zone1", c: "zone2"})
    handmade.service("ending", ENDING, PORTS, both)
    handmade.slice("ending", 8080, PORTS, [c], ready=False)
    handmade.service("moving", MOVING, PORTS, [(b, 8080)])
    send_own_ports_to_the_bridge(handmade.hosts["node1"], handmade.hosts["node3"])
    handmade.programmed()
    with with_servers(handmade, "a", "b", "c", "node1", "node2"):
        assert wait_until(lambda: ask(handmade.hosts["a"], "TCP", MOVING, 80)[0] == "b", 10)
        yield handmade


def send_own_ports_to_the_bridge(*nodes: Host) -> None:
    """What a node asks of a node port of its own leaves its namespace, as the node agent arranges it in a lab."""
    for node in nodes:
        settings = {"accept_local": 1, "rp_filter": 0}
        for name, value in settings.items():
            node.run("sysctl", "-qw", f"net.ipv4.conf.eth0.{name}={value}", check=True)
            node.run("sysctl", "-qw", f"net.ipv4.conf.all.{name}={value}", check=True)
        ports = ("iif", "lo", "dport", "30000-32767", "lookup", "100")
        node.run("ip", "route", "add", "default", "via", "172.30.0.1", "src", node.address, "table", "100", check=True)
        for protocol in ("tcp", "udp"):
            node.run("ip", "rule", "add", "pref", "5", "ipproto", protocol, *ports, check=True)
        node.run("ip", "rule", "add", "pref", "10", "lookup", "local", check=True)
        node.run("ip", "rule", "del", "pref", "0", check=True)


def answers(lab: Handmade, client: str, kind: str, address: str, port: int, times: int = 8) -> set[tuple[str, str]]:
    """Who answers, and whom it sees."""
    found = (one.partition(" ") for one in said_often(lab.hosts[client], kind, address, port, times))
    return {(server, seen) for server, _, seen in found}


@KINDS
@pytest.mark.parametrize("node", [1, 2, 3])
@pytest.mark.parametrize("client", ["a", "c", "node3"])
def test_a_node_port_answers_on_every_node(lab: Handmade, client: str, node: int, kind: str, offset: int) -> None:
    """A client of that node keeps its address; others are seen as that node."""
    host, there = lab.hosts[client], lab.hosts[f"node{node}"]
    seen = host.address if host.node == node else there.address
    found = answers(lab, client, kind, there.address, 30080 + offset)
    expected = {(server, seen) for server in ("b", "c")}
    if client == "c" and node == 2:
        expected = {("b", seen), ("c", "10.244.2.1")}
    assert found <= expected
    assert found


@pytest.mark.parametrize(("client", "node"), [("a", 1), ("a", 2), ("a", 3), ("node1", 3), ("c", 3)])
def test_a_node_port_answers_in_fragments(lab: Handmade, client: str, node: int) -> None:
    """On a connection that is there: the userspace datapath reads no port in the fragments that begin one."""
    address, sizes = lab.hosts[f"node{node}"].address, ["20", "1473", "20000"]
    done = lab.hosts[client].run(sys.executable, "-c", GROWING, address, "30081", *sizes)
    assert done.stdout.split() == sizes, done.stderr


@KINDS
def test_a_client_that_reaches_itself_by_another_node(lab: Handmade, kind: str, offset: int) -> None:
    assert ask(lab.hosts["a"], kind, lab.hosts["node3"].address, 30480 + offset) == ("a", lab.hosts["node3"].address)
    assert ask(lab.hosts["a"], kind, lab.hosts["node1"].address, 30480 + offset) == ("a", "10.244.1.1")


@KINDS
def test_an_endpoint_that_is_the_node_itself_sees_the_client(lab: Handmade, kind: str, offset: int) -> None:
    a, node1, node2 = (lab.hosts[name] for name in ("a", "node1", "node2"))
    assert ask(a, kind, node2.address, 30380 + offset) == ("node2", a.address)
    assert ask(node1, kind, node2.address, 30380 + offset) == ("node2", node1.address)
    assert ask(a, kind, lab.hosts["node3"].address, 30380 + offset) == ("node2", lab.hosts["node3"].address)


@KINDS
def test_a_node_that_is_its_own_node_ports_endpoint_sees_its_gateway(lab: Handmade, kind: str, offset: int) -> None:
    node = lab.hosts["node1"]
    assert ask(node, kind, node.address, 30580 + offset) == ("node1", "172.30.0.1")
    assert refused_at_once(node, kind, node.address, 30280 + offset)
    assert refused_at_once(node, kind, node.address, 30999)


def test_a_node_talks_with_a_listener_of_its_own_among_the_node_ports(lab: Handmade) -> None:
    """No Service has that port; the listener sees the gateway, and all it says comes back from where it was asked."""
    node = lab.hosts["node1"]
    listener = node.python(LISTENER, str(LISTENING))
    assert line_of(listener) == "ready"
    client = node.python(STAY, node.address, str(LISTENING))
    try:
        assert line_of(listener) == "172.30.0.1"
        assert line_of(client) == "hello"
        for said in ("one", "two", "three"):
            assert line_of(client, said) == said
    finally:
        for process in (client, listener):
            process.kill()
            process.communicate()


def line_of(process: subprocess.Popen[str], told: str = "") -> str:
    """The next line that a program says, after it has been told something."""
    assert process.stdin is not None
    assert process.stdout is not None
    if told:
        process.stdin.write(f"{told}\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


@KINDS
def test_under_policy_local_only_nodes_with_an_endpoint_answer(lab: Handmade, kind: str, offset: int) -> None:
    """And those keep the client's address; a client of the node itself gets all endpoints."""
    a, c = lab.hosts["a"], lab.hosts["c"]
    assert answers(lab, "c", kind, lab.hosts["node1"].address, 30180 + offset) == {("b", c.address)}
    assert answers(lab, "a", kind, lab.hosts["node2"].address, 30180 + offset) == {("c", a.address)}
    assert said(a, kind, lab.hosts["node3"].address, 30180 + offset) == "TimeoutError"
    assert answers(lab, "node3", kind, LOCAL, (80, 53)[offset]) <= {(s, lab.hosts["node3"].address) for s in "bc"}
    assert answers(lab, "a", kind, lab.hosts["node1"].address, 30180 + offset) <= {(s, a.address) for s in "bc"}


@KINDS
def test_under_internal_policy_local_only_the_nodes_endpoints_answer(lab: Handmade, kind: str, offset: int) -> None:
    port = (80, 53)[offset]
    assert answers(lab, "a", kind, INTERNAL, port) == {("b", lab.hosts["a"].address)}
    assert answers(lab, "node2", kind, INTERNAL, port) == {("c", lab.hosts["node2"].address)}
    assert said(lab.hosts["node3"], kind, INTERNAL, port) == "TimeoutError"


@KINDS
def test_a_node_port_without_endpoints_refuses(lab: Handmade, kind: str, offset: int) -> None:
    for client in ("a", "c", "node2"):
        assert refused_at_once(lab.hosts[client], kind, lab.hosts["node1"].address, 30280 + offset)
        assert refused_at_once(lab.hosts[client], kind, lab.hosts["node1"].address, 30999)


@KINDS
def test_zone_hints(lab: Handmade, kind: str, offset: int) -> None:
    port = (80, 53)[offset]
    assert answers(lab, "a", kind, HINTED, port) == {("b", lab.hosts["a"].address)}
    assert answers(lab, "node2", kind, HINTED, port) == {("c", lab.hosts["node2"].address)}
    assert answers(lab, "node3", kind, HINTED, port) <= {(s, lab.hosts["node3"].address) for s in "bc"}


@KINDS
def test_terminating_endpoints_serve_where_there_is_no_other(lab: Handmade, kind: str, offset: int) -> None:
    assert answers(lab, "a", kind, ENDING, (80, 53)[offset]) == {("c", lab.hosts["a"].address)}


@KINDS
def test_an_external_address(lab: Handmade, kind: str, offset: int) -> None:
    assert ask(lab.hosts["a"], kind, "192.0.2.1", (80, 53)[offset]) == ("c", lab.hosts["a"].address)


@KINDS
def test_a_host_port_keeps_the_clients_address(lab: Handmade, kind: str, offset: int) -> None:
    address = lab.hosts["node1"].address
    for client in ("a", "c", "node2", "node3"):
        assert ask(lab.hosts[client], kind, address, 8000) == ("b", lab.hosts[client].address)
    assert ask(lab.hosts["b"], kind, address, 8000) == ("b", "10.244.1.1")
    assert ask(lab.hosts["c"], kind, lab.hosts["node2"].address, 8000) != "b"


@pytest.mark.parametrize("client", ["a", "node3"])
def test_a_clients_datagrams_move_when_their_endpoint_goes(lab: Handmade, client: str) -> None:
    b, c = lab.hosts["b"].address, lab.hosts["c"].address
    flow = lab.hosts[client].python(TALK_UDP, MOVING, "53")

    def answered() -> str:
        return line_of(flow, "again").split(" ")[0]

    try:
        lab.slice("moving", 8080, PORTS, [b])
        assert wait_until(lambda: answered() == "b", 30)
        lab.slice("moving", 8080, PORTS, [c])
        assert wait_until(lambda: answered() == "c", 30)
        lab.slice("moving", 8080, PORTS, [])
        assert wait_until(lambda: answered() == "ConnectionRefusedError", 30)
    finally:
        flow.kill()
        flow.communicate()


def test_no_switch_refused_anything(lab: Handmade) -> None:
    assert "ERROR" not in lab.log.read_text()


def test_one_port_may_ask_an_endpoint_and_then_its_service(lab: Handmade) -> None:
    """Both connections' answers would come from one port to one port: the one that is translated gets another."""
    targets = (f"{lab.hosts['a'].address}:8080", "10.96.0.32:53")
    done = lab.hosts["c"].run(sys.executable, "-c", FROM_ONE_PORT, "61001", *targets, check=True)
    assert done.stdout.splitlines() == ["True a"] * 2
