"""What each system's readings say as policies grow in number, and one policy's peers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from experiments import limits
from experiments.policy_scaling.parameters import KUBE_ROUTER, PODWIRE
from experiments.results import Run
from experiments.scaling import sweeps
from experiments.scaling.sweeps import About, Sweep
from experiments.story import Story

SYSTEMS = {PODWIRE: "podwire", KUBE_ROUTER: "kube-router's rules and sets"}
TITLES: Mapping[About, str] = {
    ("denied", ""): "a new policy forbids after",
    ("allowed", ""): "a new policy allows after",
    ("covered", ""): "a new pod is judged right after",
    ("programmed", ""): "all hold after",
    ("first-packet", 50): "a first packet's connection takes, median",
    ("first-packet", 99): "a first packet's connection takes, percentile 99",
    ("connections", ""): "connections a second",
    ("throughput", ""): "throughput of one stream",
    ("entries", ""): "flows and groups, or rules and sets' members",
    ("memory", "all"): "memory of the whole lab",
    ("memory", "ovs-vswitchd"): "memory of ovs-vswitchd",
    ("memory", "controller"): "memory of the controller",
    ("memory", "API server"): "memory of the API server",
}
POLICIES = Sweep("policies", "policy", "policies", TITLES, SYSTEMS)
PEERS = Sweep("peers", "peer in one policy", "peers in one policy", TITLES, SYSTEMS)
SWEEPS = (POLICIES, PEERS)
_FIRST: tuple[About, ...] = (
    ("first-packet", 50),
    ("connections", ""),
    ("throughput", ""),
    ("denied", ""),
    ("covered", ""),
)


def story(run: Run) -> Story:
    """The run in words and numbers."""
    made = [(sweep, sweeps.series(run, sweep)) for sweep in SWEEPS]
    return Story(
        headline=(*(line for _, of in made for line in sweeps.headline(of, _FIRST)), *_leaked(run)),
        limits=tuple(limits.of_readings(run)),
        notes=_NOTES,
        tables=tuple(table for sweep, of in made for table in sweeps.tables(of, sweep)),
    )


def _leaked(run: Run) -> Iterator[str]:
    """How many of the pods that came were reached by who may not, before they were judged right."""
    for system, name in SYSTEMS.items():
        of = [one for one in run.samples if one.metric == "leaked" and dict(one.labels)["system"] == system]
        if of:
            came = sum(int(dict(one.labels)["of"]) for one in of)
            wrong = sum(round(one.value) for one in of)
            yield f"Of {came} new pods with {name}, {wrong} could be reached by who may not before they were covered."


_NOTES = (
    "Every policy is about ingress alone. The first of many are one a server, which let the client in; the others are "
    "about the same servers in turn, each with a podSelector, an address and a port of its own. The policy of many "
    "peers is about all servers; its peers are the client and single addresses that are no neighbours.",
    "The peer is a Linux router in the same sandbox, between namespaces like the pods' with the same servers in them. "
    "It holds the chains and sets that kube-router would for the same policies and pods, all on one node, loaded by "
    "`ipset restore` and `iptables-restore`; like kube-router it writes everything anew at each change. Its packets "
    "are routed by the kernel, the lab's by Open vSwitch: where that runs in userspace, how the figures grow says more "
    "than how they compare.",
    "A first packet's connection: from its first packet to the end of the handshake, one at a time, after Open "
    "vSwitch's caches were emptied. Netfilter has none. Connections a second: many at once to all servers, cached.",
    "A new policy: from the writing of it until the first connection that it forbids is not answered, or one that it "
    "allows is; one is tried every 4 ms. All hold: from the first write until one that is written last allows. In "
    "the lab the API server has its part in it. In the peer nothing is before the loading of the rules, where "
    "kube-router hears of changes from an API server, lists what the kernel holds, and computes.",
    "A new pod: in the lab from its creation in the API until its server is reached by whom a policy lets in and by "
    "nobody else, with all that makes a pod (scheduling, its namespace, its address); in the peer, whose pod is there "
    "already, from the writing of its rules until they hold. Until then the peer's pod is open, as kube-router leaves "
    "it unless --netpol-default-deny is given.",
    "Changes and new pods that take long are read fewer times. The interval of a fitted exponent is Student's, over "
    "the medians of the sizes but 0. The kernel does not tell what memory the peer's rules take in a namespace.",
)
