"""Plots of the experiment `load-balancing`: shares beside the ideal, and the sources that moved."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from experiments.balancing.figures import Shares, modes, numbers, shares, values, weights_of
from experiments.balancing.parameters import ROUND_ROBIN
from experiments.balancing.planning import BEFORE, PHASES
from experiments.canvas import BLUE, GREY, INK, ORANGE, Drawn, Plot
from experiments.results import Run
from experiments.statistics import estimate

_ROW_IN, _WIDTH_IN = 1.9, 9.0


def plots(run: Run) -> list[Plot]:
    """Shares of every mode, and what moved."""
    made, found = list(shares(run)), list[Plot]()
    if made:
        says = (
            "Bars: the share of each endpoint, all repetitions together before, the first repetition after an endpoint "
            "has left. Black lines: the ideal. Dots: single repetitions."
        )
        found.append((Drawn("shares", "Who answers, by mode", says), partial(_shares, made)))
    if any(values(run, "moved", mode) for mode in modes(run)):
        says = (
            "Blue: sources that another endpoint answers after one has left, a dot a repetition. Orange: those of them "
            "whose endpoint was still there. Dashed: one in as many as there are endpoints."
        )
        found.append((Drawn("moved", "Who moves when an endpoint leaves", says), partial(_moved, run)))
    return found


_MOVES = (("moved", BLUE, -0.12, "moved"), ("moved-needlessly", ORANGE, 0.12, "needlessly:\ntheir endpoint stayed"))


def _shares(made: Sequence[Shares]) -> Canvas:
    """A row a mode: before on the left, after on the right."""
    rows = list(dict.fromkeys(one.mode for one in made))
    canvas, axes = plt.subplots(
        len(rows), len(PHASES), figsize=(_WIDTH_IN, _ROW_IN * len(rows) + 0.3), squeeze=False, layout="constrained",
        sharey="row",
    )  # fmt: skip
    for mode, (left, _) in zip(rows, axes, strict=True):
        of = [one for one in made if one.mode == mode]
        tops = [top for one in of for at in range(len(one.counts)) for top in one.share(at).values()]
        left.set_ylim(0, 110 * max(tops, default=1.0))
    for one in made:
        _panel(axes[rows.index(one.mode)][PHASES.index(one.phase)], one)
    canvas.supxlabel(
        "bars: the share of each endpoint; lines: the ideal; dots: each repetition", fontsize=8, color=GREY
    )
    return canvas


def _panel(ax: Axes, one: Shares) -> None:
    names = list(one.weights)
    shown = range(len(one.counts)) if one.phase == BEFORE else range(1)
    total = {name: sum(one.counts[at].get(name, 0) for at in shown) for name in names}
    answers = sum(total.values())
    ideal = one.ideal(0)
    for x, name in enumerate(names):
        ax.bar(x, 100 * total[name] / answers, width=0.6, color=BLUE, alpha=0.55, linewidth=0)
        if name in ideal:
            ax.plot([x - 0.42, x + 0.42], [100 * ideal[name]] * 2, color=INK, linewidth=1.6)
            points = [100 * one.share(at).get(name, 0.0) for at in shown]
            ax.plot([x] * len(points), points, "o", color=BLUE, markersize=3, alpha=0.7, markeredgewidth=0)
        else:
            ax.annotate("left", (x, 0), (0, 3), textcoords="offset points", ha="center", color=GREY, fontsize=8)
    ax.set_xticks(range(len(names)), names, fontsize=8)
    ax.tick_params(axis="x", length=0)
    ax.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_title(f"{one.mode}, {one.phase}", fontsize=10, pad=16)
    ax.annotate(numbers(one.test), (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=8)
    if one.phase == BEFORE:
        ax.set_ylabel(f"% of {one.unit}", fontsize=8)


def _moved(run: Run) -> Canvas:
    rows = [mode for mode in modes(run) if mode != ROUND_ROBIN and values(run, "moved", mode)]
    canvas, ax = plt.subplots(figsize=(_WIDTH_IN, 0.5 * len(rows) + 1.1), layout="constrained")
    for y, mode in enumerate(rows):
        for metric, colour, shift, words in _MOVES:
            points = [100 * value for value in values(run, metric, mode)]
            at, label = [y + shift] * len(points), None if y else words
            ax.plot(points, at, "o", color=colour, alpha=0.5, markersize=4.5, markeredgewidth=0, label=label)
            ax.plot([estimate(points).median], [y + shift], "|", color=colour, markersize=13, markeredgewidth=2.4)
    share = 100 / len(weights_of(run))
    ax.axvline(share, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    ax.annotate(
        "had the endpoint", (share, -0.45), (3, 0), textcoords="offset points", color=GREY, fontsize=8, va="top"
    )
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlim(-2, 102)
    ax.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_xlabel("% of sources answered by another endpoint than before")
    ax.set_title("When one endpoint leaves")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False, labelcolor="linecolor")
    return canvas
