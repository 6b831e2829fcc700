"""What is asked of the oracle and what it answers: places, and verdicts with their reasons. Pure, and all its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, order=True)
class PodPlace:
    """A pod, by its name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, order=True)
class NodePlace:
    """A node: what runs in its own network, the kubelet and hostNetwork pods among it."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, order=True)
class Address:
    """An address as the other end sees it, whoever is behind it."""

    text: str

    def __str__(self) -> str:
        return self.text


Place = PodPlace | NodePlace | Address


class Reason(str, Enum):
    """Why one side of a connection lets it pass or not."""

    ITSELF = "itself"  # a pod always reaches itself
    OWN_NODE = "own node"  # a pod and the node that it is on always reach each other
    NO_POD = "no pod"  # no policy is about what is here: a node, a hostNetwork pod, the outside
    NOT_ISOLATED = "not isolated"  # no policy of any tier speaks of it
    RULE = "rule"  # a rule allows or denies it
    ISOLATED = "isolated"  # NetworkPolicies isolate the pod, and none of their rules allows it


@dataclass(frozen=True, order=True)
class PolicyName:
    """Which policy."""

    kind: str
    namespace: str  # "" for those of the whole cluster
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Match:
    """A rule that matched, by which of its peers and ports."""

    policy: PolicyName
    direction: str  # "ingress" or "egress", as the spec calls its lists
    action: str  # Allow, Deny or Pass
    rule: int  # counted from 0
    peer: int | None  # None: the rule names no peers, which means all
    port: int | None  # None: the rule names no ports, which means all
    peer_field: str = ""  # within the rule: `from[1].namespaceSelector`
    port_field: str = ""  # within the rule: `ports[0]`


@dataclass(frozen=True)
class Miss:
    """A rule that did not match, and which half of it would have."""

    policy: PolicyName
    direction: str
    rule: int
    peer: bool  # whether its peers mean the other end
    port: bool  # whether its ports mean the port and protocol


@dataclass(frozen=True)
class Side:
    """What the policies of one end say: egress at the source, ingress at the target."""

    allowed: bool
    why: Reason
    matches: tuple[Match, ...] = ()  # of RULE: an administrator's, or all NetworkPolicy rules that allow
    isolated_by: tuple[PolicyName, ...] = ()  # the NetworkPolicies that isolate the pod, where they were asked
    passed_by: Match | None = None  # the administrator's rule that passed the question on to them


@dataclass(frozen=True)
class Verdict:
    """Both sides must allow."""

    egress: Side
    ingress: Side

    @property
    def allowed(self) -> bool:
        return self.egress.allowed and self.ingress.allowed
