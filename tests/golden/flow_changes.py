"""Changes of flows as readable text: what is added and deleted on each switch, by the stages' names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.desired import Desired, View
from controller.diff import Change
from controller.flows import Flow
from controller.services import EVERY_NODE
from controller.tables import NODE_TABLES
from k8sshim.cluster import Cluster
from k8sshim.objects import Key, Node
from k8sshim.policies import Namespace, Policy

Changes = Mapping[int, Change]  # by switch


def put(desired: Desired, view: View) -> dict[int, Change]:
    key = Key("", view.name) if isinstance(view, Cluster | Node | Namespace) else view.key
    kind = view.kind if isinstance(view, Policy) else type(view).__name__
    return desired.put(kind, key, view)


def changes_of(desired: Desired, views: Iterable[View]) -> dict[int, Change]:
    """What objects change, one after the other, as one change for each switch."""
    found: dict[int, Change] = {}
    for view in views:
        for place, change in put(desired, view).items():
            found.setdefault(place, Change()).add(change)
    return found


def text_of(found: Changes, held: Changes) -> str:
    """Every switch that changes, after what it has been sent before."""
    return "\n".join(shown(place, found[place], held.get(place, Change())) for place in sorted(found))


def changed_flows(change: Change, held: Change) -> list[tuple[str, Flow]]:
    """The flows that come and those, known by what was there before, that go; by stage, the strongest first."""
    flows = [("+", flow) if flow else ("-", held.flows.get(number)) for number, flow in change.flows.items()]
    known = [(sign, flow) for sign, flow in flows if flow]
    return sorted(known, key=lambda one: (one[1].table.number, -one[1].priority, one[1].text, one[0]))


def shown(place: int, change: Change, held: Change) -> str:
    """What is added and, by what was there before, deleted on one switch."""
    lines = [f"+ {group.text}" if group else f"- {held.groups[number].text}" for number, group in change.groups.items()]  # type: ignore[union-attr]
    learned = [
        table for (table, cookie), flow in change.flows.items() if not flow and (table, cookie) not in held.flows
    ]
    lines += [f"- whatever was learned in table {next(one for one in NODE_TABLES if one.number == n)}" for n in learned]
    lines += [f"{sign} {flow.text}" for sign, flow in changed_flows(change, held)]
    name = "every node bridge" if place == EVERY_NODE else f"switch {place:#x}"
    return "\n".join([f"{name}:", *lines, ""])
