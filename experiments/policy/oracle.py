"""What policies allow, from the text of the API documentation alone: the oracle that the engine is judged by.

Objects in, `(from, to, port, protocol)` to a verdict out. It shares no code with the engine, which never imports it.
Sources: https://kubernetes.io/docs/concepts/services-networking/network-policies/, the documentation of the
`networking.k8s.io/v1` types, and that of kubernetes-sigs/network-policy-api. What these leave open is decided as
docs/policies.md says. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from experiments.policy.oracle_admin import ADMIN, BASELINE, OrderedRule, ordered, tier_of
from experiments.policy.oracle_rules import Asked, Rule, name_of, network_policy_rules
from experiments.policy.oracle_verdict import (
    Address,
    Match,
    Miss,
    NodePlace,
    Place,
    PodPlace,
    PolicyName,
    Reason,
    Side,
    Verdict,
)
from experiments.policy.oracle_world import End, Raw, World

__all__ = [
    "Address",
    "Match",
    "Miss",
    "NodePlace",
    "Oracle",
    "Place",
    "PodPlace",
    "PolicyName",
    "Reason",
    "Side",
    "Verdict",
]
DIRECTIONS = ("ingress", "egress")


class Oracle:
    """Verdicts over one set of objects (pods, namespaces, nodes, policies of all kinds), which must not change."""

    def __init__(self, objects: Iterable[Raw]) -> None:
        everything = list(objects)
        self._world = World(everything)
        self._isolating: dict[str, dict[PodPlace, list[tuple[PolicyName, tuple[Rule, ...]]]]] = {}
        self._tiers: dict[tuple[str, str], dict[PodPlace, list[Rule]]] = {}
        namespaced = sorted((raw for raw in everything if raw["kind"] == "NetworkPolicy"), key=name_of)
        administrators = [raw for raw in everything if tier_of(raw)]
        for direction in DIRECTIONS:
            self._isolating[direction] = self._isolation(namespaced, direction)
            for tier in (ADMIN, BASELINE):
                rules = ordered(self._world, administrators, tier, direction)
                self._tiers[tier, direction] = _by_subject(rules)

    def _isolation(
        self, policies: Iterable[Raw], direction: str
    ) -> dict[PodPlace, list[tuple[PolicyName, tuple[Rule, ...]]]]:
        """For each pod the policies that isolate it: those that select it and are about that direction."""
        found: dict[PodPlace, list[tuple[PolicyName, tuple[Rule, ...]]]] = {}
        for raw in policies:
            if not _is_about(raw, direction):
                continue
            name, rules = name_of(raw), network_policy_rules(self._world, raw, direction)
            selector = (raw.get("spec") or {}).get("podSelector") or {}
            for place in self._world.pods(selector, namespace=name.namespace):
                found.setdefault(place, []).append((name, rules))
        return found

    def verdict(self, source: Place, target: Place, port: int, protocol: str = "TCP") -> Verdict:
        """Whether a new connection passes, and why. For ICMP the port is 0. An address as the target is one after any
        Service's translation, and as the source the one that the target sees. Raises LookupError for an unknown pod or
        node, or a pod that has finished."""
        one, other = self._world.source(source), self._world.target(target)
        exempt = _exemption(one, other)
        if exempt is not None:
            return Verdict(Side(True, exempt), Side(True, exempt))
        return Verdict(
            egress=self._side("egress", Asked(one, other, other, port, protocol)),
            ingress=self._side("ingress", Asked(other, one, other, port, protocol)),
        )

    def misses(self, direction: str, source: Place, target: Place, port: int, protocol: str) -> tuple[Miss, ...]:
        """For a side that is ISOLATED: which half of each rule of the NetworkPolicies there does not match."""
        one, other = self._world.source(source), self._world.target(target)
        here, there = (one, other) if direction == "egress" else (other, one)
        isolating = self._isolating[direction].get(here.pod) or () if here.pod else ()
        asked = Asked(here, there, other, port, protocol)
        return tuple(rule.miss(asked) for _, rules in isolating for rule in rules)

    def _side(self, direction: str, asked: Asked) -> Side:
        """The administrator's rules first; then NetworkPolicies, which decide for pods that they isolate; else the
        administrator's baseline; and where nobody says anything, it is allowed."""
        if asked.here.pod is None:
            return Side(True, Reason.NO_POD)
        passed = None
        first = self._first(ADMIN, direction, asked)
        if first is not None:
            if first.action != "Pass":
                return Side(first.action == "Allow", Reason.RULE, (first,))
            passed = first
        isolating = self._isolating[direction].get(asked.here.pod)
        if isolating:
            names = tuple(name for name, _ in isolating)
            found = (rule.match(asked) for _, rules in isolating for rule in rules)
            matches = tuple(match for match in found if match is not None)
            return Side(bool(matches), Reason.RULE if matches else Reason.ISOLATED, matches, names, passed)
        last = self._first(BASELINE, direction, asked)
        if last is not None:  # one that passes has nothing left to pass it on to
            return Side(last.action != "Deny", Reason.RULE, (last,), (), passed)
        return Side(True, Reason.NOT_ISOLATED, (), (), passed)

    def _first(self, tier: str, direction: str, asked: Asked) -> Match | None:
        """The administrator's rule that decides in a tier: the first that matches."""
        rules = self._tiers[tier, direction].get(asked.here.pod) or () if asked.here.pod else ()
        return next((match for match in (rule.match(asked) for rule in rules) if match is not None), None)


def _exemption(source: End, target: End) -> Reason | None:
    """A pod cannot block itself, nor traffic to and from the node that it runs on."""
    if source.pod is not None and source.pod == target.pod:
        return Reason.ITSELF
    if source.node and source.node == target.node and (source.pod is None) != (target.pod is None):
        return Reason.OWN_NODE
    return None


def _is_about(policy: Raw, direction: str) -> bool:
    """By its policyTypes; without any, every policy is about ingress, and those with egress rules about egress."""
    spec = policy.get("spec") or {}
    types = spec.get("policyTypes")
    if types:
        return direction.capitalize() in types
    return direction == "ingress" or bool(spec.get("egress"))


def _by_subject(rules: Iterable[OrderedRule]) -> dict[PodPlace, list[Rule]]:
    found: dict[PodPlace, list[Rule]] = {}
    for each in rules:
        for place in each.subject:
            found.setdefault(place, []).append(each.rule)
    return found
