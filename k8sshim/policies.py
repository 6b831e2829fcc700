"""What podwire reads of policies: frozen views, one shape for NetworkPolicies and those of a cluster's administrator.

A policy has a subject (the pods it is about) and rules in each direction that it speaks of. NetworkPolicies isolate
their subject and allow; an administrator's come before them (tier `ADMIN`) or after (tier `BASELINE`), with rules in
order, each of which allows, denies, or passes on to what comes after the tier: the NetworkPolicies, or the end, where
all is allowed. `admin_policies` reads theirs. Sources: the API documentation of `networking.k8s.io/v1` NetworkPolicy,
and of `policy.networking.k8s.io` at kubernetes-sigs/network-policy-api. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from k8sshim.objects import Key, Labels, Raw, labels_of
from k8sshim.selectors import EVERYTHING, Selector

INGRESS, EGRESS = "Ingress", "Egress"
DIRECTIONS = (INGRESS, EGRESS)
NAME_LABEL = "kubernetes.io/metadata.name"  # of namespaces: their name


class Tier(str, Enum):
    """Which policies are asked first."""

    ADMIN = "Admin"
    NAMESPACE = "NetworkPolicy"
    BASELINE = "Baseline"


class Action(str, Enum):
    """What a rule does with what it matches."""

    ALLOW = "Allow"
    DENY = "Deny"
    PASS = "Pass"  # noqa: S105


@dataclass(frozen=True)
class Namespace:
    """A namespace as policies see it."""

    name: str
    labels: Labels  # `kubernetes.io/metadata.name` among them, as the API server sets it

    @classmethod
    def parse(cls, raw: Raw) -> Namespace:
        name = Key.of(raw).name
        return cls(name, labels_of({**(raw["metadata"].get("labels") or {}), NAME_LABEL: name}))


@dataclass(frozen=True)
class PodGroup:
    """Pods by their labels, in one namespace or in those that a selector picks."""

    namespace: str  # "" where `namespaces` picks
    namespaces: Selector | None
    pods: Selector


@dataclass(frozen=True)
class Block:
    """A range of addresses without some ranges in it, each as its network address (no host bits) and prefix length."""

    cidr: str
    excepted: tuple[str, ...] = ()

    @classmethod
    def of(cls, cidr: str, excepted: Iterable[str] = ()) -> Block:
        """From what the API holds, which may have host bits: `10.1.2.3/8` means 10.0.0.0/8."""
        return cls(_network(cidr), tuple(map(_network, excepted)))


@dataclass(frozen=True)
class Peer:
    """One of the other ends that a rule speaks of: exactly one of these is set."""

    pods: PodGroup | None = None
    block: Block | None = None
    nodes: Selector | None = None  # by nodes' labels


@dataclass(frozen=True)
class PolicyPort:
    """A port, or several, of the pod that is connected to."""

    protocol: str  # TCP, UDP, SCTP; "" for any (a named port of the administrator's policies)
    port: int | str | None = None  # None: every port; a text: the port of that name of each destination pod
    last: int = 0  # of a range; 0: one port


@dataclass(frozen=True)
class Rule:
    """Peers and ports; None stands for all there are."""

    action: Action
    peers: tuple[Peer, ...] | None
    ports: tuple[PolicyPort, ...] | None
    name: str = ""  # as the policy's author called it


@dataclass(frozen=True)
class Policy:
    """One policy of any kind. A direction that it does not speak of is None."""

    kind: str
    key: Key
    created: str  # RFC 3339
    tier: Tier
    priority: int  # of tier ADMIN and BASELINE: the lowest is asked first
    subject: PodGroup
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None

    def rules(self, direction: str) -> tuple[Rule, ...] | None:
        """The rules of a direction (INGRESS or EGRESS)."""
        return self.ingress if direction == INGRESS else self.egress

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


def network_policy(raw: Raw) -> Policy:
    """A `networking.k8s.io/v1` NetworkPolicy. Raises BadInput for a selector that validation would have refused."""
    key, spec = Key.of(raw), raw.get("spec") or {}
    types = spec.get("policyTypes") or [INGRESS, *([EGRESS] if spec.get("egress") else [])]
    rules = {
        INGRESS: tuple(_rule(rule, "from", key.namespace) for rule in spec.get("ingress") or ()),
        EGRESS: tuple(_rule(rule, "to", key.namespace) for rule in spec.get("egress") or ()),
    }
    return Policy(
        kind="NetworkPolicy",
        key=key,
        created=raw["metadata"].get("creationTimestamp") or "",
        tier=Tier.NAMESPACE,
        priority=0,
        subject=PodGroup(key.namespace, None, Selector.from_raw(spec.get("podSelector") or {})),
        ingress=rules[INGRESS] if INGRESS in types else None,
        egress=rules[EGRESS] if EGRESS in types else None,
    )


def _rule(raw: Raw, peers: str, namespace: str) -> Rule:
    """No peers, or no ports, named: all of them (an empty list is the same as none, says the API documentation)."""
    named = tuple(_peer(peer, namespace) for peer in raw.get(peers) or ())
    ports = tuple(map(_port, raw.get("ports") or ()))
    return Rule(Action.ALLOW, named or None, ports or None)


def _peer(raw: Raw, namespace: str) -> Peer:
    """Without a namespaceSelector pods of the policy's own namespace; with one alone, all pods of those namespaces."""
    block = raw.get("ipBlock")
    if block is not None:
        return Peer(block=Block.of(block["cidr"], block.get("except") or ()))
    pods, namespaces = raw.get("podSelector"), raw.get("namespaceSelector")
    picked = EVERYTHING if pods is None else Selector.from_raw(pods)
    if namespaces is None:
        return Peer(pods=PodGroup(namespace, None, picked))
    return Peer(pods=PodGroup("", Selector.from_raw(namespaces), picked))


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


def _port(entry: Raw | None) -> PolicyPort:
    raw = entry or {}
    return PolicyPort(raw.get("protocol") or "TCP", raw.get("port"), int(raw.get("endPort") or 0))
