"""Pictures of fabrics: what is in them, that nothing lies on anything else, and what is read of links."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from experiments.drawing import picture
from experiments.drawing.layout import places
from experiments.drawing.scene import Line, Scene, Shade, scene_of
from lab.tracing import link_use, port_states
from lab.tracing.link_use import Reading
from topo import spec
from topo.link_spec import LinkSpec
from topo.plan import Plan, plan

pytestmark = pytest.mark.unit
GRAPH = {
    "shape": "graph",
    "switches": ["oslo", "bonn", "rome"],
    "links": [{"a": "oslo", "b": "bonn"}, {"a": "bonn", "b": "rome"}, {"a": "rome", "b": "oslo"}],
}
PLACES = [{"name": f"n{i}", "uplinks": place} for i, place in enumerate((["oslo"], ["bonn", "rome"], ["rome"]))]
SHAPES: list[tuple[Any, Any]] = [
    (1, "single"),
    (48, "single"),
    (6, "linear"),
    (3, "ring"),
    (48, {"shape": "ring", "switches": 6, "uplinks": 2}),
    (30, {"shape": "ring", "switches": 30}),
    (12, {"shape": "tree", "depth": 3, "fanout": 3}),
    (14, {"shape": "leaf-spine", "leaves": 3, "spines": 5}),
    (16, "fat-tree"),
    (300, {"shape": "fat-tree", "k": 6}),
    ([{"name": "low"}, {"name": "high", "uplinks": ["spine1"]}], "leaf-spine"),
    (PLACES, GRAPH),
    (PLACES, GRAPH | {"border": ["oslo", "bonn", "rome"]}),
]


def planned(nodes: Any, fabric: Any) -> Plan:
    body = {"nodes": nodes, "fabric": fabric}
    raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "lab"}, "spec": body}
    return plan(spec.parse(raw))


@pytest.mark.parametrize(("nodes", "fabric"), SHAPES, ids=lambda value: str(value)[:50])
def test_everything_has_a_place_of_its_own(nodes: Any, fabric: Any) -> None:
    scene = scene_of(planned(nodes, fabric))
    at = places(scene)
    assert at == places(scene)
    assert at.keys() == {*scene.switches, *(box.name for box in scene.boxes), "border", "outside", "control-plane"}
    for (one, (x, y)), (other, (to_x, to_y)) in combinations(at.items(), 2):
        assert abs(x - to_x) > 0.9 or abs(y - to_y) > 0.44, f"{one} lies on {other}"


def test_each_node_is_a_box_with_its_pods() -> None:
    scene = scene_of(planned(2, "single"), {"node1": 1, "node2": 20})
    assert [box.lines for box in scene.boxes] == [("node1", "1 pod"), ("node2", "20 pods")]
    assert scene.title == "lab: single · 2 nodes · 21 pods"
    assert {(line.a, line.b) for line in scene.lines} == {("node1", "s1"), ("node2", "s1"), ("border", "s1")}


def test_many_nodes_are_a_box_for_each_place() -> None:
    lab = planned(60, {"shape": "leaf-spine", "leaves": 2, "spines": 1})
    use = {(link.a.switch, link.b.switch): (10.0, 1.0) for link in lab.links}
    scene = scene_of(lab, {"node1": 3, "node60": 4}, use, 1.0)
    assert [(box.lines, box.uplinks) for box in scene.boxes] == [
        (("30 nodes", "3 pods"), ("leaf1",)),
        (("30 nodes", "4 pods"), ("leaf2",)),
    ]
    assert Line("nodes at leaf1", "leaf1", (300.0, 30.0)) in scene.lines


def test_racks_and_zones_are_shaded() -> None:
    racks = [{"name": "r1", "zone": "east", "switches": ["leaf1"]}]
    nodes = [{"name": "a"}, {"name": "b", "labels": {"topology.kubernetes.io/zone": "west"}}]
    scene = scene_of(planned(nodes, {"shape": "leaf-spine", "leaves": 2, "racks": racks}))
    assert scene.shades == (Shade("r1", "east", ("leaf1", "a")), Shade("", "west", ("b",)))


def used() -> Scene:
    lab = planned(2, "leaf-spine")
    return scene_of(lab, {}, {("b1", "leaf1"): (125_000.0, 999.0)}, 1.0)


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_picture_is_the_same_each_time(suffix: str, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}{suffix}" for number in (1, 2)]
    for file in files:
        picture.save(used(), file)
    assert files[0].read_bytes() == files[1].read_bytes()
    if suffix == ".svg":
        assert ElementTree.parse(files[0]).getroot().tag.endswith("svg")


def test_what_is_written_in_a_picture() -> None:
    words = [text.get_text() for text in picture.draw(used()).axes[0].texts]
    switches = ["leaf1", "leaf2", "spine1", "spine2", "border"]
    hosts = ["HOST", "control", "plane", "node1", "node2"]
    assert sorted(words) == sorted([*switches, *hosts, "0 pods", "0 pods", "1 Mbit/s"])


def test_what_a_link_is_like_stands_at_it() -> None:
    likes = LinkSpec(bandwidth_mbit=10, delay_ms=2.5, jitter_ms=0.5, loss_percent=0.1)
    lab = planned(1, "single")
    scene = scene_of(replace(lab, links=(replace(lab.links[0], like=likes), *lab.links[1:])))
    words = [text.get_text() for text in picture.draw(scene).axes[0].texts]
    assert "10 Mbit/s\n2.5 ms\n±0.5 ms\n0.1 % lost" in words


@pytest.mark.parametrize(
    ("sent", "said"), [(125.0, "1 kbit/s"), (1.25e6, "10 Mbit/s"), (1.234e9, "9.87 Gbit/s"), (10.0, "80 bit/s")]
)
def test_rates_are_said_in_bits(sent: float, said: str) -> None:
    assert picture.rate(sent) == said


PORTS = """\
at 100.250000000
switch b1
OFPST_PORT reply (OF1.4) (xid=0x2): 3 ports
  port LOCAL: rx pkts=0, bytes=0, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=0, bytes=77, drop=0, errs=0, coll=0
           duration=5.7s
  port  2: rx pkts=9, bytes=900, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=4, bytes=5000, drop=?, errs=?, coll=?
           duration=5.7s
