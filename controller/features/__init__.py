"""Features: each turns the intents that concern it into flows. Pure; none knows another.

A feature's module has its number (`FEATURE`) and a function for each kind of intent that it listens to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from controller.flows import Flow, Group, Owner
from controller.intents import Bridge, Gateway, Intent, LocalPort, Refusal, Route, VirtualAddress, VirtualPort
from controller.marks import Feature

from . import (
    arp_responder,
    classifier,
    conntrack,
    defaults,
    fabric,
    gateway,
    hairpin,
    output,
    routing,
    services,
    spoof_guard,
    time_exceeded,
    unreachable,
)

Writer = tuple[Feature, Callable[[Any, Owner], Iterator[Flow | Group] | Iterator[Flow] | Iterator[Group]]]

WRITERS: dict[type[Intent], tuple[Writer, ...]] = {
    Bridge: tuple(
        (module.FEATURE, module.bridge)
        for module in (
            defaults, classifier, arp_responder, conntrack, routing, fabric, output, time_exceeded, unreachable,
        )
    ),
    LocalPort: tuple(
        (module.FEATURE, module.local_port) for module in (classifier, arp_responder, spoof_guard, routing, hairpin)
    ),
    Gateway: tuple((module.FEATURE, module.gateway) for module in (gateway, hairpin)),
    Route: ((routing.FEATURE, routing.route), (fabric.FEATURE, fabric.route)),
    Refusal: ((services.FEATURE, services.refusal),),
    VirtualPort: ((services.FEATURE, services.virtual_port),),
    VirtualAddress: ((services.FEATURE, services.virtual_address),),
}  # fmt: skip


def write(intent: Intent, subject: str) -> Iterator[Flow | Group]:
    """Every flow and group that an intent of the object `subject` (`Kind namespace/name`) means."""
    for feature, writer in WRITERS[type(intent)]:
        yield from writer(intent, Owner(feature, subject))
