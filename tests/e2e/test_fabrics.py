"""Fabrics with real packets: every pod reaches every pod by a shortest way, whatever loops the fabric has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import networkx
import pytest
from laboratory import Laboratory, RunningLab

from lab.state import RUNNING, Lab
from lab.tracing import link_use
from lab.tracing.tracer import Switches
from lab.waiting import wait_until
from topo import spec
from topo.plan import Plan, plan

pytestmark = pytest.mark.e2e
LED_ROUND_S = 20  # for which links that seemed silent, since the machine stalled, may be avoided
PINGING = 'echo begun; exec ping -q -i 0.005 -s 1000 -w 20 "$0"'
GRID = [f"g{row}{column}" for row in range(3) for column in range(3)]
GRID_LINKS = [
    {"a": a, "b": b} for a in GRID for b in GRID if (int(b[1]) - int(a[1]), int(b[2]) - int(a[2])) in ((0, 1), (1, 0))
]
PLACES = (["g00"], ["g22", "g12"], ["g20"], ["g01", "g22"])
RACKS = [{"name": "first", "zone": "east", "switches": ["g00", "g01"]}]
FABRICS: dict[str, tuple[Any, dict[str, Any]]] = {
    "ring": (4, {"shape": "ring", "switches": 6, "border": ["s1", "s4"]}),
    "fat-tree": (4, {"shape": "fat-tree", "k": 4}),
    "graph": (
        [{"name": f"node{number}", "uplinks": place} for number, place in enumerate(PLACES, 1)],
        {"shape": "graph", "switches": GRID, "links": GRID_LINKS, "border": ["g00", "g11"], "racks": RACKS},
    ),
}


def described(shape: str) -> dict[str, Any]:
    nodes, fabric = FABRICS[shape]
    placement = "per-node" if shape == "ring" else "auto"  # links between processes, and within one
    body = {"nodes": nodes, "fabric": fabric, "bridgePlacement": placement, "dns": {"replicas": 0}}
    return {
        "apiVersion": "podwire.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": f"fabric-{shape}"},
        "spec": body,
    }


def pod(number: int) -> dict[str, Any]:
    container = {"name": "main", "image": "stand-in", "ports": [{"containerPort": 80}]}
    body = {"nodeName": f"node{number}", "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{number}"}, "spec": body}


@pytest.fixture(scope="module", params=sorted(FABRICS))
def fabric(
    laboratory: Laboratory, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunningLab, Plan]:
    """A lab of this shape with a pod on each of four nodes; down again when its tests are done."""
    raw = described(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    cluster, manifest = folder / "cluster.json", folder / "pods.json"
    cluster.write_text(json.dumps(raw))
    items = [pod(number) for number in range(1, 5)]
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    name = raw["metadata"]["name"]
    lab = laboratory.up(name, str(cluster), manifests=[manifest])
    request.addfinalizer(lambda: laboratory.down(name))
    return lab, plan(spec.parse(raw))


def hops(planned: Plan, start: str, end: str) -> int:
    """Switches on a shortest way that passes neither the border nor another node's bridge."""
    graph = networkx.Graph((link.a.switch, link.b.switch) for link in planned.links)
    ends = {*(node.bridge.name for node in planned.nodes), "border"}
    graph.remove_nodes_from(ends - {start, end})
    return int(networkx.shortest_path_length(graph, start, end)) + 1


def switches_passed(lab: RunningLab, place: str, addresses: list[str]) -> list[int]:
    """How often TTL has fallen on the way back from each address."""
    done = lab.exec(place, "sh", "-c", 'for to; do ping -c 1 -W 10 "$to"; done', "sh", *addresses)
    found = [64 - int(ttl) for ttl in re.findall(r"ttl=(\d+)", done.stdout)]
    assert len(found) == len(addresses), done.stdout
    return found


def all_pass(lab: RunningLab, place: str, addresses: list[str], switches: list[int]) -> None:
    """Packets from each address pass so many."""
    assert wait_until(lambda: switches_passed(lab, place, addresses) == switches, LED_ROUND_S), (place, switches)


def test_every_pod_reaches_every_pod(fabric: tuple[RunningLab, Plan]) -> None:
    lab, _ = fabric
    cells = lab.matrix()
    assert len(cells) == 4 * 3
    assert [cell for cell in cells if not cell["allowed"]] == []


def test_ttl_falls_by_the_switches_of_a_shortest_way(fabric: tuple[RunningLab, Plan]) -> None:
    lab, planned = fabric
    addresses = {int(one["metadata"]["name"][1:]): one["status"]["podIP"] for one in lab.pods()}
    bridges = {node.index: node.bridge.name for node in planned.nodes}
    for start, bridge in bridges.items():
        others = [end for end in bridges if end != start]
        expected = [hops(planned, bridge, bridges[end]) for end in others]
        all_pass(lab, f"p{start}", [addresses[end] for end in others], expected)


def test_the_outside_host_reaches_nodes_by_a_shortest_way(fabric: tuple[RunningLab, Plan]) -> None:
    lab, planned = fabric
    expected = [hops(planned, "border", node.bridge.name) for node in planned.nodes]
    all_pass(lab, "HOST", [str(node.addresses[0]) for node in planned.nodes], expected)


def test_racks_and_zones_are_labels(fabric: tuple[RunningLab, Plan]) -> None:
    lab, planned = fabric
    nodes = json.loads(lab.kubectl("get", "nodes", "-o", "json"))["items"]
    for node in nodes:
        labels = node["metadata"]["labels"]
        assert dict(planned.node(node["metadata"]["name"]).labels).items() <= labels.items()
        assert ("topology.kubernetes.io/zone" in labels) == (labels["podwire.dev/rack"] == "first")


def test_what_crosses_links_is_what_is_sent(fabric: tuple[RunningLab, Plan]) -> None:
    """Of a second of pings, nearly as much leaves the node that asks as comes to the one that answers, and back."""
    lab, planned = fabric
    address = next(one["status"]["podIP"] for one in lab.pods() if one["metadata"]["name"] == "p3")
    switches = Switches.of(Lab(lab.name, lab.folder, lab.pid, "", (), RUNNING))
    with lab.start("p1", "sh", "-c", PINGING, address) as pinging:
        assert pinging.stdout and pinging.stdout.readline() == "begun\n"
        found = link_use.watch(switches, planned.links, 1.0)
        pinging.terminate()
    sent = sum(there for (a, _), (there, _) in found.rates.items() if a == "b1")
    heard = sum(back for (a, _), (_, back) in found.rates.items() if a == "b3")
    answered = sum(there for (a, _), (there, _) in found.rates.items() if a == "b3")
    assert sent > 20 * 1042  # bytes of a ping with its headers
    assert heard == pytest.approx(sent, rel=0.4)
    assert answered == pytest.approx(heard, rel=0.4)
    assert found.seconds > 0.9


def test_the_lab_is_drawn(fabric: tuple[RunningLab, Plan], tmp_path: Path) -> None:
    lab, _ = fabric
    file = tmp_path / "fabric.svg"
    assert lab.podwire.said("draw", lab.name, "--out", str(file)).splitlines()[-1] == str(file)
    assert file.read_text().startswith("<?xml")
