"""The matrix as a heat map."""

from __future__ import annotations

import warnings
from itertools import product

import pytest
from matplotlib import pyplot as plt

from experiments.reach import plots, record
from experiments.reach.cells import Cell, Expected
from experiments.reach.probe import Outcome
from experiments.results import Run

pytestmark = pytest.mark.unit
PODS = [f"shop/catalogue-647f6fd94d-{number:05}" for number in range(12)]


def run_of(*ports: int) -> Run:
    """All pods to all at each port; at the last one nothing passes."""
    cells = [
        Cell(source, target, port, "TCP", Outcome("silent" if port == ports[-1] else "answered"), Expected.ALLOWED, "")
        for source, target, port in product(PODS, PODS, ports)
        if source != target
    ]
    samples = tuple(map(record.sample, cells))
    scenario = {"metadata": {"name": "matrix"}, "spec": {"compared": True}}
    return Run("r", "", "", scenario, (), 0, samples, (), (), {})


@pytest.mark.parametrize("ports", [(80, 81), tuple(range(8000, 8030))], ids=["few ports", "many ports"])
def test_a_map_is_as_large_as_there_is_room_for_however_many_ports_its_title_names(ports: tuple[int, ...]) -> None:
    drawn = plots.plots(run_of(*ports))
    assert [one.name for one, _ in drawn] == ["matrix", "matrix-1", "matrix-2"]
    for _, make in drawn:
        canvas = make()
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a layout that finds no room is not applied
            canvas.draw_without_rendering()
        for ax in canvas.axes:
            (title,) = ax.texts
            assert ax.get_window_extent().width > 0.2 * canvas.bbox.width
            assert title.get_window_extent().x1 < ax.get_window_extent().x0 + canvas.bbox.width / 2
            assert title.get_window_extent().y1 < canvas.bbox.height
        plt.close(canvas)
