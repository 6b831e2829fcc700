"""`podwire policy ls` and `podwire policy log` beside real traffic: their numbers, and how soon a denial is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from cluster import Namespace, eventually, pod

from lab.waiting import wait_until

pytestmark = pytest.mark.e2e
Raw = dict[str, Any]
SEND = """
import socket, sys, time
address, port, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for _ in range(times):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello", (address, port))
print(time.time())
"""  # each from a port of its own


def policy(name: str, selected: str, **spec: Any) -> Raw:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": {"app": selected}}, **spec},
    }


def administrator(ns: Namespace) -> Raw:
    here = {"matchLabels": {"kubernetes.io/metadata.name": ns.name}}
    ports = [{"portNumber": {"protocol": "UDP", "port": 99}}]
    peers = [{"namespaces": here}]
    rules = [
        {"name": "never", "action": "Deny", "from": peers, "ports": ports},
        {"name": "on", "action": "Pass", "from": peers},
    ]
    spec = {"priority": 50, "subject": {"namespaces": here}, "ingress": rules}
    kind = {"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy"}
    return {**kind, "metadata": {"name": ns.name}, "spec": spec}


@contextmanager
def policed(ns: Namespace) -> Iterator[str]:
    """A server that a client may ask on one port, under three policies; the server's address."""
    ns.create(pod("server", ("http", 8080, "TCP"), labels={"app": "server"}, nodeName="node1"))
    ns.create(pod("client", labels={"app": "client"}, nodeName="node2"))
    ns.ready("server", "client")
    allow = {"ports": [{"port": 8080}]}
    ns.create(
        policy("server", "server", ingress=[allow]),
        policy("server-too", "server", policyTypes=["Ingress"]),
        policy("client", "client", policyTypes=["Egress"], egress=[{}]),
        administrator(ns),
    )
    address = ns.get("pod", "server")["status"]["podIP"]
    eventually(lambda: trace(ns, f"{address}:99", "UDP")["decided_by"], f"AdminNetworkPolicy {ns.name}")
    eventually(lambda: len(trace(ns, f"{address}:9000")["policies"]), 3)
    try:
        yield address
    finally:
        ns.kubectl("delete", "adminnetworkpolicy", ns.name)


def trace(ns: Namespace, target: str, protocol: str = "TCP") -> Raw:
    told: Raw = ns.lab.podwire.json("trace", ns.lab.name, f"{ns.name}/client", target, "--protocol", protocol)
    return told


def send(ns: Namespace, address: str, port: int, times: int) -> float:
    """Send datagrams, each a connection of its own; when they had been sent (seconds since 1970)."""
    done = ns.run("client", "python3", "-c", SEND, address, str(port), str(times))
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def listed(ns: Namespace) -> dict[str, Raw]:
    found = ns.lab.podwire.json("policy", "ls", ns.lab.name)
    return {one["name"]: one for one in found if ns.name in (one["namespace"], one["name"])}


def connections(ns: Namespace) -> dict[str, int]:
    """New connections of each rule, and of whom each policy isolates."""
    rules = {f"{name} {rule['rule']}": rule["connections"] for name, one in listed(ns).items() for rule in one["rules"]}
    isolated = {
        f"{n} {side}": on["connections"] for n, one in listed(ns).items() for side, on in one["isolates"].items()
    }
    return rules | isolated


def test_policies_are_listed_with_what_they_let_through(ns: Namespace) -> None:
    with policed(ns) as address:
        assert not any(connections(ns).values())
        for _ in range(4):
            assert ns.run("client", "curl", "-sSf", "--max-time", "3", f"http://{address}:8080/").returncode == 0
        send(ns, address, 9000, 3)
        send(ns, address, 99, 5)
        wanted = {
            "client egress[0]": 4 + 3 + 5, "client egress": 0,
            f"{ns.name} ingress[0]": 5, f"{ns.name} ingress[1]": 4 + 3,
            "server ingress[0]": 4, "server ingress": 3, "server-too ingress": 3,
        }  # fmt: skip
        eventually(lambda: connections(ns), wanted)
        found = listed(ns)
        assert (found["server"]["pods"], found["server"]["tier"]) == ([f"{ns.name}/server"], "NetworkPolicy")
        assert found["server"]["isolates"]["ingress"] == {"connections": 3, "packets": 3}
        sent, passed, got = (
            found[name]["rules"][place]["packets"] for name, place in (("client", 0), (ns.name, 1), ("server", 0))
        )
        assert (sent, passed) == (got + 3 + 5, got + 3)
        assert got >= 4 * 4  # SYN, its answer's ACK, the request, and the end, of each
        said = ns.lab.podwire.said("policy", "ls", ns.lab.name, "--wide")
        lines = [" ".join(line.split()) for line in said.splitlines()]
        assert f"AdminNetworkPolicy {ns.name} tier Admin priority 50 3 pods" in lines
        place = lines.index(f"NetworkPolicy {ns.name}/server 1 pod")
        assert lines[place + 1 : place + 4] == [
            f"{ns.name}/server",
            f"ingress[0] allowed 4 {got}",
            "ingress denied what no rule allowed 3 3",
        ]


