"""What a picture of a fabric shows: switches, nodes, hosts, links with their use, racks and zones. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from topo.attachment import ZONE_LABEL
from topo.fabric import BORDER
from topo.fabric_graph import graph_of
from topo.link_spec import LinkSpec
from topo.plan import Plan

MOST_NODES = 48  # drawn one by one; more are drawn as one box below each switch
Use = tuple[float, float]  # bytes/s from the first end of a link to the second, and back


@dataclass(frozen=True)
class Box:
    """A node, or several that hang on the same switches."""

    name: str
    lines: tuple[str, ...]  # what stands in it
    uplinks: tuple[str, ...]  # the switches that it hangs on


@dataclass(frozen=True)
class Line:
    """A link, or all links of a box to one switch."""

    a: str
    b: str
    use: Use | None = None
    like: str = ""  # what its description says of it
    down: bool = False


@dataclass(frozen=True)
class Shade:
    """A rack: its name, its zone, and the switches and boxes in it."""

    rack: str
    zone: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """Everything in a picture."""

    title: str
    shape: str
    switches: tuple[str, ...]
    layers: tuple[tuple[str, ...], ...]  # top first; none where the shape has no top
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    border: tuple[str, ...]  # the switches that it hangs on
    shades: tuple[Shade, ...] = ()
    measured_s: float = field(default=0.0, kw_only=True)  # for how long the use of links was watched; 0: it was not


def scene_of(
    plan: Plan,
    pods: Mapping[str, int] | None = None,
    use: Mapping[tuple[str, str], Use] | None = None,
    measured_s: float = 0.0,
    *,
    down: Collection[tuple[str, str]] = (),
) -> Scene:
    """The picture of a planned cluster; with each node's number of pods, and use and state of links by their ends."""
    fabric = plan.spec.fabric
    graph = graph_of(fabric)
    hang = {
        node.name: tuple(link.b.switch for link in plan.links if link.a.switch == node.bridge.name)
        for node in plan.nodes
    }
    boxes, box_of = _boxes(hang, pods)
    names = box_of | {node.bridge.name: box_of[node.name] for node in plan.nodes}
    lines: dict[tuple[str, str], Use | None] = {}
    said: dict[tuple[str, str], str] = {}
    up: set[tuple[str, str]] = set()  # of several links that are one line, one is
    for link in plan.links:
        ends = (names.get(link.a.switch, link.a.switch), names.get(link.b.switch, link.b.switch))
        found = (use or {}).get((link.a.switch, link.b.switch))
        lines[ends] = _sum(lines.get(ends), found)
        said[ends] = _like(link.like, plan.spec.mtu)
        if (link.a.switch, link.b.switch) not in down:
            up.add(ends)
    layers = graph.layers or ((graph.switches,) if fabric.shape == "linear" else ())
    border = tuple(link.b.switch for link in plan.links if link.a.switch == BORDER)
    return Scene(
        title=_title(plan, pods),
        shape=fabric.shape,
        switches=graph.switches,
        layers=layers,
        boxes=boxes,
        lines=tuple(Line(*ends, found, said[ends], ends not in up) for ends, found in lines.items()),
        border=border,
        shades=_shades(plan, hang, box_of),
        measured_s=measured_s,
    )


def _title(plan: Plan, pods: Mapping[str, int] | None) -> str:
    fabric = plan.spec.fabric
    sizes = ", ".join(f"{name} {size}" for name, size in fabric.sizes)
    counted = f" · {_count(sum(pods.values()), 'pod')}" if pods is not None else ""
    said = f"{plan.spec.name}: {fabric.shape}" + (f" ({sizes})" if sizes else "")
    return f"{said} · {_count(len(plan.nodes), 'node')}{counted}"


def _boxes(
    hang: Mapping[str, tuple[str, ...]], pods: Mapping[str, int] | None
) -> tuple[tuple[Box, ...], dict[str, str]]:
    """The boxes, and the name of each node's box."""
    if len(hang) <= MOST_NODES:
        boxes = [
            Box(name, (name, _count(pods.get(name, 0), "pod")) if pods is not None else (name,), uplinks)
            for name, uplinks in hang.items()
        ]
        return tuple(boxes), {name: name for name in hang}
    together = Counter(hang.values())
    of_place = {uplinks: f"nodes at {', '.join(uplinks)}" for uplinks in together}
    load: Counter[tuple[str, ...]] = Counter()
    for name, uplinks in hang.items():
        load[uplinks] += (pods or {}).get(name, 0)
    merged = [
        Box(
            of_place[uplinks],
            (_count(number, "node"), *([_count(load[uplinks], "pod")] if pods is not None else [])),
            uplinks,
        )
        for uplinks, number in together.items()
    ]
    return tuple(merged), {name: of_place[uplinks] for name, uplinks in hang.items()}


def _shades(plan: Plan, hang: Mapping[str, tuple[str, ...]], box_of: Mapping[str, str]) -> tuple[Shade, ...]:
    """Described racks, and zones that nodes have by their own labels alone."""
    zones: dict[str, str] = {node.name: dict(node.labels).get(ZONE_LABEL, "") for node in plan.nodes}
    shades = []
    for rack in plan.spec.fabric.racks:
        inside = [name for name, uplinks in hang.items() if uplinks[0] in rack.switches and zones[name] == rack.zone]
        shades.append(Shade(rack.name, rack.zone, (*rack.switches, *dict.fromkeys(box_of[name] for name in inside))))
        zones = {name: zone for name, zone in zones.items() if name not in inside}
    for zone in sorted({zone for zone in zones.values() if zone}):
        shades.append(Shade("", zone, tuple(dict.fromkeys(box_of[name] for name in zones if zones[name] == zone))))
    return tuple(shades)


def _like(like: LinkSpec, usual_mtu: int) -> str:
    """What is said of a link, one thing a line."""
    parts = {
        "{:g} Mbit/s": like.bandwidth_mbit,
        "{:g} ms": like.delay_ms,
        "±{:g} ms": like.jitter_ms,
        "{:g} % lost": like.loss_percent,
        "MTU {:d}": like.mtu if like.mtu != usual_mtu else None,
    }
    return "\n".join(words.format(value) for words, value in parts.items() if value)


def _sum(one: Use | None, other: Use | None) -> Use | None:
    if one is None or other is None:
        return one or other
    return one[0] + other[0], one[1] + other[1]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
