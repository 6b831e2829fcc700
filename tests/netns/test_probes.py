"""Probes between real namespaces: whether an answer came, many at once, from one process."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from experiments import probes
from experiments.reach.probe import Outcome, Probe
from lab import sandbox

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not sandbox.inside(), reason="makes namespaces: run in python -m lab.sandbox -- pytest"),
]

CLIENTS = ("probe-a", "probe-b")
OPEN, CLOSED, SILENT = 7001, 7002, 7003


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def answer(udp: socket.socket) -> None:
    while True:
        try:
            data, sender = udp.recvfrom(100)
        except OSError:  # closed
            return
        if data == b"end":
            return
        udp.sendto(b"me", sender)


@pytest.fixture(scope="module", autouse=True)
def network() -> Iterator[None]:
    """Two namespaces, each with a link to this one, where one port is open, one closed and one silent."""
    for number, name in enumerate(CLIENTS, 1):
        ip("netns", "add", name)
        ip("link", "add", f"probe{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("addr", "add", f"10.77.{number}.1/24", "dev", f"probe{number}")
        ip("link", "set", f"probe{number}", "up")
        ip("-n", name, "addr", "add", f"10.77.{number}.2/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "route", "add", "default", "via", f"10.77.{number}.1")
    kind = socket.SOCK_DGRAM
    with (
        socket.create_server(("", OPEN), backlog=2000),
        socket.socket(type=kind) as udp,
        socket.socket(type=kind) as silent,
    ):
        silent.bind(("", SILENT))
        udp.bind(("", OPEN))
        answering = threading.Thread(target=answer, args=(udp,))
        answering.start()
        yield
        silent.sendto(b"end", ("127.0.0.1", OPEN))
        answering.join(10)
    for number, name in enumerate(CLIENTS, 1):
        ip("link", "delete", f"probe{number}")
        ip("netns", "delete", name)


def test_each_probe_starts_from_its_own_namespace_and_only_answers_count() -> None:
    wanted = {
        Probe("probe-a", "10.77.1.1", OPEN, "TCP"): Outcome.ANSWERED,
        Probe("probe-b", "10.77.2.1", OPEN, "TCP"): Outcome.ANSWERED,
        Probe("probe-a", "10.77.1.1", CLOSED, "TCP"): Outcome.CLOSED,
        Probe("probe-a", "10.77.1.1", OPEN, "UDP"): Outcome.ANSWERED,
        Probe("probe-a", "10.77.1.1", CLOSED, "UDP"): Outcome.CLOSED,
        Probe("probe-b", "10.77.2.1", SILENT, "UDP"): Outcome.SILENT,
        Probe("probe-a", "10.77.1.99", OPEN, "TCP"): Outcome.SILENT,  # nobody has the address
        Probe("probe-c", "10.77.1.1", OPEN, "TCP"): Outcome.UNTRIED,  # no such namespace
    }
    found = dict(zip(wanted, probes.attempt(list(wanted), 1.0), strict=True))
    assert {probe: one.outcome for probe, one in found.items()} == wanted
    assert found[Probe("probe-a", "10.77.1.1", OPEN, "UDP")].name == "me"


def test_many_at_once() -> None:
    many = [Probe(CLIENTS[i % 2], f"10.77.{i % 2 + 1}.1", OPEN, ("TCP", "UDP")[i // 2 % 2]) for i in range(1500)]
    assert all(found.allowed for found in probes.attempt(many, 10.0))


def test_no_probes_no_answers() -> None:
    assert probes.attempt([], 1.0) == []


@pytest.mark.skipif(shutil.which("nft") is None, reason="no nft to lose packets with")
def test_what_gets_lost_is_sent_again() -> None:
    """The first SYN and the first datagram of each connection are dropped on their way."""
    lossy = """
    table ip lossy {
      set seen { type ipv4_addr . inet_proto . inet_service; flags dynamic; timeout 1m; }
      chain input { type filter hook input priority 0;
        tcp dport 7001 tcp flags syn / syn,ack ip saddr . meta l4proto . tcp sport != @seen \
          add @seen { ip saddr . meta l4proto . tcp sport } drop
        udp dport 7001 ip saddr . meta l4proto . udp sport != @seen \
          add @seen { ip saddr . meta l4proto . udp sport } drop
      }
    }"""
    subprocess.run(["nft", "-f", "-"], input=lossy, text=True, check=True)
    try:
        many = [Probe("probe-a", "10.77.1.1", OPEN, protocol) for protocol in ("TCP", "UDP") for _ in range(50)]
        assert all(found.allowed for found in probes.attempt(many))
    finally:
        subprocess.run(["nft", "delete", "table", "ip", "lossy"], check=True)


def test_what_is_denied_is_waited_for_together() -> None:
    """In a small part of the time that one after another would take."""
    many, patience = 3000, 1.0
    begun = time.monotonic()
    found = probes.attempt([Probe(CLIENTS[i % 2], "10.77.1.1", SILENT, "UDP") for i in range(many)], patience)
    assert {one.outcome for one in found} == {Outcome.SILENT}
    assert time.monotonic() - begun < many * patience / 10
