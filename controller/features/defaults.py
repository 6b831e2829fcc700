"""Joins the stages: what no flow of a stage matches goes to the next one, or is dropped, as the stage says."""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Goto
from controller.flows import Flow, Owner
from controller.intents import Bridge
from controller.marks import Feature, Priority
from controller.tables import FABRIC_TABLES, NODE_TABLES, Default, after

FEATURE = Feature.PIPELINE


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """Drops are flows, too, so that they are counted."""
    for table in FABRIC_TABLES if one.fabric else NODE_TABLES:
        following = after(table)
        onward = (Goto(following),) if table.default is Default.NEXT and following else ()
        yield owner.flow(table, Priority.DEFAULT, {}, *onward)
