"""Services and an outside host by real packets: what is allowed there, what is claimed twice, and the way out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from handmade import Handmade
from settled import in_force
from talk import ask, said, said_often, with_servers

from lab.waiting import wait_until

pytestmark = pytest.mark.netns
PORTS = {80: "TCP", 53: "UDP"}
KINDS = pytest.mark.parametrize(("kind", "port"), [("TCP", 80), ("UDP", 53)], ids=["TCP", "UDP"])
RANGED, OPEN, SHARED = "198.51.100.1", "198.51.100.2", "192.0.2.1"
WEB, OLD, STICKY, LISTENS = "10.96.0.20", "10.96.0.21", "10.96.0.22", "10.96.0.23"


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handmade]:
    """Two nodes; `a`, `b` and `d` on the first, `c` on the second."""
    handmade = Handmade(tmp_path_factory.mktemp("lab"), 2, outside=True).begun(request)
    for name, node, number in (("a", 1, 2), ("b", 1, 3), ("d", 1, 4), ("c", 2, 2)):
        handmade.pod(name, node, number)
    handmade.programmed()
    with with_servers(handmade, "b", "c", "d", "outside"):
        yield handmade


def at(lab: Handmade, *names: str) -> list[tuple[str, int]]:
    return [(lab.hosts[name].address, 8080) for name in names]


@KINDS
def test_pods_are_seen_outside_as_their_node(lab: Handmade, kind: str, port: int) -> None:
    outside = lab.hosts["outside"]
    for pod, node in (("a", "node1"), ("c", "node2")):
        assert ask(lab.hosts[pod], kind, outside.address, 8080) == ("outside", lab.hosts[node].address)
    assert lab.hosts["a"].reaches(outside.address)


@KINDS
def test_source_ranges_are_who_may_ask_a_load_balancer(lab: Handmade, kind: str, port: int) -> None:
    """Whoever else asks is dropped; node ports and cluster addresses are for all."""
    a, c, outside, node1 = (lab.hosts[name] for name in ("a", "c", "outside", "node1"))

    def allow(*ranges: str) -> None:
        lab.service("ranged", WEB, PORTS, at(lab, "b"), {80: 30080, 53: 30081}, ingress=RANGED,
                    loadBalancerSourceRanges=list(ranges))  # fmt: skip

    allow("203.0.113.0/31", "10.244.1.0/24")
    assert wait_until(lambda: ask(a, kind, RANGED, port) == ("b", a.address), 10)
    assert said(outside, kind, RANGED, port) == "TimeoutError"
    assert said(c, kind, RANGED, port) == "TimeoutError"
    assert ask(c, kind, WEB, port) == ("b", c.address)
    assert ask(outside, kind, node1.address, 30080 + (port == 53)) == ("b", node1.address)
    allow("203.0.113.2/32")
    assert wait_until(lambda: ask(outside, kind, RANGED, port)[0] == "b", 10)
    assert said(a, kind, RANGED, port) == "TimeoutError"


@KINDS
def test_a_claimed_address_is_the_firsts_until_that_goes(lab: Handmade, kind: str, port: int) -> None:
    """Asked from outside, and by a pod, whom another's policy would let pass differently."""
    outside, a = lab.hosts["outside"], lab.hosts["a"]
    lab.service("first", OLD, PORTS, at(lab, "b"), externalIPs=[SHARED])
    lab.service("second", STICKY, PORTS, at(lab, "c"), externalIPs=[SHARED, OLD], externalTrafficPolicy="Local")
    assert wait_until(lambda: ask(a, kind, STICKY, port)[0] == "c", 10)
    for _ in range(4):
        assert ask(a, kind, SHARED, port)[0] == "b"
        assert ask(outside, kind, SHARED, port)[0] == "b"
        assert ask(a, kind, OLD, port)[0] == "b"
    lab.api.delete("Service", "first", "default")
    assert wait_until(lambda: ask(outside, kind, SHARED, port) == ("c", outside.address), 10)
    for address in (SHARED, OLD):
        assert wait_until(lambda to=address: ask(a, kind, to, port) == ("c", a.address), 10)
    lab.service("first", OLD, PORTS, at(lab, "b"), externalIPs=[SHARED])
    assert wait_until(lambda: ask(outside, kind, SHARED, port)[0] == "b", 10)
    assert wait_until(lambda: ask(a, kind, OLD, port)[0] == "b", 10)


