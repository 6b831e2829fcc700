"""Tunnels between nodes, and links that delay and lose: without a controller, over switches that learn and flood.

What this machine's kernel does not have is skipped here; in the micro-VM nothing is.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.doctor import try_out
from lab.features import FEATURES
from lab.needs import OF_MODE
from topo import mininet_backend, spec
from topo.mininet_backend import Topology
from topo.network_spec import OVERHEAD
from topo.plan import plan

pytestmark = pytest.mark.netns
KERNEL = {feature.name: feature for feature in FEATURES}
ROUTED = ("geneve", "gre", "ipip", "wireguard")
HEADERS = 28  # bytes of IPv4's and of an echo's
DELAY_MS, CROSSINGS = 20, 4  # there and back over two links
Build = Callable[..., Topology]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Builds two nodes whose switches learn and flood; they are taken away at the end."""
    built: list[Topology] = []

    def make(feature: str, **body: Any) -> Topology:
        if not try_out(KERNEL[feature]).found:
            pytest.skip(f"this kernel has no {feature}")
        raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "lab"}}
        planned = plan(spec.parse(raw | {"spec": {"nodes": 2, **body}}))
        topology = mininet_backend.build(planned, tmp_path / "run", tmp_path / "log")
        built.append(topology)
        for switch in planned.switches:
            socket = topology.groups[planned.switches[switch].group].directory / f"{switch}.mgmt"
            flood = ["ovs-ofctl", "-OOpenFlow15", "add-flow", f"unix:{socket}", "actions=normal"]
            subprocess.run(flood, check=True)
        return topology

    yield make
    for topology in built:
        topology.stop()


def ping(namespace: str, *options: str) -> str:
    argv = ["nsenter", f"--net=/run/netns/{namespace}", "ping", *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("mode", ROUTED)
def test_hops_reach_each_other_by_tunnels_that_carry_what_headers_leave(build: Build, mode: str) -> None:
    build(OF_MODE[mode], network={"mode": mode})
    carried = 1500 - OVERHEAD[mode]
    whole = ["-c", "3", "-W", "10", "-M", "do", "-I", "10.244.0.1", "10.244.1.1"]
    assert " 0% packet loss" in ping("hop-node1", *whole, "-s", str(carried - HEADERS))
    assert "message too long" in ping("hop-node1", *whole, "-s", str(carried - HEADERS + 1)).lower()


def test_links_delay_and_lose(build: Build) -> None:
    build("netem", links={"delayMs": DELAY_MS, "lossPercent": 10})
    said = ping("node-node1", "-c", "60", "-i", "0.1", "172.30.0.3")
    lost, least = re.search(r"([\d.]+)% packet loss", said), re.search(r"rtt min/avg/max/mdev = ([\d.]+)", said)
    assert lost and 0 < float(lost[1]) < 100, said
    assert least and float(least[1]) >= DELAY_MS * CROSSINGS, said
