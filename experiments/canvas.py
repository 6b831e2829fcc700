"""How plots look, and how they are written: as PNG and as SVG, the same bytes for the same figures each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure as Canvas

BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#6a6a6a", "#222222"
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": "#999999",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "figure.constrained_layout.h_pad": 0.1,
    "svg.hashsalt": "podwire",
    "svg.fonttype": "path",
}
_DPI = 150


@dataclass(frozen=True)
class Drawn:
    """A plot on disk, as PNG and as SVG."""

    name: str  # without the suffix
    title: str
    says: str  # for those who cannot see it


Plot = tuple[Drawn, Callable[[], Canvas]]  # what is drawn, and who draws it


def draw(plots: Sequence[Plot], folder: Path) -> list[Drawn]:
    """Write plots into a folder."""
    with plt.rc_context(_STYLE):  # type: ignore[arg-type]  # its type lists every key
        for drawn, make in plots:
            _save(make(), folder / drawn.name)
    return [drawn for drawn, _ in plots]


def rendered(make: Callable[[], Canvas], path: Path) -> None:
    """Write one plot to one file, as SVG or PNG by its suffix. Raises OSError."""
    with plt.rc_context(_STYLE):  # type: ignore[arg-type]  # its type lists every key
        canvas = make()
        _write(canvas, path)
        plt.close(canvas)


def _save(canvas: Canvas, path: Path) -> None:
    for suffix in (".png", ".svg"):
        _write(canvas, path.with_suffix(suffix))
    plt.close(canvas)


def _write(canvas: Canvas, path: Path) -> None:
    if path.suffix == ".png":
        canvas.savefig(path, dpi=_DPI, metadata={"Software": None})
    else:
        canvas.savefig(path, metadata={"Date": None, "Creator": None})
