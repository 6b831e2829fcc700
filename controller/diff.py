"""The difference between what a switch shall hold and what it holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .actions import Learn
from .flows import Flow, FlowId, Group
from .stale import Stale


@dataclass
class Change:
    """What to send to a switch. Later changes to the same flow or group replace earlier ones.

    A flow that goes is held by the switch, and one that comes is not: what would go and comes again is left alone.
    """

    flows: dict[FlowId, Flow | None] = field(default_factory=dict)  # None: delete
    groups: dict[int, Group | None] = field(default_factory=dict)
    stale: dict[Stale | None, None] = field(default_factory=dict)  # UDP connections to forget then; None: all
    gone: dict[FlowId, Flow] = field(default_factory=dict)  # those of the flows that go which are known

    def __bool__(self) -> bool:
        return bool(self.flows or self.groups or self.stale)

    def put(self, number: FlowId, flow: Flow | None, was: Flow | None = None) -> None:
        """A flow comes, or goes (None) that was this one, after all this."""
        if flow is None and was is not None:
            self.gone[number] = was
        else:
            self.gone.pop(number, None)
        if number in self.flows and (self.flows[number] is None) is not (flow is None):
            del self.flows[number]
        else:
            self.flows[number] = flow

    def add(self, later: Change) -> None:
        """Take in a change that comes after this one."""
        for number, flow in later.flows.items():
            self.put(number, flow, later.gone.get(number))
        self.groups.update(later.groups)
        self.stale.update(later.stale)

    def without(self, part: Change) -> Change:
        """What of its flows is not in a part of it."""
        flows = {number: flow for number, flow in self.flows.items() if number not in part.flows}
        return Change(flows, gone=self.gone)

    def displace(self, waiting: Change) -> None:
        """Take along what waits to go from where something comes: a switch has one flow of a match and priority."""
        leaving = {was.place: number for number, was in waiting.gone.items() if waiting.flows.get(number, was) is None}
        come = [flow.place for flow in self.flows.values() if flow] if leaving else []
        for number in {leaving[place] for place in come if place in leaving} - self.flows.keys():
            del waiting.flows[number]
            self.put(number, None, waiting.gone[number])


@dataclass(frozen=True)
class Rules:
    """The flows and groups of one object on one switch (or on every node bridge), or all that a switch shall hold."""

    flows: Mapping[FlowId, Flow]
    groups: Mapping[int, Group]
    learned: frozenset[FlowId] = frozenset()  # what these flows may have a switch write by itself

    @classmethod
    def of(cls, entries: Iterable[Flow | Group]) -> Rules:
        flows: dict[FlowId, Flow] = {}
        groups: dict[int, Group] = {}
        for entry in entries:
            if isinstance(entry, Flow):
                flows[entry.id] = entry
            else:
                groups[entry.number] = entry
        learns = [one for flow in flows.values() for one in flow.actions if isinstance(one, Learn)]
        return cls(flows, groups, frozenset((learn.table.number, learn.cookie) for learn in learns))


NOTHING = Rules({}, {})


@dataclass(frozen=True)
class Held:
    """What a switch said it holds: its flows by table and cookie, its groups by number with their content's digest."""

    flows: frozenset[FlowId]
    groups: Mapping[int, int]


def between(before: Rules, after: Rules) -> Change:
    """From one state to another."""
    groups = {number: group.content for number, group in before.groups.items()}
    return missing(Held(frozenset(before.flows) | before.learned, groups), after)


def missing(held: Held, wanted: Rules) -> Change:
    """From what a switch holds to what it shall hold; what is the same on both sides is not touched."""
    change = Change()
    change.flows.update(dict.fromkeys(held.flows - wanted.flows.keys() - wanted.learned))
    change.flows.update({number: flow for number, flow in wanted.flows.items() if number not in held.flows})
    change.groups.update(dict.fromkeys(held.groups.keys() - wanted.groups.keys()))
    change.groups.update(
        {number: group for number, group in wanted.groups.items() if held.groups.get(number) != group.content}
    )
    return change
