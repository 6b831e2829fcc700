"""What each system's readings say as Services grow in number. Pure."""

from __future__ import annotations

from experiments import limits
from experiments.results import Run
from experiments.scaling import sweeps
from experiments.scaling.parameters import IPTABLES, NFTABLES, PODWIRE
from experiments.scaling.sweeps import About, Sweep
from experiments.story import Story

SERVICES = Sweep(
    label="services",
    one="Service",
    many="Services",
    titles={
        ("programmed", ""): "all are programmed after",
        ("served", ""): "a new endpoint answers after",
        ("first-packet", 50): "a new connection takes, median",
        ("first-packet", 99): "a new connection takes, percentile 99",
        ("connections", ""): "connections a second",
        ("throughput", ""): "throughput of one stream",
        ("entries", ""): "flows and groups, or rules",
        ("memory", "all"): "memory of the whole lab",
        ("memory", "ovs-vswitchd"): "memory of ovs-vswitchd",
        ("memory", "controller"): "memory of the controller",
        ("memory", "API server"): "memory of the API server",
    },
    systems={PODWIRE: "podwire", IPTABLES: "kube-proxy's iptables rules", NFTABLES: "kube-proxy's nftables rules"},
)
_FIRST: tuple[About, ...] = (
    ("first-packet", 50),
    ("connections", ""),
    ("served", ""),
    ("programmed", ""),
    ("throughput", ""),
)


def story(run: Run) -> Story:
    """The run in words and numbers."""
    made = sweeps.series(run, SERVICES)
    return Story(
        headline=tuple(sweeps.headline(made, _FIRST)),
        limits=tuple(limits.of_readings(run)),
        notes=_NOTES,
        tables=tuple(sweeps.tables(made, SERVICES)),
    )


_NOTES = (
    "Every Service has its own address and EndpointSlice. The peer is a Linux router in the same sandbox, between "
    "namespaces like the pods' with the same servers in them; its rules are those that kube-proxy would install for "
    "the same Services, in iptables mode and in nftables mode. Its packets are routed by the kernel, the lab's by Open "
    "vSwitch: where that runs in userspace, how the figures grow says more than how they compare.",
    "A new connection: from its first packet to the end of the handshake, one connection at a time, each to a Service "
    "that was not asked before while there are others. Connections a second: many at once over all Services, each "
    "asked who answers; client and servers are the same programs for every system, and have their part in it.",
    "A new endpoint: from the writing of the change (of an EndpointSlice; of the changed chains by iptables-restore or "
    "nft, whose start is part of it) until it answers a new connection. kube-proxy gathers changes for up to a second "
    "and learns of them from an API server; neither is in the peer's figure, the second is in the lab's. All "
    "programmed: from the first write to the API, or the start of loading the rules, until the last Services and "
    "others in between answer.",
    "The interval of a fitted exponent is Student's, over the medians of the sizes. The kernel does not tell what "
    "memory the peer's rules take in a namespace.",
)
