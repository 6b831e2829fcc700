"""Where packets may go in several ways, and how long a run takes. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import networkx

from experiments.ecmp import parameters
from experiments.planning import Expected
from experiments.scenario import Scenario
from topo.fabric import LinkEnd
from topo.plan import Plan

FIRST_PORT, LAST_PORT = 1024, 29_999  # sources: below node ports, and below what kernels choose
_READING_S, _CALLS_PER_S = 1.6, 800.0


def choices(plan: Plan, source: str, target: str) -> dict[str, dict[str, LinkEnd]]:
    """The switches on shortest ways from one node bridge to another that have several next ones, each with its port.

    Worked out from the plan's links alone, not by the controller's code, whose choices these are.
    """
    fabric = {switch.name for switch in plan.fabric[:-1]}  # the border, which is the last, passes nothing on
    graph = networkx.Graph()
    for link in plan.links:
        if {link.a.switch, link.b.switch} <= fabric | {source, target}:
            graph.add_edge(link.a.switch, link.b.switch)
    left = networkx.single_source_shortest_path_length(graph, target)
    found: dict[str, dict[str, LinkEnd]] = {}
    reached = {source}
    for here in sorted(graph, key=lambda name: -left.get(name, 0)):
        onward = [there for there in graph[here] if left[there] == left[here] - 1]
        if here in reached:
            reached.update(onward)
            if len(onward) > 1:
                found[here] = {there: _port(plan, here, there) for there in sorted(onward)}
    return found


def _port(plan: Plan, here: str, there: str) -> LinkEnd:
    for link in plan.links:
        for end, other in ((link.a, link.b), (link.b, link.a)):
            if (end.switch, other.switch) == (here, there):
                return end
    raise KeyError((here, there))


def source_ports(flows: int, repetition: int, before: int) -> list[int]:
    """The source ports of a reading: others in each, as long as there are any."""
    room = LAST_PORT + 1 - FIRST_PORT
    return [FIRST_PORT + (repetition * 7919 + before + number) % room for number in range(flows)]


def shares(sent: Mapping[str, int], flows: int) -> dict[str, float]:
    """How many of the connections took each way, by the bytes that went there: all send the same."""
    total = sum(sent.values())
    return {way: flows * count / total if total else 0.0 for way, count in sent.items()}


def reading_s(flows: int) -> float:
    """How long a reading takes."""
    return _READING_S + flows / _CALLS_PER_S


def expected(scenario: Scenario) -> Expected:
    """How long the run takes."""
    given, repetitions = parameters.of(scenario.parameters), scenario.pace.repetitions
    once = sum(map(reading_s, given.flows))
    return Expected(len(given.flows) * repetitions, repetitions, repetitions * once)
