"""Where each switch, node and host of a fabric is drawn. Pure: the same fabric always looks the same.

Units are the distance of two neighbours. Shapes with a top are drawn in layers, as is a line; a ring as a circle;
graphs by springs as long as the ways between two switches (Kamada and Kawai 1989), large ones by springs from a fixed
seed (Fruchterman and Reingold 1991).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import cos, dist, hypot, pi, sin

import networkx

from k8sshim.cluster import CONTROL_PLANE, OUTSIDE
from topo.fabric import BORDER

from .scene import Box, Scene

Point = tuple[float, float]
Places = dict[str, Point]
BOX_ROW = 4  # boxes side by side below a switch; more stand in rows below
COLUMN, ROW, APART = 1.0, 0.75, 0.4  # of boxes; and between those of one switch and the next
LAYER, HOSTS = 1.6, 1.1  # heights
AWAY = 1.25  # from a ring's switch to its only box
EXACT = 120  # switches, up to which springs are solved exactly
SEED = 7
DIRECTIONS, CLEAR = 48, 0.55  # that a graph's border may lie in; how far from a line a box is clear of it


def places(scene: Scene) -> Places:
    """The centre of everything in the scene, by its name."""
    if scene.layers:
        return _layered(scene)
    return _circle(scene) if scene.shape == "ring" else _springs(scene)


def _layered(scene: Scene) -> Places:
    """Boxes below the edge, which gives each switch the room that its boxes need; other layers above."""
    edge = scene.layers[-1]
    below = _by_home(scene.boxes)
    found: Places = {}
    x = 0.0
    for switch in edge:
        boxes = below.get(switch, [])
        columns = max(1, min(BOX_ROW, len(boxes)))
        found[switch] = (x + (columns - 1) / 2, 0.0)
        _stack(boxes, x, -LAYER, found)
        x += columns + APART
    width = x - 1.0 - APART
    for height, (layer, lower) in enumerate(zip(scene.layers[-2::-1], scene.layers[:0:-1], strict=True), 1):
        across = _above(scene, layer, lower, found) or [
            width * (number + 0.5) / len(layer) for number in range(len(layer))
        ]
        found |= {switch: (place, LAYER * height) for switch, place in zip(layer, across, strict=True)}
    for switch in scene.switches:
        if switch not in edge and switch in below:  # beside all others, between its layer and the next
            _stack(below[switch], x, found[switch][1] - LAYER / 2, found)
            x += min(BOX_ROW, len(below[switch])) + APART
    middle = sum(found[name][0] for name in scene.border) / len(scene.border)
    return found | _hosts((middle, LAYER * len(scene.layers)))


def _above(scene: Scene, layer: Sequence[str], lower: Sequence[str], found: Places) -> list[float]:
    """Where a tree's switches stand above their children, or as many switches as below above those; else nothing."""
    if len(layer) == len(lower):
        return [found[name][0] for name in lower]
    if scene.shape != "tree":
        return []
    children = len(lower) // len(layer)  # which are numbered as their parents are
    parts = (lower[start : start + children] for start in range(0, len(lower), children))
    return [sum(found[name][0] for name in part) / children for part in parts]