@KINDS
def test_an_external_address_may_be_a_nodes(lab: Handmade, kind: str, port: int) -> None:
    node2, outside, a = (lab.hosts[name] for name in ("node2", "outside", "a"))
    lab.service("node", "10.96.0.23", PORTS, at(lab, "b"), externalIPs=[node2.address])
    assert wait_until(lambda: ask(outside, kind, node2.address, port) == ("b", node2.address), 10)
    assert ask(a, kind, node2.address, port) == ("b", a.address)
    assert said(outside, kind, lab.hosts["node1"].address, port) == "ConnectionRefusedError"
    lab.api.delete("Service", "node", "default")
    assert wait_until(lambda: said(outside, kind, node2.address, port) == "ConnectionRefusedError", 10)


@KINDS
def test_affinity_under_policy_local_keeps_to_the_nodes_endpoints(lab: Handmade, kind: str, port: int) -> None:
    """And is another one inside, where all endpoints answer."""
    outside, a = lab.hosts["outside"], lab.hosts["a"]
    lab.service("stay", "10.96.0.24", PORTS, at(lab, "b", "c", "d"), {80: 30180, 53: 30181}, ingress=OPEN,
                externalTrafficPolicy="Local", sessionAffinity="ClientIP")  # fmt: skip
    asked = 30180 + (port == 53)
    node1, node2 = (lab.hosts[name].address for name in ("node1", "node2"))
    assert wait_until(lambda: ask(outside, kind, node2, asked) == ("c", outside.address), 10)
    assert set(said_often(outside, kind, node2, asked, 10)) == {f"c {outside.address}"}
    there = set(said_often(outside, kind, node1, asked, 20))
    assert len(there) == 1
    assert there < {f"{server} {outside.address}" for server in ("b", "d")}
    inside = set(said_often(a, kind, "10.96.0.24", port, 20))
    assert len(inside) == 1
    assert inside < {f"{server} {a.address}" for server in ("b", "c", "d")}
    assert set(said_often(a, kind, node1, asked, 10)) == inside
    balanced = {one.split()[1] for one in said_often(outside, kind, OPEN, port, 10)}
    assert balanced == {outside.address}


def test_no_switch_refused_anything(lab: Handmade) -> None:
    assert "ERROR" not in lab.log.read_text()


LISTENER = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("", int(sys.argv[1])))
one.settimeout(30)
print("ready", flush=True)
while True:
    said, client = one.recvfrom(100)
    print(said.decode(), client[1], flush=True)
"""
SPEAKER = """
import socket, sys, time
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.connect((sys.argv[1], int(sys.argv[2])))
for number in range(4):
    one.send(str(number).encode())
    time.sleep(0.05)
"""


@pytest.mark.parametrize("client", ["a", "outside"])
def test_all_that_is_sent_before_an_answer_reaches_the_endpoint(lab: Handmade, client: str) -> None:
    """As statsd, syslog, and resolvers that ask two things at once have it."""
    lab.service("listens", LISTENS, {53: "UDP"}, [(lab.hosts["c"].address, 9100)], {53: 30090})
    in_force(lab, learned=True)
    where = (LISTENS, 53) if client == "a" else (lab.hosts["node1"].address, 30090)
    listener = lab.hosts["c"].python(LISTENER, "9100")
    assert listener.stdout
    try:
        assert listener.stdout.readline() == "ready\n"
        lab.hosts[client].python(SPEAKER, where[0], str(where[1])).communicate(timeout=30)
        heard = [listener.stdout.readline().split() for _ in range(4)]
    finally:
        listener.kill()
        listener.communicate()
    assert [said for said, _ in heard] == list("0123")
    assert len({port for _, port in heard}) == 1