@dataclass
class Follower:
    """`podwire policy log -f`, and each denial that it tells with the time that it came."""

    process: subprocess.Popen[str]
    told: list[tuple[float, Raw]] = field(default_factory=list)

    def read(self) -> None:
        for line in self.process.stdout or ():
            self.told.append((time.time(), json.loads(line)))

    def of(self, **fields: object) -> list[tuple[float, Raw]]:
        return [one for one in self.told if all(one[1][name] == value for name, value in fields.items())]


@contextmanager
def following(ns: Namespace) -> Iterator[Follower]:
    process = ns.lab.podwire.start("policy", "log", ns.lab.name, "--follow", "--json", "--since", "10m")
    follower = Follower(process)
    reader = threading.Thread(target=follower.read)
    reader.start()
    try:
        yield follower
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(10)
        reader.join(10)


def test_a_denied_connection_is_told_once(ns: Namespace) -> None:
    with policed(ns) as address, following(ns) as follower:
        names = {"from": f"{ns.name}/client", "to": f"{ns.name}/server"}
        send(ns, address, 9001, 1)
        assert wait_until(lambda: bool(follower.of(**names, port=9001)), 10)  # it follows by now
        for port, policies, rule in (
            (99, [f"AdminNetworkPolicy {ns.name}"], "ingress[0]"),
            (9002, [f"NetworkPolicy {ns.name}/server", f"NetworkPolicy {ns.name}/server-too"], None),
        ):
            send(ns, address, port, 1)
            assert wait_until(lambda port=port: bool(follower.of(**names, port=port)), 30)
            ((_, told),) = follower.of(**names, port=port)
            assert (told["policies"], told["rule"], told["side"], told["protocol"]) == (
                policies,
                rule,
                "ingress",
                "UDP",
            )
            assert (told["node"], told["to_address"]) == ("node1", address)
        before = connections(ns)["server ingress"]
        ns.run("client", "curl", "-s", "--max-time", "4", "--local-port", "61123", f"http://{address}:9003/")
        eventually(lambda: connections(ns)["server ingress"] >= before + 3, True)  # SYNs: it was sent again
        assert [told["protocol"] for _, told in follower.of(**names, port=9003, from_port=61123)] == ["TCP"]
        os.killpg(follower.process.pid, signal.SIGINT)
        assert follower.process.wait(10) == 0
        assert follower.process.stderr and follower.process.stderr.read() == ""


def test_the_log_is_told_for_people_and_no_longer_than_asked(ns: Namespace) -> None:
    with policed(ns) as address:
        send(ns, address, 99, 1)
        send(ns, address, 9004, 1)
        log = ("policy", "log", ns.lab.name)
        ends = f"{ns.name}/client -> {ns.name}/server"
        wanted = [
            f"{ends}:99 UDP  denied at ingress by AdminNetworkPolicy {ns.name} ingress[0]",
            f"{ends}:9004 UDP  denied at ingress: isolated by NetworkPolicy {ns.name}/server, "
            f"NetworkPolicy {ns.name}/server-too",
        ]

        def told(*options: str) -> list[str]:
            return [line.partition("  ")[2] for line in ns.lab.podwire.said(*log, *options).splitlines()]

        eventually(lambda: told("--tail", "2"), wanted)
        assert told("--tail", "1") == wanted[1:]
        assert told("--since", "1h")[-2:] == wanted
        assert told("--since", "0s") == []
