"""Draws a run's figures: every reading a dot, the median a mark, the interval a bar, names and values beside them.

Colours are of Okabe and Ito's palette, which colour-blind readers tell apart; nothing has to be looked up in a legend.
The same run gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter

from experiments import wording
from experiments.canvas import BLUE, GREY, INK, ORANGE, Drawn, Plot
from experiments.measurements import LATENCY, LOSS, THROUGHPUT
from experiments.results import Run
from experiments.summary import Figure, Figures, figures
from experiments.throughput import FLOOR, TCP, UDP

_PERCENTILE_COLOURS = (BLUE, INK, ORANGE)
_ROW_IN, _WIDTH_IN = 0.42, 9.0


def plots(run: Run) -> list[Plot]:
    """A plot for everything that the run measured."""
    made, found = figures(run), list[Plot]()
    for protocol in (TCP, UDP):
        if measured := made.of(THROUGHPUT, protocol=protocol):
            drawn = Drawn(
                f"throughput-{protocol.lower()}",
                f"{protocol} throughput",
                "Of every path and floor: each reading, median and interval",
            )
            found.append((drawn, partial(_throughput, made, measured)))
    if measured := made.of(LATENCY):
        drawn = Drawn(
            "latency", "Request-response latency", "Round-trip times: percentiles 50, 90 and 99 of every path"
        )
        found.append((drawn, partial(_latency, measured)))
    return found


def _throughput(figures: Figures, measured: Sequence[Figure]) -> Canvas:
    """A panel for each number of streams, one above the other, on one scale."""
    loads = sorted({(int(one.label("streams") or 1), int(one.label("message") or 0)) for one in measured})
    panels = [[one for one in measured if (one.label("streams"), one.label("message") or 0) == load] for load in loads]
    alike = not any(message for _, message in loads)  # small messages are of another scale
    canvas, axes = _canvas([len(panel) for panel in panels], shared=alike)
    top = max(value for one in measured for _, value in one.values)
    scale, unit = (1000.0, "Gbit/s") if top >= 1000 else (1.0, "Mbit/s")
    dashed = ""
    for (count, message), panel, ax in zip(loads, panels, axes, strict=True):
        _rows(ax, panel)
        base = next((one for one in panel if one.route == wording.BASE and not one.swept), None)
        for y, one in enumerate(panel):
            _marks(ax, y, one, scale, _colour(one))
            _aside(ax, y, 6, _beside(figures, one))
        if base:
            dashed = "; dashed: Open vSwitch with actions=normal"
            ax.axvline(base.estimate.median / scale, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        ax.set_title(f"{panel[0].label('protocol')}, {wording.streams(count)}{wording.messages(message)}")
        _aside(ax, -0.75, 6, "median, × actions=normal", color=GREY, fontsize=8)
        ax.set_xlim(0, (top if alike else max(value for one in panel for _, value in one.values)) / scale * 1.04)
        ax.tick_params(axis="x", labelbottom=True)
    axes[-1].set_xlabel(f"{unit} received; each dot a reading{dashed}")
    return canvas


def _beside(figures: Figures, figure: Figure) -> str:
    text = wording.quantity(figure.estimate.median, figure.unit)
    if figure.route.path != FLOOR and (ratio := figures.ratio(figure, wording.BASE)):
        text += f", ×{wording.share(ratio)}"
    loss = next((one for one in figures.of(LOSS) if one.labels == figure.labels), None)
    if figure.label("protocol") == UDP and loss:
        text += f", {wording.digits(loss.estimate.median)} % lost"
    return text


def _latency(measured: Sequence[Figure]) -> Canvas:
    """Percentiles of a path on its row, on a logarithmic scale; their values beside it, in the marks' colours."""
    routes = list(dict.fromkeys((one.route, one.swept) for one in measured))
    canvas, (ax,) = _canvas([len(routes)])
    _rows(ax, [next(one for one in measured if (one.route, one.swept) == route) for route in routes])
    percentiles = sorted({int(one.label("percentile") or 50) for one in measured})
    for column, percentile in enumerate(percentiles):
        colour, points = _PERCENTILE_COLOURS[column % len(_PERCENTILE_COLOURS)], 54 + 56 * column
        _aside(ax, -0.75, points, f"p{percentile}", color=colour, weight="bold", ha="right")
        for one in (one for one in measured if one.label("percentile") == percentile):
            y = routes.index((one.route, one.swept))
            _marks(ax, y + 0.24 * (column - (len(percentiles) - 1) / 2), one, 1.0, colour, small=True)
            _aside(ax, y, points, wording.quantity(one.estimate.median, one.unit), color=colour, ha="right")
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.quantity(value, "us")))
    ax.set_title("Round-trip time")
    ax.set_xlabel("of a small UDP request and its reply, logarithmic; each dot the percentile of one reading")
    return canvas


def _canvas(rows: Sequence[int], *, shared: bool = True) -> tuple[Canvas, list[Axes]]:
    height = sum(rows) * _ROW_IN + 0.9 * len(rows) + 0.3
    canvas, axes = plt.subplots(
        len(rows),
        1,
        figsize=(_WIDTH_IN, height),
        sharex=shared,
        squeeze=False,
        height_ratios=rows,
        layout="constrained",
    )
    if isinstance(engine := canvas.get_layout_engine(), ConstrainedLayoutEngine):
        engine.set(h_pad=0.12)
    return canvas, [ax for (ax,) in axes]


def _rows(ax: Axes, figures: Sequence[Figure]) -> None:
    ax.set_yticks(range(len(figures)), [wording.place(one) for one in figures])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(figures) - 0.5, -0.5)
    ax.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    for y, one in enumerate(figures):
        if one.route.path == FLOOR:
            ax.axhspan(y - 0.5, y + 0.5, color="#f4f4f4", zorder=-1, linewidth=0)


def _marks(ax: Axes, y: float, figure: Figure, scale: float, colour: str, *, small: bool = False) -> None:
    """The readings as dots, their median and interval; the dots below the line where there is room."""
    values = [value / scale for _, value in figure.values]
    known, below, length = figure.estimate, 0.0 if small else 0.2, 8 if small else 13
    ax.plot(
        [known.low / scale, known.high / scale], [y, y], color=colour, linewidth=3, alpha=0.3, solid_capstyle="butt"
    )
    ax.plot(values, [y + below] * len(values), "o", color=colour, alpha=0.45, markersize=3.8, markeredgewidth=0)
    ax.plot([known.median / scale], [y], "|", color=colour, markersize=length, markeredgewidth=2.6)


def _aside(ax: Axes, y: float, points: float, text: str, **given: Any) -> None:
    """Text on a row's height, so many points to the right of the axes."""
    look: dict[str, Any] = {"va": "center", "fontsize": 9, **given}
    place = (1.0, y)
    ax.annotate(text, place, (points, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points", **look)


def _colour(figure: Figure) -> str:
    return GREY if figure.route.path == FLOOR else BLUE
