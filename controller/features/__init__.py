"""Features: each turns the intents that concern it into flows. Pure; none knows another.

A feature's module has its number (`FEATURE`) and a function for each kind of intent that it listens to, named as in
`LISTENERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
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

MODULES: dict[Feature, ModuleType] = {
    module.FEATURE: module
    for module in (
        arp_responder, classifier, conntrack, defaults, fabric, gateway, hairpin, output, routing, services,
        spoof_guard, time_exceeded, unreachable,
    )
}  # fmt: skip

LISTENERS: dict[type[Intent], str] = {
    Bridge: "bridge",
    LocalPort: "local_port",
    Gateway: "gateway",
    Route: "route",
    Refusal: "refusal",
    VirtualPort: "virtual_port",
    VirtualAddress: "virtual_address",
}

WRITERS: dict[type[Intent], tuple[Writer, ...]] = {
    kind: tuple(
        (feature, getattr(module, name)) for feature, module in sorted(MODULES.items()) if hasattr(module, name)
    )
    for kind, name in LISTENERS.items()
}


def write(intent: Intent, subject: str) -> Iterator[Flow | Group]:
    """Every flow and group that an intent of the object `subject` (`Kind namespace/name`) means."""
    for feature, writer in WRITERS[type(intent)]:
        yield from writer(intent, Owner(feature, subject))
