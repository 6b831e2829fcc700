"""Features: each turns the intents that concern it into flows. Pure; none knows another.

A feature's module has its number (`FEATURE`) and a function for each kind of intent that it listens to, named as in
`LISTENERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from controller.border import BorderGateway, BorderPort
from controller.external import ExternalRoute
from controller.flows import Flow, Group, Owner
from controller.intents import Bridge, Egress, Gateway, HostPort, Intent, LocalPort, Refusal, Route
from controller.marks import Feature
from controller.overlay import OverlayEnd, OverlayRoute
from controller.policy.entries import Isolation, Itself, PolicyEntry, RulePeer, RulePod, RulePort, RuleVerdict
from controller.services import Choice, ClosedPort, CountedPort, FrontEnd, VirtualAddress

from . import (
    affinity,
    arp_responder,
    balancing,
    border,
    classifier,
    conntrack,
    defaults,
    denial,
    egress,
    exemptions,
    external_addresses,
    fabric,
    gateway,
    hairpin,
    host_ports,
    isolation,
    masquerade,
    output,
    overlay,
    path_mtu,
    policy,
    routing,
    service_counters,
    services,
    spoof_guard,
    time_exceeded,
    unreachable,
)

Writer = tuple[Feature, Callable[[Any, Owner], Iterator[Flow | Group] | Iterator[Flow] | Iterator[Group]]]

MODULES: dict[Feature, ModuleType] = {
    module.FEATURE: module
    for module in (
        affinity, arp_responder, balancing, border, classifier, conntrack, defaults, denial, egress, exemptions,
        external_addresses, fabric, gateway, hairpin, host_ports, isolation, masquerade, output, overlay, path_mtu,
        policy, routing, service_counters, services, spoof_guard, time_exceeded, unreachable,
    )
}  # fmt: skip

PURPOSES = MODULES | dict.fromkeys(policy.FEATURES.values(), policy)  # a rule's action is told by its feature

LISTENERS: dict[type[Intent | PolicyEntry], str] = {
    Bridge: "bridge",
    LocalPort: "local_port",
    Gateway: "gateway",
    Route: "route",
    Refusal: "refusal",
    Egress: "egress",
    BorderPort: "border_port",
    BorderGateway: "border_gateway",
    HostPort: "host_port",
    FrontEnd: "front_end",
    Choice: "choice",
    ClosedPort: "closed_port",
    VirtualAddress: "virtual_address",
    CountedPort: "counted_port",
    ExternalRoute: "external_route",
    OverlayEnd: "overlay_end",
    OverlayRoute: "overlay_route",
    Isolation: "isolation",
    Itself: "itself",
    RulePod: "rule_pod",
    RulePeer: "rule_peer",
    RulePort: "rule_port",
    RuleVerdict: "rule_verdict",
}

WRITERS: dict[type[Intent | PolicyEntry], tuple[Writer, ...]] = {
    kind: tuple(
        (feature, getattr(module, name)) for feature, module in sorted(MODULES.items()) if hasattr(module, name)
    )
    for kind, name in LISTENERS.items()
}


def write(intent: Intent | PolicyEntry, subject: str) -> Iterator[Flow | Group]:
    """Every flow and group that an intent of the object `subject` (`Kind namespace/name`) means."""
    for feature, writer in WRITERS[type(intent)]:
        yield from writer(intent, Owner(feature, subject))
