"""Draws a scene where the layout has put it, in the manner of the other plots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import dist, log10
from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import FancyBboxPatch, Patch

from experiments.canvas import BLUE, GREY, INK, ORANGE, rendered
from k8sshim.cluster import CONTROL_PLANE, OUTSIDE
from topo.fabric import BORDER

from .layout import Places, Point, places
from .scene import Line, Scene, Shade

INCHES = 0.95  # a unit
THICK_IN = 1.15  # what a rack lies on, where it is no box
LARGEST_IN = 48.0  # a side of the picture
TITLE_IN, NOTES_IN = 0.5, 0.3  # above and below it
TINTS = ("#dcebf7", "#fbe6d8", "#e3f1e1", "#efe3f2", "#faf3cf", "#e2e2ee", "#fde2e6", "#ddefec")
NO_ZONE = "#eeeeee"
RATE = (0.62, 0.15)  # width and height of a link's rate
QUIET = 1000.0  # bytes/s, below which a link's use is not worth a word
HOST_NAMES = {OUTSIDE: ("HOST",), CONTROL_PLANE: ("control", "plane")}
SWITCH, HOST, NODE, NODE_WITH_PODS = (
    (0.86, 0.36),
    (0.86, 0.44),
    (0.92, 0.36),
    (0.92, 0.5),
)  # widths and heights, in units


def save(scene: Scene, path: Path) -> None:
    """Write the picture of a scene, as SVG or PNG by the path's suffix. Raises OSError."""
    rendered(lambda: draw(scene), path)


def draw(scene: Scene) -> Canvas:
    """The picture of a scene."""
    at = places(scene)
    (left, right), (low, high) = ((min(axis), max(axis)) for axis in zip(*at.values(), strict=True))
    below, above = (0.85, 0.3 if scene.layers else 0.75) if scene.shades else (0.4, 0.3)
    left, right, low, high = left - 0.7, right + 0.7, low - below, high + above
    inches = min(INCHES, LARGEST_IN / max(right - left, high - low))
    wide, tall = max(4.5, (right - left) * inches), (high - low) * inches
    canvas = plt.figure(figsize=(wide, tall + TITLE_IN + NOTES_IN))
    ax = canvas.add_axes((0, NOTES_IN / canvas.get_figheight(), 1, tall / canvas.get_figheight()))
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ax.set_aspect("equal")
    ax.set_axis_off()
    size = 8 * inches / INCHES
    _shade(ax, scene, at, size)
    for line in scene.lines:
        _line(ax, line, at)
    _say_rates(ax, scene, at, size)
    _say_what_links_are_like(ax, scene, at, size)
    for host in (OUTSIDE, CONTROL_PLANE):
        _strokes(ax, [(at[host], at[BORDER])], "#999999", 1.0, 1)
    _things(ax, scene, at, size)
    top = 1 - 0.12 / canvas.get_figheight()
    fitting = min(11.0, 110 * wide / len(scene.title))
    canvas.suptitle(scene.title, x=0.15 / wide, y=top, ha="left", va="top", fontsize=fitting, weight="bold")
    _notes(canvas, scene)
    return canvas


def _things(ax: Axes, scene: Scene, at: Places, size: float) -> None:
    for name in (*scene.switches, BORDER):
        _box(ax, at[name], (name,), extent=SWITCH, face=GREY if name == BORDER else BLUE, ink="white", size=size)
    for host, lines in HOST_NAMES.items():
        _box(ax, at[host], lines, extent=HOST, face="white", ink=INK, size=size, dashed=True)
    for box in scene.boxes:
        extent = NODE if len(box.lines) == 1 else NODE_WITH_PODS
        _box(ax, at[box.name], box.lines, extent=extent, face="white", ink=INK, size=size)


def _box(
    ax: Axes,
    at: Point,
    lines: tuple[str, ...],
    *,
    extent: Point,
    face: str,
    ink: str,
    size: float,
    dashed: bool = False,
) -> None:
    """A rounded rectangle with text, the first line larger."""
    (x, y), (width, height) = at, extent
    edge = face if face != "white" else INK
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.09",
            facecolor=face, edgecolor=edge, linewidth=0.9, linestyle="--" if dashed else "-", zorder=3,
        )
    )  # fmt: skip
    for number, line in enumerate(lines):
        down = 0.19 * ((len(lines) - 1) / 2 - number)
        first = number == 0 or dashed
        fitting = min(size if first else size * 0.85, size * 13 / max(len(line), 1))
        colour = ink if first else GREY
        ax.text(x, y + down, line, ha="center", va="center_baseline", fontsize=fitting, color=colour, zorder=4)


def _line(ax: Axes, line: Line, at: Places) -> None:
    if line.down:
        (x, y), (to_x, to_y) = at[line.a], at[line.b]
        ax.plot((x, to_x), (y, to_y), color=INK, linewidth=1.0, linestyle=":", zorder=1)
        return
    busiest = max(line.use or (0.0, 0.0))
    busy = busiest >= QUIET
    width = 1.0 + (0.8 * log10(busiest / QUIET) if busy else 0.0)
    _strokes(ax, [(at[line.a], at[line.b])], ORANGE if busy else "#999999", width, 2 if busy else 1)


