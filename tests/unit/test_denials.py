"""The log of denied connections: what a line says, what makes no line of its own, and how many lines there are."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from network_model import network_of, pod

from controller.denials import BURST, MOST_KNOWN, RATE, SAME_S, Denials, connection_of
from controller.desired import Desired
from controller.marks import DENIED_SIDE, DENYING_RULE, Side
from k8sshim.admin_policies import admin_network_policy
from k8sshim.policies import Namespace, network_policy

pytestmark = pytest.mark.unit
START = datetime(2026, 1, 2, 3, 4, 5, 678900, timezone.utc)
WEB, CLIENT = replace(pod("web", 1, 2), labels=(("app", "web"),)), pod("client", 2, 3)
TCP, UDP, ICMP = 6, 17, 1


def policy(name: str, **spec: object):
    return network_policy({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def admin(*rules: dict[str, object]):
    spec = {"priority": 1, "subject": {"namespaces": {}}, "ingress": list(rules)}
    return admin_network_policy({"kind": "AdminNetworkPolicy", "metadata": {"name": "first"}, "spec": spec})


@dataclass
class Log:
    """Denials with a clock of the test's, and the lines that they write."""

    desired: Desired
    now_s: float = 1000.0
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.denials = Denials(
            self.desired,
            lambda line: self.lines.append(json.loads(line)),
            lambda: self.now_s,
            lambda: START + timedelta(seconds=self.now_s - 1000),
        )

    def note(self, packet: bytes, side: int = Side.INGRESS, rule: int = 0, dpid: int = 1) -> None:
        registers = {DENIED_SIDE.register: side << DENIED_SIDE.first, DENYING_RULE.register: rule}
        self.denials.note(dpid, registers, packet)


@pytest.fixture
def log() -> Log:
    isolated = policy("web", podSelector={"matchLabels": {"app": "web"}}, ingress=[])
    also = policy("all", podSelector={}, policyTypes=["Ingress", "Egress"])
    return Log(network_of(2, WEB, CLIENT, Namespace("default", ()), isolated, also, outside=True).desired)


def frame(
    source: str = "10.244.2.3",
    destination: str = "10.244.1.2",
    protocol: int = TCP,
    ports: tuple[int, int] = (40000, 80),
    fragment: int = 0,
    body: bytes | None = None,
) -> bytes:
    body = struct.pack("!HHI", *ports, 0) if body is None else body
    addresses = bytes(map(int, source.split("."))) + bytes(map(int, destination.split(".")))
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, fragment, 64, protocol, 0) + addresses
    return bytes(12) + b"\x08\x00" + header + body


def echo(identifier: int, sequence: int = 1) -> bytes:
    return frame(protocol=ICMP, body=struct.pack("!BBHHH", 8, 0, 0, identifier, sequence))


def test_a_line_says_who_asked_whom_and_which_policies_isolate(log: Log) -> None:
    log.note(frame())
    assert log.lines == [
        {
            "time": "2026-01-02T03:04:05.678Z",
            "from": "default/client", "from_address": "10.244.2.3", "from_port": 40000,
            "to": "default/web", "to_address": "10.244.1.2", "port": 80, "protocol": "TCP",
            "side": "ingress", "node": "node1",
            "policies": ["NetworkPolicy default/all", "NetworkPolicy default/web"], "rule": None,
        }
    ]  # fmt: skip


def test_of_many_policies_a_line_names_some_and_counts_the_others(log: Log) -> None:
    for number in range(30):
        one = policy(f"more-{number:02}", podSelector={}, policyTypes=["Ingress"])
        log.desired.put("NetworkPolicy", one.key, one)
    log.note(frame())
    (line,) = log.lines
    assert (len(line["policies"]), line["policies_more"]) == (10, 22)


def test_at_egress_the_policies_are_those_of_the_source(log: Log) -> None:
    log.note(frame(), Side.EGRESS, dpid=2)
    (line,) = log.lines
    assert (line["side"], line["node"], line["policies"]) == ("egress", "node2", ["NetworkPolicy default/all"])


def test_an_administrators_rule_is_told_by_its_place(log: Log) -> None:
    log.desired.put("AdminNetworkPolicy", (one := admin(*_rules("Pass", "Deny"))).key, one)
    numbers = {log.desired.policies.rule(n).subject: n for n in _numbers(log.desired)}  # type: ignore[union-attr]
    log.note(frame(), rule=numbers["AdminNetworkPolicy first ingress[1]"])
    (line,) = log.lines
    assert (line["policies"], line["rule"]) == (["AdminNetworkPolicy first"], "ingress[1]")


def test_a_rule_that_is_gone_by_now_leaves_a_line_all_the_same(log: Log) -> None:
    log.note(frame(), rule=123)
    assert (log.lines[0]["policies"], log.lines[0]["rule"], log.lines[0]["to"]) == ([], None, "default/web")


def _rules(*actions: str) -> list[dict[str, object]]:
    return [{"action": action, "from": [{"namespaces": {}}]} for action in actions]


