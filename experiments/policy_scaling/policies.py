"""The policies of the experiment, as values that each system is given in its own form. Pure.

Every policy is about ingress alone and has one rule. The first of many are those that the readings need: one a server,
which lets the client in. The others are about the same servers in turn, and let the servers and an address of their own
in at a port of their own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.scaling.services import STREAM_PORT, TARGET_PORT
from k8sshim.objects import Raw

Label = tuple[str, str]
POD_NAME = "statefulset.kubernetes.io/pod-name"  # as the StatefulSet controller labels its pods
CLIENT, STRANGER, GUARDED, NEWCOMER = ("app", "client"), ("app", "stranger"), ("app", "guarded"), ("app", "newcomer")
FIRST_PORT = 10_000
_BLOCKS = int(ipaddress.ip_address("10.128.0.1"))  # every other address: neighbours could be told as one range
_PORTS = (TARGET_PORT, STREAM_PORT)


@dataclass(frozen=True)
class Workload:
    """A pod, as the experiment's policies see it."""

    name: str
    address: str
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class PlannedPolicy:
    """One policy: whom it is about, and its rule. Without peers it has no rule, and nobody may."""

    name: str
    subject: Label
    groups: tuple[Label, ...] = ()  # pods that may
    blocks: tuple[str, ...] = ()  # addresses that may, in CIDR notation
    ports: tuple[int, ...] = ()  # TCP

    @property
    def peers(self) -> int:
        return len(self.groups) + len(self.blocks)


DENY = PlannedPolicy("deny", GUARDED)
ALLOW = PlannedPolicy("allow", GUARDED, (STRANGER,), ports=(TARGET_PORT,))
LET_IN = PlannedPolicy("newcomer", NEWCOMER, (CLIENT,), ports=(TARGET_PORT,))  # what holds of a pod that is to come


def many(size: int, servers: Sequence[str], label: str) -> list[PlannedPolicy]:
    """So many policies; servers by name, and the label `app` that they share."""
    made = []
    for number in range(size):
        subject = (POD_NAME, servers[number % len(servers)])
        if number < len(servers):
            made.append(PlannedPolicy(f"policy-{number}", subject, (CLIENT,), ports=_PORTS))
        else:
            port = FIRST_PORT + number % 20_000
            made.append(PlannedPolicy(f"policy-{number}", subject, (("app", label),), (_block(number),), (port,)))
    return made


def wide(peers: int, label: str) -> list[PlannedPolicy]:
    """One policy about all servers, which lets the client in and so many less one addresses."""
    blocks = tuple(map(_block, range(peers - 1)))
    return [PlannedPolicy("wide", ("app", label), (CLIENT,), blocks, _PORTS)]


def policy_object(one: PlannedPolicy, namespace: str) -> Raw:
    """As a NetworkPolicy."""
    peers: list[Raw] = [{"podSelector": {"matchLabels": dict([group])}} for group in one.groups]
    peers += [{"ipBlock": {"cidr": block}} for block in one.blocks]
    ports = [{"protocol": "TCP", "port": port} for port in one.ports]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": one.name, "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": dict([one.subject])},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": peers, "ports": ports}] if peers else [],
        },
    }


def _block(number: int) -> str:
    return f"{ipaddress.ip_address(_BLOCKS + 2 * number)}/32"
