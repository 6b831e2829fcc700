"""The difference between what a switch shall hold and what it holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .flows import Flow, FlowId, Group


@dataclass
class Change:
    """What to send to a switch. Later changes to the same flow or group replace earlier ones."""

    flows: dict[FlowId, Flow | None] = field(default_factory=dict)  # None: delete
    groups: dict[int, Group | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.flows or self.groups)

    def add(self, later: Change) -> None:
        """Take in a change that comes after this one."""
        self.flows.update(later.flows)
        self.groups.update(later.groups)


@dataclass(frozen=True)
class Rules:
    """The flows and groups of one object on one switch (or on every node bridge), or all that a switch shall hold."""

    flows: Mapping[FlowId, Flow]
    groups: Mapping[int, Group]

    @classmethod
    def of(cls, entries: Iterable[Flow | Group]) -> Rules:
        flows: dict[FlowId, Flow] = {}
        groups: dict[int, Group] = {}
        for entry in entries:
            if isinstance(entry, Flow):
                flows[entry.id] = entry
            else:
                groups[entry.number] = entry
        return cls(flows, groups)


NOTHING = Rules({}, {})


@dataclass(frozen=True)
class Held:
    """What a switch said it holds: its flows by table and cookie, its groups by number with their content's digest."""

    flows: frozenset[FlowId]
    groups: Mapping[int, int]


def between(before: Rules, after: Rules) -> Change:
    """From one state to another."""
    groups = {number: group.content for number, group in before.groups.items()}
    return missing(Held(frozenset(before.flows), groups), after)


def missing(held: Held, wanted: Rules) -> Change:
    """From what a switch holds to what it shall hold; what is the same on both sides is not touched."""
    change = Change()
    change.flows.update(dict.fromkeys(held.flows - wanted.flows.keys()))
    change.flows.update({number: flow for number, flow in wanted.flows.items() if number not in held.flows})
    change.groups.update(dict.fromkeys(held.groups.keys() - wanted.groups.keys()))
    change.groups.update(
        {number: group for number, group in wanted.groups.items() if held.groups.get(number) != group.content}
    )
    return change
