"""Plots of systems at growing sizes: every figure over the size, both logarithmic; each line's slope in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from experiments import slopes, wording
from experiments.canvas import BLUE, GREY, ORANGE
from experiments.scaling.sweeps import Series

GREEN = "#009E73"
_PARTS = (BLUE, ORANGE, GREEN, GREY)
_WIDTH_IN, _PANEL_IN = 9.0, 3.0
_FEW_DECADES = 50  # highest over lowest, below which powers of ten are too few labels


@dataclass(frozen=True)
class Look:
    """How a system is drawn."""

    colour: str
    mark: str


def panels(of: Sequence[Sequence[Series]], looks: Mapping[str, Look]) -> Canvas:
    """One panel a figure, one line a system."""
    canvas, axes = plt.subplots(
        len(of), 1, figsize=(_WIDTH_IN, _PANEL_IN * len(of)), squeeze=False, layout="constrained"
    )
    for (ax,), panel in zip(axes, of, strict=True):
        for one in panel:
            _line(ax, one, one.name, looks[one.system])
        _finish(ax, panel, panel[0].title)
    return canvas


def memory(panel: Sequence[Series]) -> Canvas:
    """One line a part of the lab."""
    canvas, ax = plt.subplots(figsize=(_WIDTH_IN, _PANEL_IN), layout="constrained")
    for one, colour in zip(panel, _PARTS, strict=False):
        _line(ax, one, one.title.removeprefix("memory of "), Look(colour, "o"))
    _finish(ax, panel, "memory")
    return canvas


def _line(ax: Axes, one: Series, name: str, look: Look) -> None:
    known, none = one.estimates(), _place_of_none([one])
    for size, values in one.readings:
        at = [size or none] * len(values)
        ax.plot(at, values, look.mark, color=look.colour, alpha=0.35, markersize=3.2, markeredgewidth=0)
    label = f"{name}:\n{slopes.words(one.slope)}"
    if one.slope:
        label += f"\nN^{one.slope.exponent:.2f} ({one.slope.low:.2f} – {one.slope.high:.2f})"
    some = [size for size in known if size]
    medians = [known[size].median for size in some]
    ax.plot(some, medians, look.mark + "-", color=look.colour, markersize=5, linewidth=1.4, label=label)
    if some and 0 in known:
        joined = [known[0].median, medians[0]]
        ax.plot([none, some[0]], joined, look.mark + ":", color=look.colour, markersize=5, linewidth=1.2)


def _finish(ax: Axes, panel: Sequence[Series], title: str) -> None:
    unit, sizes = panel[0].unit, sorted({size for one in panel for size, _ in one.readings})
    values = [value for one in panel for _, taken in one.readings for value in taken if value > 0]
    low, high = min(values, default=1.0), max(values, default=1.0)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(FixedLocator([size or _place_of_none(panel) for size in sizes]))
    ax.xaxis.set_major_formatter(FixedFormatter([f"{size:,}" for size in sizes]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.quantity(value, unit)))
    ax.yaxis.set_minor_formatter(NullFormatter())
    if high / low < _FEW_DECADES:
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.set_ylim(low / 1.6, max(high * 1.6, low * 8))
    ax.grid(color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_title(title)
    ax.set_xlabel(panel[0].sweep.many)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)


def _place_of_none(panel: Sequence[Series]) -> float:
    """Where the size 0 is drawn, which a logarithmic axis has no place for: a decade before the next."""
    return min((size for one in panel for size, _ in one.readings if size), default=10) / 10
