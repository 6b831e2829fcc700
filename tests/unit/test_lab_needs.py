"""What a cluster needs of the kernel, by the field that asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from lab.needs import OF_MODE, Need, needs
from topo import spec
from topo.network_spec import MODES

pytestmark = pytest.mark.unit


def needed(**body: Any) -> list[Need]:
    raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "lab"}, "spec": body}
    return list(needs(spec.parse(raw)))


def test_a_cluster_whose_links_say_nothing_needs_nothing() -> None:
    assert needed() == needed(links={"mtu": 1400, "lossPercent": 0, "delayMs": 0}) == []


def test_the_first_field_is_named() -> None:
    nodes = [{"name": "one", "uplinks": [{"switch": "s1", "delayMs": 1, "bandwidthMbit": 5}]}]
    assert needed(nodes=nodes) == [
        Need("HTB", "nodes[0].uplinks[0].bandwidthMbit"),
        Need("netem", "nodes[0].uplinks[0].delayMs"),
    ]
    assert needed(links={"queuePackets": 10}) == [Need("netem", "links.queuePackets")]


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "flat"])
def test_every_overlay_needs_its_devices(mode: str) -> None:
    assert needed(network={"mode": mode}) == [Need(OF_MODE[mode], "network.mode")]