def _stack(boxes: Sequence[Box], left: float, top: float, found: Places) -> None:
    for number, box in enumerate(boxes):
        found[box.name] = (left + COLUMN * (number % BOX_ROW), top - ROW * (number // BOX_ROW))


def _circle(scene: Scene) -> Places:
    """Switches round the border, boxes around them; the circle is as wide as the boxes need."""
    switches, below = scene.switches, _by_home(scene.boxes)
    widest = max(hypot(*_extent(len(boxes))) for boxes in below.values())  # there is a node at least
    radius = max(2.1, len(switches) * max(1.1, widest) / (2 * pi) - AWAY)
    found: Places = _hosts((0.0, 0.45), -0.9)
    for number, switch in enumerate(switches):
        angle = pi / 2 - 2 * pi * number / len(switches)
        found[switch] = (radius * cos(angle), radius * sin(angle))
        _beyond(below.get(switch, []), found[switch], angle, found)
    return found


def _extent(boxes: int) -> Point:
    """The width and height of boxes in rows."""
    return min(boxes, BOX_ROW) * COLUMN, -(-boxes // BOX_ROW) * ROW


def _beyond(boxes: Sequence[Box], at: Point, angle: float, found: Places) -> None:
    """Boxes in rows, seen from a switch in this direction and clear of it."""
    width, height = _extent(len(boxes))
    away = AWAY + (width - COLUMN) / 2 * abs(cos(angle)) + (height - ROW) / 2 * abs(sin(angle))
    left, top = at[0] + away * cos(angle) - (width - COLUMN) / 2, at[1] + away * sin(angle) + (height - ROW) / 2
    _stack(boxes, left, top, found)


def _springs(scene: Scene) -> Places:
    graph = networkx.Graph()
    graph.add_nodes_from((*scene.switches, *(box.name for box in scene.boxes)))
    graph.add_edges_from((line.a, line.b) for line in scene.lines if BORDER not in (line.a, line.b))
    if len(graph) <= EXACT:
        at = networkx.kamada_kawai_layout(graph)
    else:
        at = networkx.spring_layout(graph, seed=SEED, iterations=100)
    points = {name: (float(x), float(y)) for name, (x, y) in at.items()}
    lengths = sorted(dist(points[a], points[b]) for a, b in graph.edges)
    scale = 1.35 / lengths[len(lengths) // 4]
    scale = max(scale, min(_apart(list(points.values())), 3 * scale))
    found = {name: (x * scale, y * scale) for name, (x, y) in points.items()}
    return found | _outside(found, [found[name] for name in scene.border])


def _apart(points: Sequence[Point]) -> float:
    """How far points must be drawn out for no two boxes to lie on each other."""
    needed = (
        min(COLUMN / max(abs(x - to_x), 1e-9), 0.6 / max(abs(y - to_y), 1e-9))
        for (x, y), (to_x, to_y) in combinations(points, 2)
    )
    return max(needed)


def _outside(found: Places, joined: Sequence[Point]) -> Places:
    """Border and hosts beyond everything else, where the border's links are short and pass behind little."""
    points = list(found.values())
    centre = (sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points))
    away = max(dist(centre, point) for point in points) + 1.0

    def place(angle: float, further: float = 0.0, aside: float = 0.0) -> Point:
        x, y = cos(angle), sin(angle)
        return centre[0] + (away + further) * x - aside * y, centre[1] + (away + further) * y + aside * x

    def cost(angle: float) -> float:
        links = [(place(angle), switch) for switch in joined]
        behind = sum(_distance(point, *link) < CLEAR for link in links for point in points if point not in link)
        return behind + 0.1 * sum(dist(*link) for link in links)

    best = min((2 * pi * step / DIRECTIONS for step in range(DIRECTIONS)), key=cost)
    return {BORDER: place(best), OUTSIDE: place(best, HOSTS, 0.65), CONTROL_PLANE: place(best, HOSTS, -0.65)}


def _distance(point: Point, a: Point, b: Point) -> float:
    """Of a point from a line between two others."""
    along = ((point[0] - a[0]) * (b[0] - a[0]) + (point[1] - a[1]) * (b[1] - a[1])) / (dist(a, b) ** 2 or 1.0)
    part = min(1.0, max(0.0, along))
    return dist(point, (a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])))


def _by_home(boxes: Sequence[Box]) -> Mapping[str, list[Box]]:
    found: dict[str, list[Box]] = {}
    for box in boxes:
        found.setdefault(box.uplinks[0], []).append(box)
    return found


def _hosts(border: Point, above: float = HOSTS) -> Places:
    x, y = border
    return {BORDER: border, OUTSIDE: (x - 0.6, y + above), CONTROL_PLANE: (x + 0.6, y + above)}
