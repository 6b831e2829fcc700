"""Figures over something that was swept: a line each, readings as dots, medians joined, intervals shaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from experiments.canvas import BLUE, GREY, INK, ORANGE
from experiments.statistics import estimate
from experiments.strips import formatter

_COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", GREY, INK)
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
_WIDTH_IN, _PANEL_IN = 9.0, 2.6
_NEAR = 1.06  # ticks nearer than this ratio are not both named


@dataclass(frozen=True)
class Curve:
    """Readings by where they stand on the axis."""

    name: str
    points: tuple[tuple[float, tuple[float, ...]], ...]


@dataclass(frozen=True)
class Panel:
    """Curves of one unit."""

    title: str
    unit: str
    along: str  # what the axis is
    curves: tuple[Curve, ...]


def draw(panels: Sequence[Panel]) -> Canvas:
    """Panels one above the other; the same name has the same colour in each."""
    names = list(dict.fromkeys(curve.name for panel in panels for curve in panel.curves))
    canvas, axes = plt.subplots(
        len(panels), 1, figsize=(_WIDTH_IN, _PANEL_IN * len(panels)), squeeze=False, layout="constrained"
    )
    for (ax,), panel in zip(axes, panels, strict=True):
        for curve in panel.curves:
            _curve(ax, curve, names.index(curve.name))
        _finish(ax, panel)
    axes[-1][0].set_xlabel(panels[-1].along)
    return canvas


def _curve(ax: Axes, curve: Curve, place: int) -> None:
    colour, mark = _COLOURS[place % len(_COLOURS)], _MARKS[place % len(_MARKS)]
    at, known = [x for x, _ in curve.points], [estimate(values) for _, values in curve.points]
    for x, values in curve.points:
        ax.plot([x] * len(values), values, mark, color=colour, alpha=0.3, markersize=3, markeredgewidth=0)
    ax.fill_between(at, [one.low for one in known], [one.high for one in known], color=colour, alpha=0.12, linewidth=0)
    medians = [one.median for one in known]
    ax.plot(at, medians, mark + "-", color=colour, markersize=5, linewidth=1.4, label=curve.name)


def _finish(ax: Axes, panel: Panel) -> None:
    places = sorted({x for curve in panel.curves for x, _ in curve.points})
    if places and places[0] > 0 and places[-1] / places[0] > 4:
        ax.set_xscale("log")
    named = [x for index, x in enumerate(places) if index + 1 == len(places) or places[index + 1] > x * _NEAR]
    ax.xaxis.set_major_locator(FixedLocator(named))
    ax.xaxis.set_major_formatter(FixedFormatter([f"{x:,.0f}" for x in named]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(formatter(panel.unit))
    ax.grid(color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_title(panel.title)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
