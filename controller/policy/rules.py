"""What one policy comes to: the pods that it isolates, and its rules with pods, peers and ports by address. Pure.

A port that is told by name is another number on another pod. So a rule with names becomes several, one for each set of
numbers that its destinations understand: the pods that it is applied to at ingress, their peers at egress.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from controller.marks import Side
from k8sshim.objects import Key
from k8sshim.policies import EGRESS, INGRESS, Peer, PodGroup, Policy, Rule
from k8sshim.selectors import EVERYTHING, Selector

from .entries import EVERYWHERE, PolicyEntry, PortMatch, RulePeer, RulePlace, RulePod, RulePort, RuleVerdict
from .members import Group, Groups, Member, Pods, addresses_of, at_bridges
from .networks import lies_in, of_block
from .ports import has_names, numbered, resolved

SIDES = {INGRESS: Side.INGRESS, EGRESS: Side.EGRESS}
NONE: frozenset[Any] = frozenset()
ALL_PODS = PodGroup("", EVERYTHING, EVERYTHING)
NodesOf = Callable[[Selector], frozenset[str]]  # addresses of the nodes with such labels
Variant = tuple[str, int, str]  # direction, place in the policy, and the numbers that its names stand for


@dataclass(frozen=True)
class Clauses:
    """The three clauses of a rule."""

    pods: Pods
    peers: frozenset[str]
    ports: frozenset[PortMatch]


def groups_of(policy: Policy) -> Iterator[PodGroup]:
    """Every group of pods that a policy speaks of."""
    yield policy.subject
    for rule in (*(policy.ingress or ()), *(policy.egress or ())):
        yield from (peer.pods for peer in rule.peers or () if peer.pods)
    if any(has_names(rule.ports) and _means_addresses(rule) for rule in policy.egress or ()):
        yield ALL_PODS


def picks_nodes(policy: Policy) -> bool:
    """Whether nodes' labels matter to a policy."""
    rules = (*(policy.ingress or ()), *(policy.egress or ()))
    return any(peer.nodes is not None for rule in rules for peer in rule.peers or ())


def clauses(policy: Policy, groups: Groups, nodes: NodesOf) -> dict[Variant, Clauses]:
    """The rules of a policy that can match anything at all."""
    found: dict[Variant, Clauses] = {}
    subject = groups[policy.subject]
    for direction in SIDES:
        for place, rule in enumerate(policy.rules(direction) or ()):
            variants = _ingress if direction == INGRESS else _egress
            for numbers, one in variants(rule, subject, groups, nodes):
                if one.pods and one.peers and one.ports:
                    found[(direction, place, numbers)] = one
    return found


def _ingress(rule: Rule, subject: Group, groups: Groups, nodes: NodesOf) -> Iterator[tuple[str, Clauses]]:
    peers = _peers(rule.peers, groups, nodes)
    if not has_names(rule.ports):
        yield "", Clauses(subject.at_bridges, peers, numbered(rule.ports))
        return
    for ports, destinations in _by_ports(rule, subject.members.values()):
        yield _name(ports), Clauses(at_bridges(destinations), peers, ports)


def _egress(rule: Rule, subject: Group, groups: Groups, nodes: NodesOf) -> Iterator[tuple[str, Clauses]]:
    pods, fixed = subject.at_bridges, numbered(rule.ports)
    yield "", Clauses(pods, _peers(rule.peers, groups, nodes), fixed)
    if not has_names(rule.ports):
        return
    for ports, some in _by_ports(rule, _destinations(rule, groups).values()):
        named = ports - fixed
        yield _name(named), Clauses(pods, addresses_of(some), named)


def _means_addresses(rule: Rule) -> bool:
    """Whether pods are among a rule's peers that no selector of it picks."""
    return rule.peers is None or any(peer.block for peer in rule.peers)


def _destinations(rule: Rule, groups: Groups) -> dict[Key, Member]:
    """The pods among a rule's peers, with those addresses that are."""
    if rule.peers is None:
        return groups[ALL_PODS].members
    found: dict[Key, Member] = {}
    for block in (peer.block for peer in rule.peers if peer.block):
        for key, member in groups[ALL_PODS].members.items():
            if inside := tuple(address for address in member.addresses if lies_in(address, block)):
                found[key] = replace(member, addresses=inside)
    for group in (peer.pods for peer in rule.peers if peer.pods):
        found |= groups[group].members
    return found


def _by_ports(rule: Rule, destinations: Iterable[Member]) -> Iterator[tuple[frozenset[PortMatch], list[Member]]]:
    """Destinations by what a rule's ports are to them."""
    fixed = numbered(rule.ports)
    found: dict[frozenset[PortMatch], list[Member]] = defaultdict(list)
    for one in destinations:
        found[fixed | resolved(rule.ports, one.ports)].append(one)
    yield from found.items()


def _name(ports: frozenset[PortMatch]) -> str:
    """What tells the variants of a rule with named ports apart."""
    return ",".join(sorted(f"{one.protocol}:{one.value:#x}/{one.mask:#x}" for one in ports))


def _peers(peers: tuple[Peer, ...] | None, groups: Groups, nodes: NodesOf) -> frozenset[str]:
    if peers is None:
        return frozenset(EVERYWHERE)
    parts = [_of_peer(peer, groups, nodes) for peer in peers]
    return parts[0] if len(parts) == 1 else frozenset().union(*parts)


def _of_peer(peer: Peer, groups: Groups, nodes: NodesOf) -> frozenset[str]:
    if peer.block:
        return of_block(peer.block)
    if peer.nodes is not None:
        return nodes(peer.nodes)
    return groups[peer.pods].addresses if peer.pods else frozenset()


def entries_between(
    place: RulePlace, before: Clauses | None, after: Clauses | None
) -> Iterator[tuple[PolicyEntry, bool]]:
    """What a change of a rule takes away (False) and brings (True), on each bridge that has pods of it."""
    old, new = before.pods if before else {}, after.pods if after else {}
    for dpid in old.keys() | new.keys():
        here, there = (before if dpid in old else None), (after if dpid in new else None)
        yield from _between(dpid, place, here, there)


def _between(
    dpid: int, place: RulePlace, before: Clauses | None, after: Clauses | None
) -> Iterator[tuple[PolicyEntry, bool]]:
    sets: tuple[tuple[Callable[[int, RulePlace, Any], PolicyEntry], frozenset[Any], frozenset[Any]], ...] = (
        (RulePod, before.pods[dpid] if before else NONE, after.pods[dpid] if after else NONE),
        (RulePeer, before.peers if before else NONE, after.peers if after else NONE),
        (RulePort, before.ports if before else NONE, after.ports if after else NONE),
    )
    for entry, old, new in sets:
        for value in old - new if old is not new else ():
            yield entry(dpid, place, value), False
        for value in new - old if old is not new else ():
            yield entry(dpid, place, value), True
    if (before is None) != (after is None):
        yield RuleVerdict(dpid, place), after is not None
