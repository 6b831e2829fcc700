"""The plot of the experiment `ecmp`: the share of each way, beside what chance allows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from scipy import stats

from experiments.canvas import BLUE, GREY, INK, ORANGE, Drawn, Plot
from experiments.ecmp.figures import Choice, choices
from experiments.results import Run
from experiments.sweep import words

_COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", GREY, INK)
_MOST = 12  # switches


def plots(run: Run) -> list[Plot]:
    """One panel a switch."""
    by: dict[tuple[str, str], list[Choice]] = {}
    for one in choices(run):
        by.setdefault((words(one.lab), one.switch), []).append(one)
    says = (
        "Each dot: the share of one way in one repetition. Line: equal shares. Grey: where 95 % of them lie by chance."
    )
    return [(Drawn("ways", "How connections spread over equal ways", says), partial(_draw, list(by.items())[:_MOST]))]


def _draw(panels: Sequence[tuple[tuple[str, str], list[Choice]]]) -> Canvas:
    canvas, axes = plt.subplots(len(panels), 1, figsize=(9.0, 2.7 * len(panels)), squeeze=False, layout="constrained")
    for (ax,), ((lab, switch), several) in zip(axes, panels, strict=True):
        _panel(ax, several)
        ax.set_title(f"{switch}{f', {lab}' if lab else ''}")
    axes[-1][0].set_xlabel("connections at a time")
    return canvas


def _panel(ax: Axes, several: Sequence[Choice]) -> None:
    ways = several[0].ways
    share = 1 / len(ways)
    for x, one in enumerate(several):
        low, high = (stats.binom.ppf(q, one.connections, share) / one.connections for q in (0.025, 0.975))
        ax.bar(x, 100 * (high - low), 0.8, 100 * low, color="#e9e9e9", linewidth=0, zorder=0)
        ax.plot([x - 0.4, x + 0.4], [100 * share] * 2, color=INK, linewidth=1.2)
        for place, way in enumerate(ways):
            points = [100 * counts.get(way, 0.0) / sum(counts.values()) for counts in one.counts]
            at = x + 0.6 * ((place + 0.5) / len(ways) - 0.5)
            label = way if x == 0 else None
            colour = _COLOURS[place % len(_COLOURS)]
            ax.plot([at] * len(points), points, "o", color=colour, alpha=0.55, markersize=4, mew=0, label=label)
    ax.set_xticks(range(len(several)), [f"{one.connections:,}" for one in several])
    ax.set_ylim(-3, 103)
    ax.set_ylabel("% of connections", fontsize=8)
    ax.tick_params(axis="x", length=0)
    ax.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
