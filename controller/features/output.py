"""Sends packets out. Open vSwitch drops what would leave by the port that it came in by, unless that is forgotten.

What a pod sends to itself through a Service has to leave so, and what outside clients and their endpoints elsewhere
send one another. Nothing else that came from the fabric may go back there.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import OutputMark, SetField
from controller.flows import Flow, Owner
from controller.intents import Bridge
from controller.marks import JUDGED_ONLY, MASQUERADE, OUT_PORT, SOURCE, Feature, Priority, Source
from controller.tables import OUTPUT

FEATURE = Feature.OUTPUT


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """Out of the port that the register names."""
    if one.fabric:
        return
    out = OutputMark(OUT_PORT.name)
    yield owner.flow(OUTPUT, Priority.SPECIFIC, {SOURCE.name: Source.UPLINK}, out)
    yield owner.flow(OUTPUT, Priority.STRICT, {MASQUERADE.name: 1}, SetField("in_port", 0), out)
    yield owner.flow(OUTPUT, Priority.FIRST, {JUDGED_ONLY.name: 1})
    yield owner.flow(OUTPUT, Priority.NORMAL, {}, SetField("in_port", 0), out)
