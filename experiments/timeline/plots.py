"""Plots of the experiment `timeline`: every repetition in time with its events marked, and how the outages lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate, zip_longest
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Canvas

from experiments import strips
from experiments.canvas import BLUE, GREY, INK, ORANGE, Drawn, Plot
from experiments.results import Run
from experiments.timeline.figures import WATCHED, cases, events
from experiments.timeline.parameters import CONNECTIONS, TCP, UDP

_MAP = LinearSegmentedColormap.from_list("answered", ["#b2182b", "#fddbc7", "#e8eef3"])
_ROW_IN, _PANEL_IN = 0.13, 0.9
_LEVEL_PT, _LETTER = 9.0, 0.0085  # from one row of events' names to the next; a letter's part of the axis
Kept = Mapping[str, Any]  # one repetition of a case


def plots(run: Run) -> list[Plot]:
    """The timelines of every case, and the distribution of times without traffic."""
    kept: Mapping[str, Sequence[Kept]] = run.environment["lab"].get("timelines", {})
    found: list[Plot] = []
    for watch in (UDP, CONNECTIONS):
        shown = {case: kept[case] for case in cases(run) if case in kept and watch in kept[case][0]}
        if shown:
            says = (
                "A row a repetition, time from left to right. Red: nothing was answered. Grey blue: all. Black marks: "
                "events. Below each case: what the TCP stream moved, the median of the repetitions."
            )
            found.append(
                (Drawn(f"timeline-{watch}", f"In time: {WATCHED[watch]}", says), partial(_timelines, shown, watch))
            )
    if panels := list(_panels(run)):
        says = "Each dot a repetition, mark: the median, bar: its interval."
        found.append((Drawn("outages", "Time without traffic", says), partial(strips.draw, panels)))
    return found


def _panels(run: Run) -> list[strips.Panel]:
    made = []
    for watch, name in WATCHED.items():
        rows = [
            strips.Row(f"{case}: {one.label('event')}", tuple(value for _, value in one.values), colour=colour)
            for case in cases(run)
            for one, colour in zip(events(run, case, watch), (GREY, BLUE, *[ORANGE] * 9), strict=False)
        ]
        if rows:
            made.append(strips.Panel(f"{name}: time without traffic", "ms", tuple(rows)))
    return made


def _timelines(kept: Mapping[str, Sequence[Kept]], watch: str) -> Canvas:
    ratios = []
    for several in kept.values():
        ratios += [max(0.5, _ROW_IN * len(several)), 0.5 if _streamed(several) else 0.02]
    height = sum(ratios) + _PANEL_IN * len(kept) + 0.4
    canvas, axes = plt.subplots(
        len(ratios), 1, figsize=(9.0, height), height_ratios=ratios, squeeze=False, layout="constrained"
    )
    for place, (case, several) in enumerate(kept.items()):
        (upper,), (lower,) = axes[2 * place], axes[2 * place + 1]
        _rows(upper, case, several, watch)
        _stream(lower, several, _seconds(several, watch))
    axes[-1][0].set_xlabel("seconds from the case's beginning; black marks: when each event happened")
    return canvas


def _streamed(several: Sequence[Kept]) -> bool:
    return any(TCP in kept for kept in several)


def _rows(ax: Axes, case: str, several: Sequence[Kept], watch: str) -> None:
    rows = [kept[watch] for kept in several]
    if watch == CONNECTIONS:  # one each hundredth of a second: gaps between them are none of the network's
        rows = list(map(_filled, rows))
    seconds, image = _seconds(several, watch), _table(rows)
    extent = (0.0, seconds, len(several) - 0.5, -0.5)
    ax.imshow(image, aspect="auto", interpolation="nearest", cmap=_MAP, vmin=0, vmax=1, extent=extent)
    for y, kept in enumerate(several):
        times = [when for _, when in kept["events"]]
        ax.plot(times, [y] * len(times), "|", color=INK, markersize=7, markeredgewidth=1.4)
    events = several[0]["events"]
    above = levels(events, seconds)
    for (name, when), level in zip(events, above, strict=True):
        ax.annotate(
            name, (when, -0.5), (0, 3 + _LEVEL_PT * level), textcoords="offset points", fontsize=7.5, color=INK,
            ha="left", va="bottom",
        )  # fmt: skip
    ax.set_yticks([])
    ax.tick_params(axis="x", labelbottom=not _streamed(several))
    ax.set_title(case, pad=18 + _LEVEL_PT * max(above, default=0))


def _seconds(several: Sequence[Kept], watch: str) -> float:
    """How long the longest repetition took."""
    return max(len(kept[watch]) * float(kept["binS"]) for kept in several)


def _table(rows: Sequence[Sequence[float | None]]) -> np.ndarray[Any, Any]:
    """A row a repetition; nan where there is nothing, and where others took longer."""
    return np.array(list(zip_longest(*rows)), dtype=float).T


def levels(events: Sequence[tuple[str, float]], seconds: float) -> list[int]:
    """How high each event's name stands, so that none lies on another's."""
    ends: list[float] = []  # of what stands on each level
    found = []
    for name, when in events:
        level = next((place for place, end in enumerate(ends) if end <= when), len(ends))
        ends[level : level + 1] = [when + seconds * (len(name) + 1) * _LETTER]
        found.append(level)
    return found


def _filled(row: Sequence[float | None]) -> list[float | None]:
    """Each hole as what came before it."""

    def latest(before: float | None, one: float | None) -> float | None:
        return before if one is None else one

    return list(accumulate(row, latest))


def _stream(ax: Axes, several: Sequence[Kept], seconds: float) -> None:
    kept_by = [kept for kept in several if TCP in kept]
    ax.set_xlim(0, seconds)
    if not kept_by:
        ax.set_axis_off()
        return
    width = kept_by[0]["streamBinS"]
    middle = np.nanmedian(_table([kept[TCP] for kept in kept_by]), axis=0)
    ax.step([(place + 0.5) * width for place in range(len(middle))], middle, where="mid", color=ORANGE, linewidth=1.2)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("TCP\nMbit/s", fontsize=7, color=ORANGE)
    ax.tick_params(axis="y", labelsize=7)
