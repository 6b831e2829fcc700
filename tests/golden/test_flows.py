"""The flows that one object means, as readable text with the stages' names, one file a case."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))  # the model of a cluster is shared with the unit tests

from network_model import cluster_of, endpoint, endpoint_slice, node, pod, service

from controller.desired import EVERY_NODE, Desired, View
from controller.diff import Change
from k8sshim.cluster import Cluster
from k8sshim.objects import Key, Node

pytestmark = pytest.mark.golden
FLOWS = Path(__file__).parent / "flows"
BASE: list[View] = [cluster_of(2), node(1), node(2)]
HTTP, DNS = ("http", "TCP", 80), ("dns", "UDP", 53)

CASES: dict[str, tuple[list[View], list[View]]] = {
    "cluster-single": ([], [cluster_of(2)]),
    "cluster-leaf-spine": ([], [cluster_of(2, leaves=2)]),
    "node-single": ([cluster_of(2)], [node(1)]),
    "node-leaf-spine": ([cluster_of(2, leaves=2)], [node(1)]),
    "pod": (BASE, [pod("a", 1, 2)]),
    "service-without-endpoints": (BASE, [service("web", "10.96.0.10", HTTP)]),
    "service-two-ports-two-endpoints": (
        [*BASE, service("web", "10.96.0.10", HTTP, DNS)],
        [endpoint_slice("web", [endpoint("10.244.1.2"), endpoint("10.244.2.2")], ("http", "TCP", 8080), DNS)],
    ),
    "endpoint-becomes-unready": (
        [
            *BASE,
            service("web", "10.96.0.10", HTTP),
            endpoint_slice("web", [endpoint("10.244.1.2"), endpoint("10.244.2.2")], HTTP),
        ],
        [endpoint_slice("web", [endpoint("10.244.1.2"), endpoint("10.244.2.2", ready=False)], HTTP)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_flows(case: str, golden: Callable[[Path, str], None]) -> None:
    before, after = CASES[case]
    desired, held, found = Desired(), {}, {}
    for view in before:
        for place, change in put(desired, view).items():
            held.setdefault(place, Change()).add(change)
    for view in after:
        for place, change in put(desired, view).items():
            found.setdefault(place, Change()).add(change)
    golden(
        FLOWS / f"{case}.txt",
        "\n".join(shown(place, found[place], held.get(place, Change())) for place in sorted(found)),
    )


def put(desired: Desired, view: View) -> dict[int, Change]:
    key = Key("", view.name) if isinstance(view, Cluster | Node) else view.key
    return desired.put(type(view).__name__, key, view)


def shown(place: int, change: Change, held: Change) -> str:
    """What is added and, by what was there before, deleted on one switch."""
    lines = [f"+ {group.text}" if group else f"- {held.groups[number].text}" for number, group in change.groups.items()]  # type: ignore[union-attr]
    flows = [("+", flow) if flow else ("-", held.flows[number]) for number, flow in change.flows.items()]
    for sign, flow in sorted(flows, key=lambda one: (one[1].table.number, -one[1].priority, one[1].text, one[0])):
        lines.append(f"{sign} {flow.text}")
    name = "every node bridge" if place == EVERY_NODE else f"switch {place:#x}"
    return "\n".join([f"{name}:", *lines, ""])
