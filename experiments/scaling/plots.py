"""Plots of the experiment `service-scale`: every figure over the number of Services, both logarithmic."""

from __future__ import annotations

from functools import partial

from experiments.canvas import BLUE, ORANGE, Drawn, Plot
from experiments.results import Run
from experiments.scaling import drawing, sweeps
from experiments.scaling.drawing import GREEN, Look
from experiments.scaling.figures import SERVICES
from experiments.scaling.parameters import IPTABLES, NFTABLES, PODWIRE
from experiments.scaling.sweeps import About

_LOOKS = {PODWIRE: Look(BLUE, "o"), IPTABLES: Look(ORANGE, "s"), NFTABLES: Look(GREEN, "^")}
_PLOTS: tuple[tuple[str, str, tuple[About, ...]], ...] = (
    ("traffic", "Traffic", (("first-packet", 50), ("connections", ""), ("throughput", ""))),
    ("changes", "Changes", (("served", ""), ("programmed", ""), ("entries", ""))),
)


def plots(run: Run) -> list[Plot]:
    """What traffic feels, what changes cost, and what is held in memory."""
    made, found = sweeps.series(run, SERVICES), list[Plot]()
    says = "Over the number of Services, both axes logarithmic: small marks are readings, lines join their medians."
    for name, title, wanted in _PLOTS:
        if panels := [panel for what in wanted if (panel := sweeps.about(made, what))]:
            drawn = Drawn(name, f"{title}, over the number of Services", says)
            found.append((drawn, partial(drawing.panels, panels, _LOOKS)))
    if memory := [one for one in made if one.metric == "memory"]:
        drawn = Drawn("memory", "Memory of the lab, over the number of Services", says)
        found.append((drawn, partial(drawing.memory, memory)))
    return found
