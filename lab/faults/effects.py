"""What the faults that stand come to, in the lab's own parts. Pure.

Faults may overlap: a link that was cut by hand and hangs on a dead switch is to be up again when both are undone. So
what is done is the difference between two sets of effects, whatever faults they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from topo.fabric import FabricLink, LinkEnd
from topo.plan import Plan, PlannedNode

from .kinds import Fault


@dataclass(frozen=True, order=True)
class Unplugged:
    """An interface is down: what is at its other end has no carrier."""

    interface: str
    namespace: str | None  # None: the sandbox's first one


@dataclass(frozen=True, order=True)
class Unpatched:
    """The patch port at one end of a link within an Open vSwitch is away; the other end has an effect of its own."""

    group: str
    bridge: str
    interface: str
    peer: str
    number: int


@dataclass(frozen=True, order=True)
class Mute:
    """A port sends nothing, and tells nobody."""

    group: str
    bridge: str
    interface: str


@dataclass(frozen=True, order=True)
class Shaped:
    """An interface loses and delays what it sends."""

    group: str
    interface: str
    namespace: str | None
    percent: float
    delay_ms: float


@dataclass(frozen=True, order=True)
class Dark:
    """A bridge has no controller and no flows."""

    group: str
    bridge: str


@dataclass(frozen=True, order=True)
class NodeDead:
    """The agent leaves a node alone: its pods have no processes, and nothing is reported of it."""

    node: str


@dataclass(frozen=True, order=True)
class Stopped:
    """A component does not run."""

    component: str


@dataclass(frozen=True, order=True)
class Apart:
    """A node bridge drops what comes by its uplinks from these addresses."""

    group: str
    bridge: str
    uplinks: tuple[int, ...]
    sources: tuple[str, ...]


Effect = Unplugged | Unpatched | Mute | Shaped | Dark | NodeDead | Stopped | Apart


def effects(plan: Plan, standing: Iterable[Fault]) -> frozenset[Effect]:
    """What these faults, their targets canonical, come to together."""
    found = {effect for fault in standing for one in fault.each for effect in _OF[fault.kind](plan, one)}
    return frozenset(_merged(found))


def link_name(plan: Plan, link: FabricLink) -> str:
    """A link by the names of its ends: nodes' for node bridges."""
    return ":".join(_names(plan).get(end.switch, end.switch) for end in (link.a, link.b))


def links_named(plan: Plan) -> dict[str, FabricLink]:
    """Every link by its name, canonical way round."""
    return {link_name(plan, link): link for link in plan.links}


def _names(plan: Plan) -> dict[str, str]:
    return {node.bridge.name: node.name for node in plan.nodes}


def _merged(found: set[Effect]) -> Iterator[Effect]:
    """Loss and delay of one interface are one setting: the greatest of each."""
    shaped = sorted((one for one in found if isinstance(one, Shaped)), key=lambda one: one.interface)
    for (group, interface, namespace), several in groupby(shaped, key=lambda o: (o.group, o.interface, o.namespace)):
        together = list(several)
        yield Shaped(group, interface, namespace, max(o.percent for o in together), max(o.delay_ms for o in together))
    yield from (one for one in found if not isinstance(one, Shaped))


def _link_down(plan: Plan, fault: Fault) -> Iterator[Effect]:
    yield from _cut(plan, links_named(plan)[fault.targets[0]])


def _cut(plan: Plan, link: FabricLink) -> Iterator[Effect]:
    for end, other in ((link.a, link.b), (link.b, link.a)):
        group = plan.group_of[end.switch]
        if plan.is_patch(link):
            yield Unpatched(group.name, end.switch, end.interface, other.interface, end.port)
        else:
            yield Unplugged(end.interface, group.namespace)


def _link_silent(plan: Plan, fault: Fault) -> Iterator[Effect]:
    for end in _ends(plan, fault):
        yield Mute(plan.group_of[end.switch].name, end.switch, end.interface)


def _link_shaped(plan: Plan, fault: Fault) -> Iterator[Effect]:
    for end in _ends(plan, fault):
        group = plan.group_of[end.switch]
        yield Shaped(group.name, end.interface, group.namespace, fault.percent, fault.delay_ms)


def _ends(plan: Plan, fault: Fault) -> tuple[LinkEnd, LinkEnd]:
    link = links_named(plan)[fault.targets[0]]
    return link.a, link.b


def _switch_kill(plan: Plan, fault: Fault) -> Iterator[Effect]:
    yield from _power_cut(plan, fault.targets[0])


def _power_cut(plan: Plan, switch: str) -> Iterator[Effect]:
    """Its links, what hangs on it, and its flows."""
    group = plan.group_of[switch]
    for link in plan.links:
        if switch in (link.a.switch, link.b.switch):
            yield from _cut(plan, link)
    for one in plan.attached:
        if one.port.bridge == switch:
            yield Unplugged(one.port.interface, group.namespace)
    yield Dark(group.name, switch)


def _node_kill(plan: Plan, fault: Fault) -> Iterator[Effect]:
    yield from _power_cut(plan, plan.node(fault.targets[0]).bridge.name)
    yield NodeDead(fault.targets[0])


def _component_stop(_plan: Plan, fault: Fault) -> Iterator[Effect]:
    yield Stopped(fault.targets[0])


def _partition(plan: Plan, fault: Fault) -> Iterator[Effect]:
    groups = [[plan.node(name) for name in target.split(",")] for target in fault.targets]
    for group in groups:
        others = tuple(
            address for other in groups if other is not group for node in other for address in _sources(node)
        )
        for node in group:
            bridge = node.bridge.name
            ports = tuple(end.port for link in plan.links for end in (link.a, link.b) if end.switch == bridge)
            yield Apart(plan.group_of[bridge].name, bridge, ports, others)


def _sources(node: PlannedNode) -> tuple[str, ...]:
    return (*map(str, node.pod_cidrs), *map(str, node.addresses))


_OF: dict[str, Any] = {
    "link-down": _link_down,
    "link-silent": _link_silent,
    "link-loss": _link_shaped,
    "link-delay": _link_shaped,
    "switch-kill": _switch_kill,
    "node-kill": _node_kill,
    "component-stop": _component_stop,
    "partition": _partition,
}


def to_raw(effect: Effect) -> dict[str, Any]:
    """An effect as JSON."""
    return {"effect": type(effect).__name__} | asdict(effect)


def changes(before: frozenset[Effect], after: frozenset[Effect]) -> tuple[list[Effect], list[Effect]]:
    """What is to be lifted and what to be applied, in order; a port that is put back forgets that it was mute."""
    lifted, applied = before - after, after - before
    back = {one.interface for one in lifted if isinstance(one, Unpatched)}
    applied |= {one for one in after if isinstance(one, Mute) and one.interface in back}
    return sorted(lifted, key=_order), sorted(applied, key=_order)


def _order(effect: Effect) -> tuple[int, str]:
    return (_FIRST.index(type(effect)), repr(effect))


# What others see comes first.
_FIRST: tuple[type, ...] = (Unplugged, Unpatched, Mute, Shaped, Apart, Dark, NodeDead, Stopped)
