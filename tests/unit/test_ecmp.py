"""Where there is a choice of ways, how many connections took each, and whether that is chance."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from test_results import RUN

from experiments.ecmp import figures, planning, plots
from experiments.results import Run, Sample, labels
from topo import spec
from topo.plan import plan

pytestmark = pytest.mark.unit


def choices(nodes: list[dict[str, Any]], fabric: Any) -> dict[str, set[str]]:
    raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "c"}}
    planned = plan(spec.parse({**raw, "spec": {"nodes": nodes, "fabric": fabric}}))
    found = planning.choices(planned, planned.nodes[0].bridge.name, planned.nodes[1].bridge.name)
    assert all(end.switch == switch for switch, ways in found.items() for end in ways.values())
    return {switch: set(ways) for switch, ways in found.items()}


def node(name: str, *uplinks: str) -> dict[str, Any]:
    return {"name": name, "uplinks": list(uplinks)}


def test_a_leaf_chooses_a_spine_and_the_spine_has_no_choice() -> None:
    fabric = {"shape": "leaf-spine", "leaves": 2, "spines": 3}
    assert choices([node("a", "leaf1"), node("b", "leaf2")], fabric) == {"leaf1": {"spine1", "spine2", "spine3"}}


def test_a_fat_tree_chooses_twice_and_each_switch_on_the_way_is_named() -> None:
    found = choices([node("a", "edge1"), node("b", "edge8")], {"shape": "fat-tree", "k": 4})
    assert found == {"edge1": {"agg1", "agg2"}, "agg1": {"core1", "core2"}, "agg2": {"core3", "core4"}}


def test_a_node_with_two_uplinks_chooses_itself() -> None:
    fabric = {"shape": "leaf-spine", "leaves": 3, "spines": 1}
    assert choices([node("a", "leaf1", "leaf2"), node("b", "leaf3")], fabric) == {"b1": {"leaf1", "leaf2"}}


def test_one_way_is_no_choice() -> None:
    assert choices([node("a", "s1"), node("b", "s2")], {"shape": "linear", "switches": 2}) == {}


def test_bytes_become_connections() -> None:
    assert planning.shares({"x": 300, "y": 100}, 8) == {"x": 6.0, "y": 2.0}
    assert planning.shares({"x": 0, "y": 0}, 8) == {"x": 0.0, "y": 0.0}


def test_repetitions_have_source_ports_of_their_own() -> None:
    ports = [planning.source_ports(100, repetition, 0) for repetition in range(3)]
    assert len({port for some in ports for port in some}) == 300
    assert all(planning.FIRST_PORT <= port <= planning.LAST_PORT for some in ports for port in some)


def run_of(weights: list[float], flows: int) -> Run:
    chance = random.Random(1)
    samples = []
    for repetition in range(5):
        taken = chance.choices(("x", "y"), weights, k=flows)
        of = labels(path="pod-to-pod", locality="cross-node", protocol="TCP", connections=flows, switch="leaf1")
        samples += [Sample("flows", "connections", taken.count(way), repetition, of + labels(way=way)) for way in "xy"]
    return replace(RUN, samples=tuple(samples), readings=())


def test_equal_shares_are_told_from_unequal_ones() -> None:
    (even,), (uneven,) = figures.choices(run_of([1, 1], 400)), figures.choices(run_of([3, 2], 400))
    assert figures.verdict(even.test) == "as near to equal as chance comes"
    assert figures.verdict(uneven.test) == "further from equal than chance explains"
    (few,) = figures.choices(run_of([1, 1], 4))
    assert figures.verdict(few.test) == "too few connections to tell"


def test_the_story_names_switch_ways_and_verdict() -> None:
    told = figures.story(run_of([1, 1], 400)).headline[0]
    assert told.startswith("leaf1 spreads 400 connections over 2 ways")
    assert [drawn.name for drawn, _ in plots.plots(run_of([1, 1], 400))] == ["ways"]
