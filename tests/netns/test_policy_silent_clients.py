"""What servers send to clients that keep silent: it is cut when a policy forbids it, and goes on when that goes."""

from __future__ import annotations

import re
import select
import socket
import struct
import subprocess
import time
from contextlib import ExitStack

import pytest
from handmade import Handmade, run
from settled import in_force
from test_policy_connections import (
    Ends,
    cut_and_going_on,
    denials,
    ends,
    label,
    listening,
    policy,
    without_policies,  # noqa: F401  for each test
)

from controller.checksums import UDP
from lab.waiting import wait_until

pytestmark = pytest.mark.netns
PODS = {"client": 1, "near": 1, "far": 2}  # by node
SERVICE, FRONT, DNS, NODE_PORT = "10.96.0.10", "10.96.0.11", 53, 30053
FIRST_PORT, LAST_PORT = 9000, 9999  # of servers
CUT = 4  # conntrack's mark
UDP_CONNECTION = re.compile(r"udp,orig=\(src=([\d.]+),.*?sport=(\d+),.*?zone=\d+(?:,mark=(\d+))?")
WAIT_S = 60
PATIENT = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("", int(sys.argv[1])))
print("ready", flush=True)
client = one.recvfrom(9)[1]
for line in sys.stdin:
    one.sendto(line.encode(), client)
"""
ASKING = """
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.connect((sys.argv[1], int(sys.argv[2])))
one.send(b"0")
while True:
    print(one.recv(9).decode(), end="", flush=True)
"""
Connection = tuple[str, int]  # a client's address and port


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Handmade:
    handmade = Handmade(tmp_path_factory.mktemp("lab"), 2, outside=True).begun(request)
    for number, (name, node) in enumerate(PODS.items(), 2):
        handmade.pod(name, node, number)
        label(handmade, name)
    handmade.service("far", SERVICE, {DNS: "UDP"}, [(handmade.hosts["far"].address, 9000)])
    handmade.service("near", FRONT, {DNS: "UDP"}, [(handmade.hosts["near"].address, 9001)], {DNS: NODE_PORT})
    handmade.programmed()
    in_force(handmade)
    return handmade


def remembered(lab: Handmade) -> list[tuple[str, str, str]]:
    """Client, its port, and mark of each UDP connection of each zone."""
    control = str(lab.folder / "switchd" / "ovs-vswitchd.ctl")
    return UDP_CONNECTION.findall(run("ovs-appctl", "-t", control, "dpctl/dump-conntrack").stdout)


def connections(lab: Handmade) -> dict[Connection, int]:
    """UDP connections, and what any zone marks them with."""
    found: dict[Connection, int] = {}
    for client, port, mark in remembered(lab):
        found[client, int(port)] = found.get((client, int(port)), 0) | int(mark or 0)
    return found


def wait_for_marks(lab: Handmade, these: set[Connection], *, cut: bool) -> None:
    def are() -> bool:
        marks = connections(lab)
        return all(bool(marks.get(one, 0) & CUT) is cut for one in these)

    assert wait_until(are, WAIT_S), connections(lab)


def all_kinds(both: Ends, side: str) -> None:
    """Servers that go on, and clients that speak once, whom a policy about one side of pods concerns."""
    for number, way in enumerate(("near", "far")):
        both.pushed(f"{way} pod", "client", way, 9500 + number)
    both.pushed("service", "client", "far", 9000, at=(SERVICE, DNS))
    both.pushed("node", *(("node2", "near") if side == "Ingress" else ("client", "node2")), 9600)
    if side == "Ingress":
        both.pushed("from outside", "outside", "near", 9001, at=(both.lab.hosts["node1"].address, NODE_PORT))
    else:
        both.pushed("to outside", "client", "outside", 9700)


@pytest.mark.parametrize("side", ["Ingress", "Egress"])
def test_what_is_sent_to_a_silent_client_is_cut_and_goes_on(lab: Handmade, side: str) -> None:
    told, pods = len(denials(lab)), ["near", "far"] if side == "Ingress" else ["client"]
    others = set(connections(lab))
    with ends(lab) as both, ExitStack() as undo:
        all_kinds(both, side)
        both.begun()
        streams, these = list(both.running), set(connections(lab)) - others
        both.pushed("own node", "client", "node1", 9800)
        both.begun()
        heard = [undo.enter_context(listening(lab.hosts[name])) for name in ("near", "far", "node2", "outside")]
        began = time.monotonic()
        for pod in pods:
            policy(lab, f"shut-{pod}", pod, policyTypes=[side])
        wait_for_marks(lab, these, cut=True)
        time.sleep(0.3)  # for what is on its way
        shut = time.monotonic()
        time.sleep(0.7)
        opened = time.monotonic()
        for pod in pods:
            lab.api.delete("NetworkPolicy", f"shut-{pod}", "default")
        wait_for_marks(lab, these, cut=False)
        time.sleep(0.3)
        both.end()
        assert not any(map(is_asked, heard)), "what is only judged arrives nowhere"
    for name in streams:
        if name.endswith("client"):
            cut_and_going_on(both, name, began, shut, opened)
    assert [moment for _, moment in both.seen("own node client") if shut <= moment < opened], "no policy forbids it"
    assert len(denials(lab)) == told, "they are no new connections"


def is_asked(one: socket.socket) -> bool:
    """Whether a packet came in to a server's port."""
    asked = False
    while select.select([one], [], [], 0)[0]:
        frame, (_, _, kind, *_) = one.recvfrom(200)
        if kind == socket.PACKET_HOST and frame[23] == UDP:
            asked = asked or FIRST_PORT <= struct.unpack("!H", frame[36:38])[0] <= LAST_PORT
    return asked


@pytest.mark.parametrize("pods", [("client",), ("far",), ("client", "far")], ids="-".join)
@pytest.mark.parametrize("asked", ["far", SERVICE])
def test_a_first_answer_that_comes_late_is_cut_as_well(lab: Handmade, asked: str, pods: tuple[str, ...]) -> None:
    others = set(connections(lab))
    with ExitStack() as undo:

        def runs(pod: str, code: str, *arguments: str) -> subprocess.Popen[str]:
            process = lab.hosts[pod].python(code, *arguments)
            undo.callback(process.communicate)
            undo.callback(process.kill)
            return process

        server = runs("far", PATIENT, "9000")
        assert server.stdin and server.stdout and server.stdout.readline() == "ready\n"
        address, port = (SERVICE, DNS) if asked == SERVICE else (lab.hosts[asked].address, 9000)
        client = runs("client", ASKING, address, str(port))
        assert wait_until(lambda: bool(set(connections(lab)) - others), WAIT_S)
        these, count = set(connections(lab)) - others, len(remembered(lab))
        for pod in pods:
            policy(lab, f"shut-{pod}", pod, policyTypes=["Ingress", "Egress"])
        wait_for_marks(lab, these, cut=True)
        say(server, "first")
        time.sleep(0.3)
        for pod in pods:
            lab.api.delete("NetworkPolicy", f"shut-{pod}", "default")
        wait_for_marks(lab, these, cut=False)
        assert len(remembered(lab)) <= count, "what is only judged makes no connection"
        say(server, "second")
        assert client.stdout and client.stdout.readline() == "second\n"


def say(server: subprocess.Popen[str], word: str) -> None:
    assert server.stdin
    server.stdin.write(word + "\n")
    server.stdin.flush()
