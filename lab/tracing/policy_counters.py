"""What each policy has allowed, denied and passed on, from the counters of its flows on every node bridge. Pure.

Verdicts tell new connections from known ones: a packet of a new connection counts as a connection, so that a client
which is denied counts as often as it tries. Counters begin anew when their flow does: with the policy's rule, the
pod's place, or the switch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from controller.flows import Flow
from controller.marks import Feature, Side
from k8sshim.objects import Raw
from k8sshim.policies import DIRECTIONS, Policy, Tier

from .counters import counted
from .judging import SIDES
from .network import Network

FEATURES = (Feature.POLICY_ALLOW, Feature.POLICY_DENY, Feature.POLICY_PASS, Feature.ISOLATION)
SIDE_OF = {direction: Side[direction.upper()] for direction in DIRECTIONS}
_ORDER = {Tier.ADMIN: 0, Tier.NAMESPACE: 1, Tier.BASELINE: 2}


@dataclass(frozen=True)
class Count:
    """What flows have counted."""

    connections: int = 0  # packets of new connections
    packets: int = 0  # these among them

    def __add__(self, other: Count) -> Count:
        return Count(self.connections + other.connections, self.packets + other.packets)


@dataclass(frozen=True)
class RuleUse:
    """A rule of a policy, and what met it."""

    place: str  # `ingress[0]`
    name: str  # as the policy's author calls it
    action: str  # Allow, Deny, Pass
    matches: bool  # False where there is nothing now that could meet it: no pod, no peer, no such port
    count: Count

    @property
    def raw(self) -> Raw:
        one = {"rule": self.place, "name": self.name or None, "action": self.action, "matches": self.matches}
        return {**one, **vars(self.count)}


@dataclass(frozen=True)
class PolicyUse:
    """A policy, whom it selects, and what became of what met it."""

    policy: Policy
    pods: tuple[str, ...]
    rules: tuple[RuleUse, ...]
    isolated: tuple[tuple[str, Count], ...]  # by direction: what no rule of any policy allowed to the pods it isolates

    @property
    def priority(self) -> int | None:
        """None where a policy has none: a NetworkPolicy, and the one BaselineAdminNetworkPolicy, which is the last."""
        ordered = self.policy.kind in ("AdminNetworkPolicy", "ClusterNetworkPolicy")
        return self.policy.priority if ordered else None

    @property
    def raw(self) -> Raw:
        one = self.policy
        return {
            "kind": one.kind,
            "namespace": one.key.namespace or None,
            "name": one.key.name,
            "tier": one.tier.value,
            "priority": self.priority,
            "pods": list(self.pods),
            "rules": [rule.raw for rule in self.rules],
            "isolates": {direction: vars(count) for direction, count in self.isolated},
        }


class PolicyCounts:
    """The counters of all node bridges, added up."""

    def __init__(self) -> None:
        self._connections: Counter[tuple[str, Side]] = Counter()  # by what the flow is there for
        self._packets: Counter[tuple[str, Side]] = Counter()

    def add(self, network: Network, switch: str, dump: str) -> None:
        """Take in what `ovs-ofctl dump-flows` prints of one switch."""
        for cookie, table, packets, _ in counted(dump):
            rule = network.rule(switch, table, cookie)
            if rule and rule.flow and rule.flow.table in SIDES and _is_verdict(rule.flow):
                place = (rule.subject, SIDES[rule.flow.table])
                self._packets[place] += packets
                self._connections[place] += packets if _is_new(rule.flow) else 0

    def of(self, subject: str, side: Side) -> Count:
        """What the flows have counted that are there for a rule, or to isolate a pod."""
        return Count(self._connections[subject, side], self._packets[subject, side])


def _is_verdict(flow: Flow) -> bool:
    """Clauses of rules lead to a verdict, and count nothing."""
    return flow.owner.feature is Feature.ISOLATION or "conj_id" in dict(flow.match)


def _is_new(flow: Flow) -> bool:
    return "+new" in str(dict(flow.match).get("ct_state", ""))


def uses(network: Network, counts: PolicyCounts) -> list[PolicyUse]:
    """Every policy in the order in which they are asked; those that are asked together by name."""
    matching = set(network.desired.policies.subjects())
    ordered = sorted(network.policies.values(), key=lambda one: (_ORDER[one.tier], one.priority, one.kind, one.key))
    return [_use(network, policy, counts, matching) for policy in ordered]


def _use(network: Network, policy: Policy, counts: PolicyCounts, matching: set[str]) -> PolicyUse:
    pods = tuple(map(str, network.desired.policies.selected((policy.kind, policy.key))))
    isolated = [
        (direction.lower(), sum((counts.of(f"Pod {pod}", SIDE_OF[direction]) for pod in pods), Count()))
        for direction in DIRECTIONS
        if policy.tier is Tier.NAMESPACE and policy.rules(direction) is not None
    ]
    return PolicyUse(policy, pods, tuple(_rules(policy, counts, matching)), tuple(isolated))


def _rules(policy: Policy, counts: PolicyCounts, matching: set[str]) -> Iterator[RuleUse]:
    for direction in DIRECTIONS:
        for number, rule in enumerate(policy.rules(direction) or ()):
            place = f"{direction.lower()}[{number}]"
            subject = f"{policy} {place}"
            count = counts.of(subject, SIDE_OF[direction])
            yield RuleUse(place, rule.name, rule.action.value, subject in matching, count)
