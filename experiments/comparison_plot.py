"""The plot of a comparison: every reading of both runs over the first one's median."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter

from experiments import canvas
from experiments.canvas import BLUE, GREY, INK, ORANGE
from experiments.comparison import Comparison, Difference

_MOST = 40
_ROW_IN, _WIDTH_IN = 0.3, 10.0
_WIDEST = 20.0  # a ratio beyond which the axis is cut


def save(of: Comparison, path: Path) -> None:
    """Write the plot as SVG or PNG by the suffix. Raises OSError."""
    canvas.rendered(lambda: _drawn(of), path)


def _drawn(of: Comparison) -> Canvas:
    able = [one for one in of.differences if one.before.estimate.median]
    shown = sorted(able, key=lambda one: (not one.exceeds, -abs(one.change or 0)))[:_MOST]
    made, ax = plt.subplots(figsize=(_WIDTH_IN, _ROW_IN * len(shown) + 1.4), layout="constrained")
    for y, one in enumerate(shown):
        base = one.before.estimate.median
        _readings(ax, y - 0.15, [value / base for _, value in one.before.values], GREY)
        _readings(ax, y + 0.15, [value / base for _, value in one.after.values], ORANGE if one.exceeds else BLUE)
        ax.annotate(
            _aside(one), (1.0, y), (6, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points", fontsize=8,
            va="center", color=ORANGE if one.exceeds else GREY,
        )  # fmt: skip
    shared, names = apart([one.name for one in shown])
    ax.set_yticks(range(len(shown)), names, fontsize=7)
    _finish(ax, len(shown), of, shared, cut=len(able) - len(shown))
    return made


def apart(names: Sequence[str]) -> tuple[str, list[str]]:
    """What all names say, once, and what each says besides."""
    parts = [name.split(", ") for name in names]
    shared = [part for part in parts[0] if all(part in other for other in parts)] if len(parts) > 1 else []
    return ", ".join(shared), [", ".join(part for part in one if part not in shared) or "-" for one in parts]


def _finish(ax: Axes, rows: int, of: Comparison, shared: str, cut: int) -> None:
    ax.axvline(1.0, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    ax.set_ylim(rows - 0.4, -0.6)
    if ax.get_xlim()[1] > _WIDEST:
        ax.set_xscale("log")
    else:
        ax.set_xlim(left=0.0)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"×{value:g}"))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    all_of = f"\n{shared}" if shared else ""
    ax.set_title(f"{of.second.name} {of.second.id} beside {of.first.name} {of.first.id}{all_of}", fontsize=10)
    rest = f"; {cut} more figures are not drawn" if cut else ""
    ax.set_xlabel(
        f"over the first run's median; grey: first run, orange: more than the spread, blue: not{rest}", fontsize=8
    )


def _readings(ax: Axes, y: float, values: Sequence[float], colour: str) -> None:
    ax.plot(values, [y] * len(values), "o", color=colour, alpha=0.55, markersize=3.4, markeredgewidth=0)
    middle = sorted(values)[len(values) // 2]
    ax.plot([middle], [y], "|", color=colour, markersize=8, markeredgewidth=2)


def _aside(one: Difference) -> str:
    p = "p < 0.001" if one.p < 0.001 else f"p = {one.p:.3f}"
    return f"{100 * (one.change or 0):+.1f} %, {p}"