switch s1
OFPST_PORT reply (OF1.4) (xid=0x2): 1 ports
  port  1: rx pkts=4, bytes=5000, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=9, bytes=900, drop=?, errs=?, coll=?
           duration=5.7s
"""


def test_readings_of_ports() -> None:
    assert link_use.parse(PORTS) == {("b1", 2): Reading(5000, 100.25), ("s1", 1): Reading(900, 100.25)}


def test_use_of_links_between_two_readings() -> None:
    links = planned(1, "single").links
    later = link_use.parse(PORTS.replace("at 100", "at 102").replace("bytes=5000", "bytes=9000"))
    found = link_use.use(links, link_use.parse(PORTS), later)
    assert found.rates == {("b1", "s1"): (2000.0, 0.0), ("border", "s1"): (0.0, 0.0)}
    assert found.seconds == 2.0


def test_a_link_that_is_down_is_drawn_as_one_and_said_to_be() -> None:
    lab = planned(3, {"shape": "leaf-spine", "leaves": 2})
    scene = scene_of(lab, {}, {("leaf1", "spine1"): (9e6, 9e6)}, 1.0, down={("leaf1", "spine1")})
    assert [(line.a, line.b) for line in scene.lines if line.down] == [("leaf1", "spine1")]
    canvas = picture.draw(scene)
    dotted = [line for line in canvas.axes[0].lines if line.get_linestyle() == ":"]
    assert (len(dotted), [text.get_text() for text in canvas.axes[0].texts].count("down")) == (1, 1)


def test_a_link_is_down_whose_end_is_dead_or_gone() -> None:
    lab = planned(2, {"shape": "leaf-spine", "leaves": 2})
    ports: dict[str, dict[int, bool]] = {}
    for link in lab.links:
        for end in (link.a, link.b):
            ports.setdefault(end.switch, {})[end.port] = True
    assert port_states.down(lab.links, ports) == set()
    first, second, *_ = [link for link in lab.links if link.b.switch.startswith("spine")]
    ports[first.b.switch][first.b.port] = False
    del ports[second.a.switch][second.a.port]
    assert port_states.down(lab.links, ports) == {(one.a.switch, one.b.switch) for one in (first, second)}


@pytest.mark.parametrize(("number", "drawn"), [(1, False), (30, True)])
def test_the_links_of_many_nodes_are_down_where_all_of_them_are(number: int, drawn: bool) -> None:
    lab = planned(60, {"shape": "leaf-spine", "leaves": 2, "spines": 1})
    at_leaf1 = [(link.a.switch, link.b.switch) for link in lab.links if link.b.switch == "leaf1"][:number]
    lines = {(line.a, line.b): line.down for line in scene_of(lab, {}, {}, 1.0, down=at_leaf1).lines}
    assert lines["nodes at leaf1", "leaf1"] is drawn