def _say_rates(ax: Axes, scene: Scene, at: Places, size: float) -> None:
    """Each nearer the end that it leaves from, and where there is room for it."""
    said: list[Point] = []
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
    for line in scene.lines:
        ends = (at[line.a], at[line.b])
        for sent, (here, there) in zip(line.use or (), (ends, ends[::-1]), strict=bool(line.use)):
            if sent >= QUIET:
                said.append(_free(here, there, said))
                words = ax.text(*said[-1], rate(sent), ha="center", va="center", zorder=5, bbox=ground)
                words.set(fontsize=size * 0.8, color=INK)


def _say_what_links_are_like(ax: Axes, scene: Scene, at: Places, size: float) -> None:
    """In the middle of those that are described, or down; rates stand nearer the ends."""
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.85}
    for line in scene.lines:
        said = "\n".join(filter(None, ("down" if line.down else "", line.like)))
        if not said:
            continue
        (x, y), (to_x, to_y) = at[line.a], at[line.b]
        words = ax.text((x + to_x) / 2, (y + to_y) / 2, said, ha="center", va="center", zorder=5, bbox=ground)
        words.set(fontsize=size * 0.65, color=GREY)


def _free(here: Point, there: Point, said: Sequence[Point]) -> Point:
    """A place on the first half of a line where no rate stands yet, or one where fewest stand."""
    nearest = min(0.36, max(0.2, 0.55 / (dist(here, there) or 1.0)))
    parts = [nearest + step * (0.47 - nearest) / 5 for step in range(6)]
    places = [(here[0] + (there[0] - here[0]) * part, here[1] + (there[1] - here[1]) * part) for part in parts]

    def hidden(place: Point) -> int:
        return sum(abs(x - place[0]) < RATE[0] and abs(y - place[1]) < RATE[1] for x, y in said)

    return min(places, key=hidden)


def rate(bytes_a_second: float) -> str:
    """A rate as a person reads it, in bits."""
    bits = bytes_a_second * 8
    for unit, factor in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bits >= factor:
            return f"{bits / factor:.3g} {unit}"
    return f"{bits:.0f} bit/s"


def _strokes(ax: Axes, pairs: Iterable[tuple[Point, Point]], colour: str, width: float, order: int) -> None:
    for (x, y), (to_x, to_y) in pairs:
        ax.plot((x, to_x), (y, to_y), color=colour, linewidth=width, zorder=order, solid_capstyle="round")


def zone_colours(shades: Iterable[Shade]) -> Mapping[str, str]:
    """A tint for each zone; racks in none are grey."""
    zones = dict.fromkeys(shade.zone for shade in shades if shade.zone)
    return {"": NO_ZONE} | {zone: TINTS[number % len(TINTS)] for number, zone in enumerate(zones)}


def _shade(ax: Axes, scene: Scene, at: Places, size: float) -> None:
    """What is in one rack lies on one ground, of its zone's colour."""
    colours = zone_colours(scene.shades)
    for shade in scene.shades:
        points = [at[name] for name in shade.members if name in at]
        if not points:
            continue
        (left, right), (low, high) = ((min(axis), max(axis)) for axis in zip(*points, strict=True))
        colour = colours[shade.zone]
        if not scene.layers:
            _strokes(ax, [(points[0], point) for point in points], colour, THICK_IN * 72 * size / 8, 0)
            said = (points[0][0], points[0][1] - 0.3)
        else:
            ax.add_patch(
                FancyBboxPatch(
                    (left - 0.53, low - 0.55), right - left + 1.06, high - low + 0.85,
                    boxstyle="round,pad=0,rounding_size=0.15", facecolor=colour, edgecolor="none", zorder=0,
                )
            )  # fmt: skip
            said = ((left + right) / 2, low - 0.42)
        if shade.rack:
            ground = {"facecolor": colour, "edgecolor": "none", "pad": 0.4}
            ax.text(
                *said, f"rack {shade.rack}", ha="center", va="center", fontsize=size * 0.9, color=GREY, style="italic",
                zorder=2.5, bbox=ground,
            )  # fmt: skip


def _notes(canvas: Canvas, scene: Scene) -> None:
    colours = zone_colours(scene.shades)
    zones = [Patch(facecolor=colour, label=f"zone {zone}") for zone, colour in colours.items() if zone]
    if zones:
        canvas.legend(handles=zones, loc="lower left", ncols=4, frameon=False, fontsize=8, borderpad=0)
    if scene.measured_s:
        said = f"in {scene.measured_s:.1f} s; each rate stands at the end that sends"
        inches = canvas.get_size_inches()
        canvas.text(0.15 / inches[0], 1 - 0.33 / inches[1], said, ha="left", va="top", fontsize=8, color=GREY)
