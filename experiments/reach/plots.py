"""The matrix as a heat map: expected beside observed, pods by namespace and workload, differences marked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from textwrap import wrap

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke

from experiments.canvas import BLUE, GREY, INK, ORANGE, Drawn, Plot
from experiments.reach.cells import Cell, Expected
from experiments.reach.grid import MANY, by_workload, grids, namespace, workload
from experiments.reach.record import cells, compared
from experiments.results import Run

_NOTHING, _DENIED, _PARTLY, _ALLOWED = range(4)
_COLOURS = ListedColormap(["#ffffff", "#e9e4da", "#8fbfe0", BLUE])
_LEGEND = {_ALLOWED: "allowed", _PARTLY: "at some ports, or through some endpoints", _DENIED: "denied"}
_EACH = 24  # pods or Services, up to which each is named
_MOST_PLOTS = 8
_PANEL_IN = 5.6
_TITLE_IN, _TITLE_LINE_IN = 0.35, 0.19  # the first line of a title, and each that follows
_TITLE_LETTERS, _TITLE_LINES = 44, 3  # longer than a panel is wide, it makes the map smaller
_SLANTED = 0.56  # the height of slanted text over its letters' size, per letter
_SAYS = (
    "Rows are sources, columns targets, in the same order. Blue: packets pass. Sand: they do not. White: not tried. "
    "Orange crosses: they pass although policies deny it. Orange rings: they do not, although policies allow it."
)


def plots(run: Run) -> list[Plot]:
    """One heat map of all ports together, and one for each set of ports that are not alike."""
    found = cells(run)
    if max((len({getattr(cell, end) for cell in found}) for end in ("source", "target")), default=0) > MANY:
        found = by_workload(found)
    if not found:
        return []
    made = [_plot("matrix", "all ports together", found, compared(run))]
    alike = grids(found)
    if 1 < len(alike) <= _MOST_PLOTS:
        for number, grid in enumerate(alike, 1):
            some = [cell for cell in found if cell.way in grid.ways]
            made.append(_plot(f"matrix-{number}", ", ".join(grid.ways), some, compared(run)))
    return made


def _plot(name: str, what: str, found: Sequence[Cell], beside: bool) -> Plot:
    return Drawn(name, f"Who reaches whom: {what}", _SAYS), partial(_draw, found, what, beside)


def _draw(found: Sequence[Cell], what: str, beside: bool) -> Canvas:
    sources, targets = (sorted({getattr(cell, end) for cell in found}) for end in ("source", "target"))
    pairs: dict[tuple[str, str], list[Cell]] = {}
    for cell in found:
        pairs.setdefault((cell.source, cell.target), []).append(cell)
    panels = 2 if beside else 1
    titles = [_titled(kind, what) for kind in (("expected", "observed") if beside else ("observed",))]
    above_in = _TITLE_IN + _TITLE_LINE_IN * max(title.count("\n") for title in titles)
    height = max(2.6, min(_PANEL_IN, _PANEL_IN * len(sources) / max(len(targets), 1) + 1.2))
    canvas, axes = plt.subplots(
        1, panels, figsize=(_PANEL_IN * panels + 1.4, height + 1.15 + above_in), squeeze=False, layout="constrained",
        sharey=True,
    )  # fmt: skip
    levels_of = [_expected] * beside + [_observed]
    for ax, title, level in zip(axes[0], titles, levels_of, strict=True):
        levels = np.full((len(sources), len(targets)), _NOTHING)
        for (source, target), some in pairs.items():
            levels[sources.index(source), targets.index(target)] = level(some)
        ax.imshow(levels, cmap=_COLOURS, vmin=_NOTHING, vmax=_ALLOWED, aspect="equal", interpolation="none")
        _name_axes(ax, sources, targets)
        above = max(len(label.get_text()) * label.get_fontsize() for label in ax.get_xticklabels()) * _SLANTED + 10
        ax.annotate(
            title, (0, 1), (0, above), xycoords="axes fraction", textcoords="offset points", fontsize=11, weight="bold",
            verticalalignment="bottom",
        )  # fmt: skip
    marked = _mark(axes[0][-1], pairs, sources, targets)
    axes[0][0].set_ylabel("from", color=GREY)
    for ax in axes[0]:
        ax.set_xlabel("to", color=GREY)
    _legend(canvas, marked, beside)
    engine = canvas.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(0, 0, 1, 1 - above_in / canvas.get_figheight()))  # which counts no room for titles above names
    return canvas


def _titled(kind: str, what: str) -> str:
    """In lines that are no longer than a panel is wide; of very many ports the first."""
    return "\n".join(wrap(f"{kind}, {what}", _TITLE_LETTERS, max_lines=_TITLE_LINES, placeholder=" …"))


def _expected(some: Sequence[Cell]) -> int:
    known = {cell.expected for cell in some}
    if known == {Expected.UNKNOWN}:
        return _NOTHING
    if known == {Expected.ALLOWED}:
        return _ALLOWED
    return _PARTLY if known & {Expected.ALLOWED, Expected.MIXED} else _DENIED


def _observed(some: Sequence[Cell]) -> int:
    passed = {cell.outcome.passed for cell in some}
    return _PARTLY if len(passed) > 1 else _ALLOWED if passed == {True} else _DENIED


def _mark(
    ax: Axes, pairs: dict[tuple[str, str], list[Cell]], sources: Sequence[str], targets: Sequence[str]
) -> list[Line2D]:
    """Crosses and rings on the pairs that differ; what the legend shows of them."""
    size = max(2.0, min(9.0, 210 / max(len(sources), len(targets))))
    handles = []
    for marker, word, passed in (("x", "passes, though denied", True), ("o", "does not pass, though allowed", False)):
        places = [
            (targets.index(target), sources.index(source))
            for (source, target), some in pairs.items()
            if any(cell.fault and cell.outcome.passed is passed for cell in some)
        ]
        if places:
            xs, ys = zip(*places, strict=True)
            line = Line2D(
                xs, ys, linestyle="", marker=marker, markersize=size, color=ORANGE, markerfacecolor="none",
                markeredgewidth=max(0.9, size / 5), label=f"{word}: {len(places)} pair{'s' * (len(places) > 1)}",
            )  # fmt: skip
            line.set_path_effects([Stroke(linewidth=max(2.2, size / 2.4), foreground="white"), Normal()])
            ax.add_line(line)
            handles.append(line)
    return handles


def _name_axes(ax: Axes, sources: Sequence[str], targets: Sequence[str]) -> None:
    """Lines between namespaces and, thinner, between workloads; names of what fits."""
    for names, draw in ((sources, ax.axhline), (targets, ax.axvline)):
        for key, width in ((workload, 0.5), (namespace, 2.0)):
            at = -0.5
            for _, count in _runs([key(name) for name in names])[:-1]:
                at += count
                draw(at, color="#ffffff" if key is workload else INK, linewidth=width)
    _ticks(ax, sources, vertical=True)
    _ticks(ax, targets, vertical=False)
    ax.spines[:].set_visible(False)


def _ticks(ax: Axes, names: Sequence[str], *, vertical: bool) -> None:
    each = len(names) <= _EACH
    groups = [(name, 1) for name in names] if each else _runs([workload(name) for name in names])
    if len(groups) > 3 * _EACH:
        groups = _runs([namespace(name) for name in names])
    places, texts, at = [], [], 0
    for name, count in groups:
        places.append(at + (count - 1) / 2)
        texts.append(name if count == 1 else f"{name} ×{count}")
        at += count
    size = 8 if len(groups) <= _EACH else 6
    if vertical:
        ax.set_yticks(places, texts, fontsize=size)
    else:
        ax.xaxis.tick_top()
        ax.set_xticks(places, texts, fontsize=size, rotation=60, ha="left", rotation_mode="anchor")
    ax.tick_params(length=0)


def _runs(names: Sequence[str]) -> list[tuple[str, int]]:
    return [(name, len(list(some))) for name, some in groupby(names)]


def _legend(canvas: Canvas, marked: Sequence[Line2D], beside: bool) -> None:
    patches = [
        Patch(facecolor=_COLOURS(level / _ALLOWED), edgecolor="#bbbbbb", label=words)
        for level, words in _LEGEND.items()
    ]
    same = (
        [] if marked or not beside else [Line2D([], [], linestyle="", label="expected and observed agree everywhere")]
    )
    canvas.legend(handles=[*patches, *marked, *same], loc="outside lower left", ncols=3, frameon=False, fontsize=9)
