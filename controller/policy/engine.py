"""Every policy of the cluster as entries of node bridges: an object's change comes out as the entries it changes. Pure.

Whom an object concerns is worked out anew, policy by policy, as sets of addresses and ports; only where these differ
from before are there entries to change.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from controller.marks import Side
from k8sshim.errors import PodwireError
from k8sshim.objects import Key, Labels
from k8sshim.policies import DIRECTIONS, Action, Namespace, Policy, Tier
from k8sshim.selectors import Selector

from .entries import Isolation, Itself, PolicyEntry, RulePlace
from .members import Groups, Member, Place, Unit
from .places import FreePlaces, in_order, place_in
from .rules import SIDES, Clauses, Variant, clauses, entries_between, groups_of, picks_nodes

log = logging.getLogger(__name__)
Policed = Mapping[Side | None, frozenset[Place]]  # by the side they are isolated on; None: all that a policy speaks of
NOBODY: frozenset[Place] = frozenset()
MOST_SHARING = 4000  # rules a priority: a message of OpenFlow has room for 4,080 conjunctions of a flow


@dataclass(frozen=True)
class Outcome:
    """What a policy comes to."""

    rules: Mapping[Variant, tuple[RulePlace, Clauses]] = field(default_factory=dict)
    policed: Policed = field(default_factory=dict)

    @property
    def sharing(self) -> set[str]:
        """The names of what shares clauses."""
        return {place.sharing for place, _ in self.rules.values()}


@dataclass
class Delta:
    """Entries of bridges that go, and that come."""

    gone: list[PolicyEntry] = field(default_factory=list)
    come: list[PolicyEntry] = field(default_factory=list)

    def take(self, entry: PolicyEntry, comes: bool) -> None:
        (self.come if comes else self.gone).append(entry)


class Policies:
    """What every node bridge shall hold of policies."""

    def __init__(self, number_of: Callable[[str], int]) -> None:
        self._number_of = number_of
        self._groups = Groups()
        self._policies: dict[Unit, Policy] = {}
        self._nodes: dict[str, tuple[Labels, tuple[str, ...]]] = {}
        self._outcomes: dict[Unit, Outcome] = {}
        self._policed: Counter[tuple[Side | None, Place]] = Counter()  # by how many policies
        self._numbered: dict[int, RulePlace] = {}
        self._free = FreePlaces()
        self._ordered: dict[tuple[Tier, str], Mapping[Unit, int]] = {}

    def put_policy(self, unit: Unit, policy: Policy | None) -> Delta:
        """A policy is now like this, or gone."""
        before = self._policies.pop(unit, None)
        if policy is not None:
            self._policies[unit] = policy
        asked = set(groups_of(policy)) if policy else set()
        for group in asked:
            self._groups.ask(unit, group)
        for group in (set(groups_of(before)) if before else set()) - asked:
            self._groups.leave(unit, group)
        tiers = {one.tier for one in (before, policy) if one and one.tier is not Tier.NAMESPACE}
        return self._work_out({unit, *(other for tier in tiers for other in self._moved(tier))})

    def put_pod(self, key: Key, member: Member | None) -> Delta:
        """A pod is now like this, or gone."""
        return self._work_out(self._groups.put_pod(key, member))

    def put_namespace(self, name: str, namespace: Namespace | None) -> Delta:
        """A namespace is now like this, or gone."""
        return self._work_out(self._groups.put_namespace(name, namespace))

    def put_node(self, name: str, labels: Labels, addresses: tuple[str, ...]) -> Delta:
        """A node is now like this; without addresses it is gone."""
        known = self._nodes.pop(name, None)
        if addresses:
            self._nodes[name] = (labels, addresses)
        same = known == self._nodes.get(name)
        return self._work_out(unit for unit, one in self._policies.items() if not same and picks_nodes(one))

    def selected(self, unit: Unit) -> list[Key]:
        """The pods that a policy is about."""
        return sorted(self._groups[self._policies[unit].subject].members)

    def subjects(self) -> list[str]:
        """The names that flows' cookies are explained by: of rules, and of what shares their clauses."""
        places = (place for one in self._outcomes.values() for place, _ in one.rules.values())
        return list(dict.fromkeys(name for place in places for name in (place.subject, place.sharing)))

    @property
    def baseline(self) -> bool:
        """Whether there are rules about what no NetworkPolicy isolates."""
        return any(self._ordered.get((Tier.BASELINE, direction)) for direction in DIRECTIONS)

    def isolating(self, pod: Key, side: Side) -> list[Policy]:
        """The policies that isolate a pod."""
        return [
            self._policies[unit]
            for group in self._groups.having(pod)
            for unit in group.users
            if self._policies[unit].subject == group.wanted and side in self._outcomes[unit].policed
        ]

    def rule(self, number: int) -> RulePlace | None:
        """The rule that has a number."""
        return self._numbered.get(number)

    def _moved(self, tier: Tier) -> Iterator[Unit]:
        """The policies of a tier whose rules have other priorities now."""
        policies = [one for one in self._policies.values() if one.tier is tier]
        for direction in DIRECTIONS:
            before, now = self._ordered.get((tier, direction), {}), in_order(policies, direction)
            self._ordered[tier, direction] = now
            yield from (unit for unit in before.keys() & now.keys() if before[unit] != now[unit])

    def _work_out(self, units: Iterable[Unit]) -> Delta:
        delta = Delta()
        for unit in sorted(units):
            before, policy = self._outcomes.pop(unit, Outcome()), self._policies.get(unit)
            after = self._outcome(unit, policy) if policy else Outcome()
            if policy:
                self._outcomes[unit] = after
            self._compare_rules(before, after, delta)
            self._compare_policed(before.policed, after.policed, delta)
            for sharing in before.sharing - after.sharing:
                self._free.give_back(sharing)
        return delta

    def _outcome(self, unit: Unit, policy: Policy) -> Outcome:
        found = clauses(policy, self._groups, self._nodes_with)
        rules: dict[Variant, tuple[RulePlace, Clauses]] = {}
        before: Counter[str] = Counter()  # rules of the same direction
        for variant, one in found.items():
            try:
                rules[variant] = (self._place(unit, policy, variant, found, before[variant[0]]), one)
                before[variant[0]] += 1
            except PodwireError as error:  # the rest of this policy, and all others, shall be enforced nevertheless
                log.error("%s %s[%d]: a part of it is left out: %s", policy, variant[0].lower(), variant[1], error)
        pods = self._groups[policy.subject].places
        isolates = policy.tier is Tier.NAMESPACE
        sides = [SIDES[one] for one in DIRECTIONS if isolates and policy.rules(one) is not None]
        return Outcome(rules, dict.fromkeys((None, *sides), pods))

    def _place(self, unit: Unit, policy: Policy, variant: Variant, found: Iterable[Variant], before: int) -> RulePlace:
        """A rule's place, with so many of its policy and direction before it. Raises PodwireError where there is none.

        Which of a NetworkPolicy's rules allows is all the same, so they share a priority. Of an administrator's, the
        first that matches decides. One that does something else than before has another number: bridges hold both for
        a while, and what leads to the one verdict shall not meet the other.
        """
        direction, index, numbers = variant
        rules, subject = policy.rules(direction) or (), f"{policy} {direction.lower()}[{index}]"
        if policy.tier is Tier.NAMESPACE:
            part = before // MOST_SHARING
            sharing = f"{policy} {direction.lower()}{f' {part}' if part else ''}"
            priority = self._free.of(sharing)
        else:
            sharing, others = subject, sorted(one[2] for one in found if one[:2] == variant[:2])
            priority = place_in(rules, index, others.index(numbers), self._ordered[policy.tier, direction][unit])
        action = rules[index].action
        name = f"rule {subject} {numbers}" if action is Action.ALLOW else f"{action.value} rule {subject} {numbers}"
        number = self._number_of(name)
        return RulePlace(subject, sharing, policy.tier, SIDES[direction], action, number, priority)

    def _nodes_with(self, selector: Selector) -> frozenset[str]:
        nodes = self._nodes.values()
        return frozenset(address for labels, own in nodes if selector.matches(labels) for address in own)

    def _compare_rules(self, before: Outcome, after: Outcome, delta: Delta) -> None:
        for variant in dict.fromkeys((*before.rules, *after.rules)):
            old, new = before.rules.get(variant), after.rules.get(variant)
            if old and new and old[0] == new[0]:
                changes = entries_between(old[0], old[1], new[1])
                for entry, comes in changes:
                    delta.take(entry, comes)
                continue
            for entry, comes in entries_between(old[0], old[1], None) if old else ():
                delta.take(entry, comes)
            for entry, comes in entries_between(new[0], None, new[1]) if new else ():
                delta.take(entry, comes)
            if old:
                self._numbered.pop(old[0].number, None)
            if new:
                self._numbered[new[0].number] = new[0]

    def _compare_policed(self, before: Policed, after: Policed, delta: Delta) -> None:
        for side in dict.fromkeys((*before, *after)):
            old, new = before.get(side, NOBODY), after.get(side, NOBODY)
            for place in new - old if old is not new else ():
                self._policed[side, place] += 1
                if self._policed[side, place] == 1:
                    delta.take(_entry(side, place), comes=True)
            for place in old - new if old is not new else ():
                self._policed[side, place] -= 1
                if not self._policed[side, place]:
                    del self._policed[side, place]
                    delta.take(_entry(side, place), comes=False)


def _entry(side: Side | None, place: Place) -> PolicyEntry:
    dpid, pod, address = place
    return Itself(dpid, pod, address) if side is None else Isolation(dpid, pod, side, address)
