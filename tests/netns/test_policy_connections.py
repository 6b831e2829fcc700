"""Connections that are open while policies change: what is forbidden is cut, what stays allowed does not notice."""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from handmade import Handmade, Host, host_mac, mac, run
from settled import in_force
from test_controller_restarts import changes, restart

from controller.checksums import TCP, finished
from controller.reconciler import AGAIN_S as FORGOTTEN_AGAIN_S
from controller.tables import DENIED
from k8sshim.objects import Raw
from topo.syscalls import inside

pytestmark = pytest.mark.netns
WEB, FRONT, PORTS = "10.96.0.10", "10.96.0.11", {80: "TCP", 53: "UDP"}
BEGIN_S = 60.0  # within which the first packet of a stream arrives
AGAIN_S = 8.0  # within which TCP tries again
PODS = {"client": 1, "near": 1, "far": 2, "other": 2, "denied": 1}  # by node
Seen = list[tuple[int, float]]


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Handmade:
    handmade = Handmade(tmp_path_factory.mktemp("lab"), 2, outside=True).begun(request)
    for number, (name, node) in enumerate(PODS.items(), 2):
        handmade.pod(name, node, number)
        label(handmade, name)
    handmade.service("web", WEB, PORTS, [(handmade.hosts["far"].address, 9000)])
    handmade.service("front", FRONT, PORTS, [(handmade.hosts["near"].address, 9400)], {80: 30080, 53: 30053})
    handmade.programmed()
    in_force(handmade)
    time.sleep(2 * FORGOTTEN_AGAIN_S)  # what was sent to Services before they were there
    return handmade


@pytest.fixture(autouse=True)
def without_policies(lab: Handmade) -> Iterator[None]:
    yield
    for raw in lab.api.everything():
        if raw["kind"] == "NetworkPolicy":
            lab.api.delete("NetworkPolicy", raw["metadata"]["name"], "default")
    in_force(lab)


def label(lab: Handmade, pod: str, **labels: str) -> None:
    """A pod's name is a label of it, too, if it has no other."""
    raw = next(raw for raw in lab.api.everything() if raw["kind"] == "Pod" and raw["metadata"]["name"] == pod)
    lab.api.put({**raw, "metadata": {**raw["metadata"], "labels": {"name": pod, **labels}}})


def policy(lab: Handmade, name: str, pod: str, **spec: Any) -> None:
    """About one pod."""
    about = {"podSelector": {"matchLabels": {"name": pod}} if pod else {}, **spec}
    lab.api.put({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": about,
                 "metadata": {"name": name, "namespace": "default"}})  # fmt: skip


def pods(*names: str) -> list[Raw]:
    return [{"podSelector": {"matchLabels": {"name": name}}} for name in names]


