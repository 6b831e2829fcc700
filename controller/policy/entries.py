"""What policies mean on one node bridge, a flow or two each: the pods that are isolated, and rules clause by clause.

A rule is three clauses, of which each packet must meet all: the pods that it is applied to, their peers, the ports. A
clause has an entry for each of its alternatives, so a rule costs their sum and never their product. The rules of a
NetworkPolicy for one direction share an OpenFlow priority, and with it the flows of what they have in common, the pods
above all. Policies share none: a change of one touches no flow of another. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.marks import Side
from k8sshim.policies import Action, Tier

EVERYWHERE = ("0.0.0.0/1", "128.0.0.0/1")  # in halves: a match of its own beside that of every port


@dataclass(frozen=True)
class RulePlace:
    """A rule's place among the flows: stage, priority, number. `number` is the `conj_id` that its clauses lead to."""

    subject: str  # `Kind namespace/name ingress[0]`, which its verdict's cookie is explained by
    sharing: str  # the same of its clauses: of all rules that share their flows
    tier: Tier
    side: Side
    action: Action
    number: int
    priority: int


@dataclass(frozen=True)
class PortMatch:
    """Ports of a protocol: those that agree with `value` in the bits of `mask`; all where the mask is 0."""

    protocol: str  # "" for every protocol
    value: int = 0
    mask: int = 0


EVERY_PORT = PortMatch("")


@dataclass(frozen=True)
class RulePod:
    """First clause: a pod of this bridge that a rule is applied to."""

    dpid: int
    rule: RulePlace
    address: str


@dataclass(frozen=True)
class RulePeer:
    """Second clause: a range of addresses that the other end may be in."""

    dpid: int
    rule: RulePlace
    network: str


@dataclass(frozen=True)
class RulePort:
    """Third clause: ports that may be connected to."""

    dpid: int
    rule: RulePlace
    ports: PortMatch


@dataclass(frozen=True)
class RuleVerdict:
    """What becomes of a packet that meets all three."""

    dpid: int
    rule: RulePlace


@dataclass(frozen=True)
class Isolation:
    """A pod of this bridge that sends, or gets, only what a rule allows."""

    dpid: int
    pod: str  # `Pod namespace/name`
    side: Side
    address: str


@dataclass(frozen=True)
class Itself:
    """A pod that policies speak of: it may always reach itself."""

    dpid: int
    pod: str  # `Pod namespace/name`
    address: str


PolicyEntry = RulePod | RulePeer | RulePort | RuleVerdict | Isolation | Itself


def subject_of(entry: PolicyEntry) -> str:
    """The object that an entry's flows are there for."""
    if isinstance(entry, Isolation | Itself):
        return entry.pod
    return entry.rule.subject if isinstance(entry, RuleVerdict) else entry.rule.sharing
