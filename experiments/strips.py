"""Rows of readings: each reading a dot, the median a mark, the interval a bar, the value beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log10

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from experiments import wording
from experiments.canvas import BLUE, INK
from experiments.statistics import estimate

_ROW_IN, _PANEL_IN, _WIDTH_IN = 0.34, 0.95, 9.0
_TICKS, _AXIS_IN, _CHARACTER_IN = 7, 6.2, 0.085
_NARROWEST = 0.3  # of a decade: from 1 to 2, and from 5 to 10
_WIDE = 30.0  # highest over lowest reading, above which the scale is logarithmic


@dataclass(frozen=True)
class Row:
    """Readings of one thing."""

    name: str
    values: tuple[float, ...]
    aside: str = ""  # beside it; the median where it is empty
    colour: str = BLUE
    span: tuple[float, float] | None = None  # where its median is meant to lie


@dataclass(frozen=True)
class Panel:
    """Rows on one scale."""

    title: str
    unit: str
    rows: tuple[Row, ...]
    line: float | None = None  # where there is something to compare with


def draw(panels: Sequence[Panel], says: str = "each dot a reading; mark: their median; bar: its interval") -> Canvas:
    """Panels one above the other."""
    counts = [len(panel.rows) for panel in panels]
    height = sum(counts) * _ROW_IN + len(panels) * _PANEL_IN
    canvas, axes = plt.subplots(
        len(panels), 1, figsize=(_WIDTH_IN, height), squeeze=False, layout="constrained", height_ratios=counts
    )
    for (ax,), panel in zip(axes, panels, strict=True):
        _panel(ax, panel)
    axes[-1][0].set_xlabel(says, fontsize=8, color="#6a6a6a")
    return canvas


def _panel(ax: Axes, panel: Panel) -> None:
    values = [value for row in panel.rows for value in row.values]
    ax.set_yticks(range(len(panel.rows)), [row.name for row in panel.rows])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(panel.rows) - 0.5, -0.5)
    ax.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    if panel.line is not None:
        ax.axvline(panel.line, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    for y, row in enumerate(panel.rows):
        _row(ax, y, row, panel.unit)
    _scale(
        ax,
        [
            *values,
            *(end for row in panel.rows for end in row.span or ()),
            *([] if panel.line is None else [panel.line]),
        ],
        panel.unit,
    )
    ax.set_title(panel.title)


def _row(ax: Axes, y: int, row: Row, unit: str) -> None:
    if not row.values:
        return
    known = estimate(row.values)
    if row.span:
        low, high = row.span
        ax.barh(y, high - low, 0.8, low, color="#009E73", alpha=0.18, linewidth=0, zorder=0)
    ax.plot([known.low, known.high], [y, y], color=row.colour, linewidth=3, alpha=0.3, solid_capstyle="butt")
    ax.plot(row.values, [y + 0.16] * len(row.values), "o", color=row.colour, alpha=0.45, markersize=3.6, mew=0)
    ax.plot([known.median], [y], "|", color=row.colour, markersize=12, markeredgewidth=2.4)
    ax.annotate(
        row.aside or wording.quantity(known.median, unit),
        (1.0, y),
        (6, 0),
        xycoords=ax.get_yaxis_transform(),
        textcoords="offset points",
        va="center",
        fontsize=8,
    )


def _scale(ax: Axes, values: Sequence[float], unit: str) -> None:
    low, high = min(values, default=0.0), max(values, default=1.0)
    wide_in = _CHARACTER_IN * (2 + len(wording.quantity(high, unit)))
    if low > 0 and high / low > _WIDE:
        ax.set_xscale("log")
        room_in = _AXIS_IN * _NARROWEST / log10(high / low)
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if wide_in < room_in else (1.0,)))
        ax.xaxis.set_minor_formatter(NullFormatter())
    elif low >= 0:
        ax.set_xlim(0, (high or 1.0) * 1.04)
        ax.xaxis.set_major_locator(MaxNLocator(max(2, min(_TICKS, int(_AXIS_IN / wide_in)))))
    ax.xaxis.set_major_formatter(formatter(unit))


def formatter(unit: str) -> FuncFormatter:
    """Ticks as quantities of a unit."""
    words: Callable[[float, object], str] = lambda value, _: wording.quantity(value, unit) if value else "0"  # noqa: E731
    return FuncFormatter(words)