@dataclass
class Ends:
    """Programs at both ends of connections; what they saw, once they have ended."""

    lab: Handmade
    dropped_before: int
    overflown_before: int
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    giving: set[str] = field(default_factory=set)
    hearing: set[str] = field(default_factory=set)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)

    def start(self, name: str, pod: str, *role: str) -> None:
        path = str(Path(__file__).with_name("streams.py"))
        self.running[name] = subprocess.Popen(
            self.lab.hosts[pod].argv(sys.executable, path, *role),
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        if role[0] in ("count", "give"):
            self.giving.add(name)
        if role[0] in ("echo", "count", "take", "hear"):
            self.hearing.add(name)
        ready = self.running[name].stdout
        assert ready and ready.readline() == "ready\n", name

    def datagrams(self, name: str, client: str, server: str, port: int, *, at: tuple[str, int] | None = None) -> None:
        self.start(f"{name} server", server, "echo", str(port))
        address, number = at or (self.lab.hosts[server].address, port)
        self.start(f"{name} client", client, "count", address, str(number))

    def pushed(self, name: str, client: str, server: str, port: int, *, at: tuple[str, int] | None = None) -> None:
        """Datagrams by a server that goes on, whether its client says any more or not."""
        self.start(f"{name} server", server, "push", str(port))
        address, number = at or (self.lab.hosts[server].address, port)
        self.start(f"{name} client", client, "hear", address, str(number))

    def stream(
        self,
        name: str,
        client: str,
        server: str,
        port: int,
        *,
        gives: str = "client",
        at: tuple[str, int] | None = None,
    ) -> None:
        """Bytes by TCP, from the one that gives to the other."""
        roles = {"client": ("give", "take"), "server": ("take", "give")}[gives]
        self.start(f"{name} server", server, roles[1], str(port))
        address, number = at or (self.lab.hosts[server].address, port)
        self.start(f"{name} client", client, roles[0], address, str(number))

    def tell(self, name: str, word: str) -> None:
        stdin = self.running[name].stdin
        assert stdin
        stdin.write(word + "\n")
        stdin.flush()

    def begun(self) -> None:
        """Wait until everybody who hears has heard something."""
        while self.hearing:
            name = self.hearing.pop()
            process = self.running[name]
            too_late = threading.Timer(BEGIN_S, process.kill)
            too_late.start()
            assert process.stdout and process.stdout.readline() == "begun\n", name
            too_late.cancel()

    def end(self) -> None:
        """Nobody sends any more; what is on its way arrives."""
        for name in sorted(self.running, key=lambda name: name not in self.giving):
            said = self.running[name].communicate("end\n", timeout=60)[0]
            self.said[name] = json.loads(said.splitlines()[-1])

    def seen(self, name: str) -> Seen:
        return [(number, moment) for number, moment in self.said[name]["seen"]]

    def lost(self, name: str) -> tuple[int, int]:
        """Datagrams that did not arrive, and answers that did not; each had one place."""
        sent = range(self.said[f"{name} client"]["sent"])
        there, back = ({number for number, _ in self.seen(f"{name} {end}")} for end in ("server", "client"))
        return len(set(sent) - there), len(set(sent) - back)


@contextmanager
def ends(lab: Handmade) -> Iterator[Ends]:
    one = Ends(lab, dropped(lab), overflown())
    try:
        yield one
    finally:
        for process in one.running.values():
            process.kill()
            process.communicate()


CONNECTIONS = ("datagrams", "up", "down")
WAYS = ("near", "far")


@pytest.mark.parametrize("side", ["egress", "ingress"])
def test_what_is_forbidden_is_cut_both_ways_and_goes_on_when_it_is_allowed(lab: Handmade, side: str) -> None:
    """Though a server that gives hears nothing but that its bytes have arrived.

    It is by what its client sends that a connection is known to be allowed again.
    """
    with ends(lab) as both:
        for number, way in enumerate(WAYS):
            both.datagrams(f"datagrams {way}", "client", way, 9100 + number)
            both.stream(f"up {way}", "client", way, 9200 + number)
            both.stream(f"down {way}", "client", way, 9300 + number, gives="server")
            both.pushed(f"pushed {way}", "client", way, 9500 + number)
        both.begun()
        began = time.monotonic()
        denied = ("client",) if side == "egress" else WAYS
        for name in denied:
            policy(lab, f"shut-{name}", name, policyTypes=[side.capitalize()])
        shut, allowed = shut_and_opened(both, WAYS, *denied)
        both.end()
    for way in WAYS:
        for name in (f"datagrams {way} server", f"datagrams {way} client", f"up {way} server", f"down {way} client",
                     f"pushed {way} client"):  # fmt: skip
            cut_and_going_on(both, name, began, shut, allowed)


def test_an_outside_client_is_cut_though_it_is_seen_as_the_node_of_the_server(lab: Handmade) -> None:
    """Its answers are those of a connection whose source is translated on the bridge that denies it."""
    node = lab.hosts["node1"].address
    with ends(lab) as both:
        both.pushed("pushed near", "outside", "near", 9400, at=(node, 30053))
        both.stream("down near", "outside", "near", 9400, gives="server", at=(node, 30080))
        both.begun()
        began = time.monotonic()
        policy(lab, "shut-near", "near", policyTypes=["Ingress"])
        shut, allowed = shut_and_opened(both, ["near"], "near")
        both.end()
    for name in ("pushed near client", "down near client"):
        cut_and_going_on(both, name, began, shut, allowed)


def shut_and_opened(both: Ends, ways: Sequence[str], *denied: str) -> tuple[float, float]:
    """From when the policies `shut-...` of these pods hold, and when they go.

    It is by what a client sends that its connection is cut, and that it is allowed again: those that only hear speak.
    """
    in_datapaths(both.lab)
    speak(both, ways, "pushed")
    time.sleep(0.5)  # for what is on its way
    shut = time.monotonic()
    time.sleep(1)
    opened = time.monotonic()
    for name in denied:
        both.lab.api.delete("NetworkPolicy", f"shut-{name}", "default")
    in_force(both.lab)
    until = time.monotonic() + AGAIN_S
    while time.monotonic() < until:
        speak(both, ways, "pushed", "down")
        time.sleep(0.5)
    return shut, opened


def speak(both: Ends, ways: Sequence[str], *kinds: str) -> None:
    for way in ways:
        for kind in kinds:
            both.tell(f"{kind} {way} client", "speak")


def in_datapaths(lab: Handmade) -> None:
    """What bridges hold is soon what they do, too."""
    in_force(lab)
    time.sleep(0.5)


def cut_and_going_on(both: Ends, name: str, began: float, shut: float, opened: float) -> None:
    """Something arrived before, nothing while it was shut, something after; and bytes in their order."""
    moments = [moment for _, moment in both.seen(name)]
    assert [one for one in moments if one < began], name
    assert not [one for one in moments if shut <= one < opened], name
    assert [one for one in moments if one > opened], name
    assert both.said[name].get("exact", True), name


def allowing(lab: Handmade) -> None:
    """The client may ask its servers, and all are isolated in both directions."""
    policy(lab, "client", "client", policyTypes=["Ingress", "Egress"], egress=[{"to": pods(*WAYS)}])
    for way in WAYS:
        policy(lab, way, way, policyTypes=["Ingress", "Egress"], ingress=[{"from": pods("client")}])
    in_force(lab)


def all_kinds(both: Ends) -> None:
    """Near and far, by UDP and TCP, and through a Service."""
    for number, way in enumerate(WAYS):
        both.datagrams(f"datagrams {way}", "client", way, 9100 + number)
        both.stream(f"up {way}", "client", way, 9200 + number)
        both.stream(f"down {way}", "client", way, 9300 + number, gives="server")
    both.datagrams("datagrams service", "client", "far", 9000, at=(WEB, 53))
    both.stream("up service", "client", "far", 9000, at=(WEB, 80))


def dropped(lab: Handmade) -> int:
    """Packets of open connections that policies denied, and answers of such that they cut."""
    seen = 0
    for bridge in ("b1", "b2"):
        for line in lab.ofctl("dump-flows", bridge, f"table={DENIED.number}").splitlines():
            if "n_packets" in line and "-new" in line:
                seen += int(line.split("n_packets=")[1].split(",")[0])
    return seen


def overflown() -> int:
    """Packets that a bridge's sockets had no room for, since the machine did not let Open vSwitch run."""
    return sum(map(int, re.findall(r"skmem:\(.*?,d(\d+)\)", run("ss", "-0", "-n", "-m").stdout)))


def nothing_lost(both: Ends) -> None:
    """Beyond what never came to a bridge's flows."""
    lost = {name: both.lost(f"datagrams {name}") for name in (*WAYS, "service")}
    sent = {name: both.said[f"datagrams {name} client"]["sent"] for name in lost}
    denied, never_came = dropped(both.lab) - both.dropped_before, overflown() - both.overflown_before
    print("sent", sent, "lost there and back", lost, "denied", denied, "never came to the bridge", never_came)
    assert denied == 0
    assert sum(back for _, back in lost.values()) <= never_came, (sent, lost)
    gaps = {}
    for name, taker in [
        (f"{kind} {way}", end) for way in WAYS for kind, end in (("up", "server"), ("down", "client"))
    ] + [("up service", "server")]:
        giver = "server" if taker == "client" else "client"
        taken, given = both.said[f"{name} {taker}"], both.said[f"{name} {giver}"]
        assert taken["exact"] and taken["bytes"] == given["bytes"] > 0, (name, taken["bytes"], given)
        moments = [moment for _, moment in taken["seen"]]
        gaps[name] = max(after - before for before, after in pairwise(moments))
    print("longest pause", {name: round(one, 3) for name, one in gaps.items()})


def test_what_stays_allowed_loses_nothing_while_policies_change(lab: Handmade) -> None:
    allowing(lab)
    with ends(lab) as both:
        all_kinds(both)
        both.begun()
        for number in range(50):
            change(lab, number)
            time.sleep(0.1)
        both.end()
    nothing_lost(both)


def change(lab: Handmade, number: int) -> None:
    """Of other policies, of the same policies' other peers and ports, of labels of others."""
    match number % 6:
        case 0:
            policy(
                lab, "others", "other", policyTypes=["Ingress"], ingress=[{"from": pods("denied")}] * (number % 4 // 2)
            )
        case 1:
            more = [{"to": pods("other"), "ports": [{"port": 8000 + number}]}]
            policy(lab, "client", "client", policyTypes=["Ingress", "Egress"], egress=[{"to": pods(*WAYS)}, *more])
        case 2:
            policy(lab, "far", "far", policyTypes=["Ingress", "Egress"], ingress=[{"from": pods("client", "other")}])
        case 3:
            label(lab, "other", name="denied" if number % 4 == 1 else "other")
        case 4:
            policy(lab, "far", "far", policyTypes=["Ingress", "Egress"], ingress=[{"from": pods("client")}])
            policy(lab, "everybody", "", policyTypes=["Ingress"], ingress=[{"from": pods("client")}])
        case 5:
            lab.api.delete("NetworkPolicy", "everybody", "default")


def test_a_policy_that_comes_with_what_is_used_holds_nothing_up(lab: Handmade) -> None:
    """It isolates pods at every node, each of which has something to close."""
    with ends(lab) as both:
        all_kinds(both)
        both.begun()
        for _ in range(10):
            policy(lab, "all", "", policyTypes=["Ingress", "Egress"],
                   ingress=[{"from": pods("client")}], egress=[{"to": pods(*WAYS)}])  # fmt: skip
            time.sleep(0.2)
            lab.api.delete("NetworkPolicy", "all", "default")
            time.sleep(0.2)
        both.end()
    nothing_lost(both)


def test_replies_and_errors_pass_where_both_are_isolated(lab: Handmade) -> None:
    allowing(lab)
    with ends(lab) as both:
        both.start("closed", "client", "ask", lab.hosts["far"].address, "9999")
        both.end()
    assert both.said["closed"]["error"] == "ConnectionRefusedError"


def test_what_ends_a_connection_begins_none(lab: Handmade) -> None:
    """Else a late reset would make an answer of what the policy denies: here comes one that belongs to nothing."""
    client, near = lab.hosts["client"], lab.hosts["near"]
    policy(lab, "shut-near", "near", policyTypes=["Ingress"])
    in_datapaths(lab)
    with listening(client) as there, listening(near) as here:
        for port, flags in enumerate((RST, RST | ACK, FIN | ACK), 20_001):
            here.send(segment(near, client, 8080, port, flags))
            time.sleep(0.2)
            there.send(segment(client, near, port, 8080, SYN))
            time.sleep(0.2)
        here.send(segment(near, client, 8080, 20_009, SYN))  # which may be
        time.sleep(0.5)
        assert ports_seen(here) - {20_009} == set()
        assert ports_seen(there) == {20_009}


FIN, SYN, RST, ACK = 1, 2, 4, 16


@contextmanager
def listening(host: Host) -> Iterator[socket.socket]:
    """A socket for frames out of and into a pod."""
    with inside(host.netns):
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        one.bind(("eth0", 0x0800))
    one.setblocking(False)
    with one:
        yield one


def segment(source: Host, target: Host, port: int, to_port: int, flags: int) -> bytes:
    body = struct.pack("!HHIIBBHHH", port, to_port, 1, 1, 5 << 4, flags, 1024, 0, 0)
    addresses = socket.inet_aton(source.address) + socket.inet_aton(target.address)
    head = struct.pack("!BBHHHBBH8s", 0x45, 0, 20 + len(body), 0, 0, 64, TCP, 0, addresses)
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
    macs = bytes.fromhex((mac("0a:77", source.node) + host_mac(source.address)).replace(":", ""))
    return finished(macs + b"\x08\x00" + head + body)


def ports_seen(one: socket.socket) -> set[int]:
    """The clients' ports of TCP packets that came in."""
    found = set()
    while select.select([one], [], [], 0)[0]:
        frame, (_, _, kind, *_) = one.recvfrom(200)
        if kind == socket.PACKET_HOST and frame[23] == TCP:
            found.add(max(struct.unpack("!HH", frame[34:38])))
    return found


def test_restarts_of_the_controller_lose_nothing_and_send_nothing(lab: Handmade) -> None:
    allowing(lab)
    before = lab.held()
    with ends(lab) as both:
        all_kinds(both)
        both.begun()
        for _ in range(5):
            restart(lab)
            assert set(changes(lab).values()) == {0}
        both.end()
    nothing_lost(both)
    assert lab.held() == before


FLOOD = """
import socket, sys, time, json
from controller.checksums import finished
netns, count, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
source, target, macs = sys.argv[4], sys.argv[5], bytes.fromhex(sys.argv[6])
from topo.syscalls import inside
with inside(netns):
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    one.bind(("eth0", 0))
import struct
def frame(number):
    body = struct.pack("!HHHHI", 1024 + number % 60000, 9000 + number // 60000, 12, 0, number)
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    head = struct.pack("!BBHHHBBH8s", 0x45, 0, 32, 0, 0, 64, 17, 0, ends)
    total = sum(struct.unpack("!10H", head)); total = (total & 0xffff) + (total >> 16)
    checksum = struct.pack("!H", ~(total + (total >> 16)) & 0xffff)
    return finished(macs + b"\\x08\\x00" + head[:10] + checksum + head[12:] + body)
frames = [frame(number) for number in range(count)]
print("ready", flush=True)
began = time.monotonic()
for number, each in enumerate(frames):
    ahead = began + number / rate - time.monotonic()
    if ahead > 0.002: time.sleep(ahead)
    one.send(each)
print(time.monotonic() - began, flush=True)
"""


def test_a_flood_of_denied_connections_harms_no_allowed_one(lab: Handmade) -> None:
    allowing(lab)
    one, other = lab.hosts["denied"], lab.hosts["far"]
    before = len(denials(lab))
    with ends(lab) as both, ExitStack() as undo:
        all_kinds(both)
        both.begun()
        flood = flooding(one, other, 20_000, 10_000)
        undo.callback(flood.communicate)
        undo.callback(flood.kill)
        took = []
        for number in range(8):
            policy(lab, "others", "other", policyTypes=["Ingress"], ingress=[{"from": pods("denied")}] * (number % 2))
            took.append(in_force(lab))
        assert flood.stdout
        seconds = float(flood.stdout.readline())
        both.end()
    lines = len(denials(lab)) - before
    print("flood took", seconds, "policies", [round(one, 3) for one in took], "lines", lines)
    nothing_lost(both)
    assert sorted(took)[len(took) // 2] < seconds, "changes wait for no flood to end"
    assert 0 < lines < 1000 + 200 * (seconds + 2)


def flooding(one: Host, other: Host, count: int, rate: int) -> subprocess.Popen[str]:
    macs = (mac("0a:77", one.node) + host_mac(one.address)).replace(":", "")
    process = subprocess.Popen(
        [sys.executable, "-c", FLOOD, one.netns, str(count), str(rate), one.address, other.address, macs],
        text=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def denials(lab: Handmade) -> list[str]:
    return re.findall(r'controller\.reconciler: (\{"time.*)', lab.log.read_text())
