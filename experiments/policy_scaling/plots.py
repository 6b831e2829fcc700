"""Plots of the experiment `policy-scale`: every figure over the number of policies, and over a policy's peers."""

from __future__ import annotations

from functools import partial

from experiments.canvas import BLUE, ORANGE, Drawn, Plot
from experiments.policy_scaling.figures import SWEEPS
from experiments.policy_scaling.parameters import KUBE_ROUTER, PODWIRE
from experiments.results import Run
from experiments.scaling import drawing, sweeps
from experiments.scaling.drawing import Look
from experiments.scaling.sweeps import About

_LOOKS = {PODWIRE: Look(BLUE, "o"), KUBE_ROUTER: Look(ORANGE, "s")}
_PLOTS: tuple[tuple[str, str, tuple[About, ...]], ...] = (
    ("traffic", "Traffic", (("first-packet", 50), ("connections", ""), ("throughput", ""))),
    ("changes", "Changes", (("denied", ""), ("allowed", ""), ("covered", ""), ("programmed", ""), ("entries", ""))),
)


def plots(run: Run) -> list[Plot]:
    """Of each sweep what traffic feels, what changes cost, and what is held in memory."""
    found = list[Plot]()
    for sweep in SWEEPS:
        made, over = sweeps.series(run, sweep), f"over the number of {sweep.many}"
        says = f"{over.capitalize()}, both axes logarithmic: small marks are readings, lines join their medians."
        for name, title, wanted in _PLOTS:
            if panels := [panel for what in wanted if (panel := sweeps.about(made, what))]:
                drawn = Drawn(f"{sweep.label}-{name}", f"{title}, {over}", says)
                found.append((drawn, partial(drawing.panels, panels, _LOOKS)))
        if memory := [one for one in made if one.metric == "memory"]:
            drawn = Drawn(f"{sweep.label}-memory", f"Memory of the lab, {over}", says)
            found.append((drawn, partial(drawing.memory, memory)))
    return found
