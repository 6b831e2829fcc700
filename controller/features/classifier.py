"""Tells packets apart by where they enter a bridge. What comes in by a port that nobody has is dropped."""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Goto as To
from controller.actions import SetField, load
from controller.flows import IP, Fields, Flow, Owner
from controller.intents import Bridge, LocalPort
from controller.marks import OUTSIDE, SOURCE, SOURCE_ZONE, ZONE, Feature, Priority, Source
from controller.tables import ARP_RESPONDER, CLASSIFIER, CONNTRACK

FEATURE = Feature.CLASSIFIER


def local_port(port: LocalPort, owner: Owner) -> Iterator[Flow]:
    """From a pod or a node: on to the checks that such packets have to pass."""
    marks = entry_marks(port.source, port.zone, port.source_zone)
    yield owner.flow(CLASSIFIER, Priority.NORMAL, {"in_port": port.port}, *marks, To(ARP_RESPONDER))


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """From the fabric, where every switch is one of ours."""
    if one.fabric:
        return
    for port in one.uplinks:
        marks = (*entry_marks(Source.UPLINK, one.zone, one.source_zone), load(OUTSIDE, 1))
        fields: Fields = {"in_port": port, "eth_type": IP, "eth_dst": one.mac}
        yield owner.flow(CLASSIFIER, Priority.NORMAL, fields, *marks, To(CONNTRACK))


def entry_marks(source: Source, zone: int, source_zone: int) -> tuple[SetField, ...]:
    """What every packet in a node bridge carries."""
    return (load(SOURCE, source), load(ZONE, zone), load(SOURCE_ZONE, source_zone))
