"""The flows that one object means, as readable text with the stages' names, one file a case."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))  # the model of a cluster is shared with the unit tests

from flow_changes import changes_of, text_of
from network_model import bordered, cluster_of, endpoint, endpoint_slice, node, pod, service

from controller.desired import Desired, View

pytestmark = pytest.mark.golden
FLOWS = Path(__file__).parent / "flows"
BASE: list[View] = [cluster_of(2), node(1), node(2)]
HTTP, DNS = ("http", "TCP", 80), ("dns", "UDP", 53)

CASES: dict[str, tuple[list[View], list[View]]] = {
    "cluster-single": ([], [cluster_of(2)]),
    "cluster-leaf-spine": ([], [cluster_of(2, leaves=2)]),
    "node-single": ([cluster_of(2)], [node(1)]),
    "node-leaf-spine": ([cluster_of(2, leaves=2)], [node(1)]),
    "border": ([], [bordered(cluster_of(1))]),
    "node-with-an-outside": ([bordered(cluster_of(1))], [node(1)]),
    "pod": (BASE, [pod("a", 1, 2)]),
    "service-without-endpoints": (BASE, [service("web", "10.96.0.10", HTTP)]),
    "service-two-ports-two-endpoints": (
        [*BASE, service("web", "10.96.0.10", HTTP, DNS)],
        [endpoint_slice("web", [endpoint("10.244.1.2"), endpoint("10.244.2.2")], ("http", "TCP", 8080), DNS)],
    ),
    **{
        f"service-{name}": (
            [*BASE, replace(service("web", "10.96.0.10", HTTP), **fields)],
            [endpoint_slice("web", [endpoint(f"10.244.{i}.2") for i in (1, 2, 3)], HTTP)],
        )
        for name, fields in {
            "weighted": {"balancing": "weighted"},
            "source": {"balancing": "source"},
            "round-robin": {"balancing": "round-robin"},
            "affinity": {"affinity_s": 600},
        }.items()
    },
    "affinity-ends": (
        [
            *BASE,
            replace(service("web", "10.96.0.10", HTTP), affinity_s=600),
            endpoint_slice("web", [endpoint("10.244.1.2"), endpoint("10.244.2.2")], HTTP),
        ],
        [service("web", "10.96.0.10", HTTP)],
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
    desired = Desired()
    held = changes_of(desired, before)
    golden(FLOWS / f"{case}.txt", text_of(changes_of(desired, after), held))
