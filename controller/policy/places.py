"""Priorities of rules among the flows: rules of two policies never share one. Pure.

Which of the NetworkPolicies allows is all the same, so each takes any free priority: one that its name decides, most
likely the same in every process, so that what switches hold stays right. An administrator's rules are asked in
their order, so their priorities follow from it: each policy priority has room for so many rules, and those that need
more push the next ones down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from controller.marks import RULE_PRIORITIES, digest
from k8sshim.errors import PodwireError
from k8sshim.objects import Key
from k8sshim.policies import Policy, Rule

from .ports import has_names

_FIRST, _END = RULE_PRIORITIES
_VARIANTS = 16  # of a rule with named ports: so many sets of numbers that the names may stand for
_ROOM = 58  # rules for each of the priorities 0 to 1000 that a policy may have
Unit = tuple[str, Key]  # kind and key of a policy


class FreePlaces:
    """Priorities for those whose order does not matter."""

    def __init__(self) -> None:
        self._place_of: dict[str, int] = {}
        self._taken: set[int] = set()

    def of(self, name: str) -> int:
        """The priority of this name. Raises PodwireError where there are more names than priorities."""
        if name not in self._place_of:
            if len(self._taken) >= _END - _FIRST:
                raise PodwireError(f"no more than {_END - _FIRST} priorities for NetworkPolicies: {name} has none")
            place = digest(name, 32) % (_END - _FIRST)
            while place in self._taken:
                place = (place + 1) % (_END - _FIRST)
            self._place_of[name] = place
            self._taken.add(place)
        return _FIRST + self._place_of[name]

    def give_back(self, name: str) -> None:
        """What has this name is no more."""
        place = self._place_of.pop(name, None)
        self._taken.discard(-1 if place is None else place)


def in_order(policies: Iterable[Policy], direction: str) -> Mapping[Unit, int]:
    """The priority of each policy's first rule; the rules after it count down from there.

    The lowest policy priority comes first. Of those with the same, which the API leaves undefined, the first by name.
    Where there are more rules than priorities the last rules have none: `place_in` says so.
    """
    ordered = sorted(policies, key=lambda one: (one.priority, one.kind, one.key))
    counts = {(one.kind, one.key): sum(map(_count, one.rules(direction) or ())) for one in ordered}
    places = _spread(ordered, counts, _ROOM)
    fit = all(first - counts[unit] >= _FIRST - 1 for unit, first in places.items())
    return places if fit else _spread(ordered, counts, 0)


def place_in(rules: Sequence[Rule], index: int, variant: int, first: int) -> int:
    """The priority of one of a policy's rules, or of a variant of it, when its first rule has `first`.

    Raises PodwireError where there are more rules, or variants of one, than priorities.
    """
    if variant >= _VARIANTS:
        raise PodwireError(f"a port name stands for more than {_VARIANTS} sets of numbers in one rule")
    place = first - sum(map(_count, rules[:index])) - variant
    if place < _FIRST:
        raise PodwireError(f"no more than {_END - _FIRST} rules of the administrator's policies in one direction")
    return place


def _count(rule: Rule) -> int:
    return _VARIANTS if has_names(rule.ports) else 1


def _spread(ordered: Iterable[Policy], counts: Mapping[Unit, int], room: int) -> Mapping[Unit, int]:
    places: dict[Unit, int] = {}
    following = _END - 1
    for policy in ordered:
        unit = (policy.kind, policy.key)
        places[unit] = min(following, _END - 1 - policy.priority * room)
        following = places[unit] - counts[unit]
    return places