def _numbers(desired: Desired) -> list[int]:
    """The numbers of all rules, as their verdicts match them on the bridges."""
    flows = [flow for dpid in desired.node_bridges() for flow in desired.wanted(dpid).flows.values()]
    return [int(value) for flow in flows for name, value in flow.match if name == "conj_id"]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("172.30.0.3", "node2"),
        ("203.0.113.2", "outside"),
        ("198.18.0.9", "198.18.0.9"),
    ],
)
def test_nodes_and_the_outside_have_names_too_and_others_their_address(log: Log, address: str, name: str) -> None:
    log.note(frame(source=address))
    assert (log.lines[0]["from"], log.lines[0]["from_address"]) == (name, address)


def test_what_is_sent_again_is_told_once_for_as_long_as_it_is_tried(log: Log) -> None:
    for gap in (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0):  # TCP's tries, and the longest pause of SCTP's
        log.now_s += gap
        log.note(frame())
    assert len(log.lines) == 1
    log.now_s += SAME_S + 1
    log.note(frame())
    assert len(log.lines) == 2


@pytest.mark.parametrize(
    "other",
    [
        frame(ports=(40001, 80)),
        frame(ports=(40000, 81)),
        frame(protocol=UDP),
        frame(source="10.244.2.4"),
        frame(destination="10.244.1.3"),
        echo(1),
    ],
)
def test_every_other_connection_has_a_line_of_its_own(log: Log, other: bytes) -> None:
    log.note(frame())
    log.note(other)
    log.note(other)
    assert len(log.lines) == 2


def test_both_sides_of_one_connection_are_told(log: Log) -> None:
    """A policy at egress that is taken away leaves the one at ingress, and the client is still trying."""
    log.note(frame(), Side.EGRESS, dpid=2)
    log.note(frame(), Side.INGRESS)
    assert [line["side"] for line in log.lines] == ["egress", "ingress"]


def test_pings_are_told_apart_by_their_identifier_which_is_no_port(log: Log) -> None:
    for packet in (echo(7, 1), echo(7, 2), echo(8, 1)):
        log.note(packet)
    assert [(line["protocol"], line["from_port"], line["port"]) for line in log.lines] == [("ICMP", 0, 0)] * 2


def test_a_protocol_without_ports_is_told_by_its_number(log: Log) -> None:
    log.note(frame(protocol=47, body=b""))
    assert (log.lines[0]["protocol"], log.lines[0]["port"]) == ("47", 0)


def test_what_comes_too_fast_is_left_out_and_counted_in_the_next_line(log: Log) -> None:
    extra = 25
    for number in range(int(BURST) + extra):
        log.note(frame(ports=(number, 80)))
    assert len(log.lines) == BURST
    log.now_s += 10 / RATE
    for number in range(2000, 2002):
        log.note(frame(ports=(number, 80)))
    assert [line.get("left_out_before") for line in log.lines[-3:]] == [None, extra, None]


def test_only_so_many_connections_are_remembered(log: Log) -> None:
    for number in range(MOST_KNOWN + 1):
        log.now_s += 1 / RATE  # slow enough for each to have its line
        if number % 5000 == 0:
            log.note(frame(ports=(1, 1)))  # tried again and again: the latest, never the first to be forgotten
        log.note(frame(ports=(number % 60000, 100 + number // 60000)))
    before = len(log.lines)
    log.note(frame(ports=(1, 1)))
    assert len(log.lines) == before


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\x00" * 13,
        frame()[:14],
        frame()[:33],
        frame()[:37],  # half of the ports
        frame(protocol=ICMP, body=b"\x08\x00"),
        bytes(12) + b"\x86\xdd" + frame()[14:],
        bytes(14) + frame()[14:],
        frame()[:14] + b"\x65" + frame()[15:],  # another version than its Ethernet type says
        frame()[:14] + b"\x41" + frame()[15:],  # a header of four bytes
        frame()[:14] + b"\x4f" + frame()[15:],  # a header that is longer than the frame
        frame(fragment=0x00B9),  # a later fragment: no ports are in it
    ],
)
def test_junk_makes_no_line(log: Log, junk: bytes) -> None:
    log.note(junk)
    assert connection_of(junk) is None
    assert log.lines == []


def test_a_packet_that_no_policy_denied_makes_no_line(log: Log) -> None:
    for side in (0, 3):
        log.note(frame(), side)
    assert log.lines == []


def test_the_first_fragment_has_the_ports(log: Log) -> None:
    log.note(frame(protocol=UDP, fragment=0x2000))
    assert (log.lines[0]["protocol"], log.lines[0]["port"]) == ("UDP", 80)


def test_a_header_with_options_is_as_long_as_it_says() -> None:
    plain = frame()
    with_options = plain[:14] + b"\x46" + plain[15:34] + b"\x01\x01\x01\x00" + plain[34:]
    assert connection_of(with_options) == (TCP, "10.244.2.3", 40000, "10.244.1.2", 80)
