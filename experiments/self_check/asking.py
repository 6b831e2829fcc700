"""What the description of a cluster asks of a way between two pods, as figures that can be measured. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import networkx
from scipy import stats

from topo.link_spec import LinkSpec
from topo.plan import Plan

BANDWIDTH, DELAY, LOSS, OVERHEAD, MTU = "bandwidth", "delay", "loss", "overhead", "mtu"
CHECKS = (BANDWIDTH, DELAY, LOSS, OVERHEAD, MTU)
OWN_DELAY = "own-delay"  # the machine's, where links ask for none: told beside a delay that is wrong, not judged
UNITS = {BANDWIDTH: "Mbit/s", DELAY: "ms", LOSS: "%", OVERHEAD: "B", MTU: "B", OWN_DELAY: "ms"}
NEAR = 0.03  # of a bandwidth
DELAY_MS, DELAY_PART = 1.0, 0.05  # whichever is more
SURE = 0.99  # that a loss as asked lies in the interval
ETHERNET = 14
TCP_HEADERS = 52  # IPv4, TCP and its timestamps


@dataclass(frozen=True)
class Asked:
    """One figure: what is asked, and between what it may lie."""

    check: str
    value: float
    low: float
    high: float
    words: str  # where the bounds come from


def path(plan: Plan, source: str, target: str) -> tuple[LinkSpec, ...]:
    """The links of a shortest way between two node bridges; all its like have the same description in our scenarios."""
    graph = networkx.Graph()
    for link in plan.links:
        graph.add_edge(link.a.switch, link.b.switch, like=link.like)
    steps = networkx.shortest_path(graph, source, target)
    return tuple(graph.edges[pair]["like"] for pair in pairwise(steps))


def asked(links: Sequence[LinkSpec], pod_mtu: int, carried: int, overhead: int, requests: int) -> Iterator[Asked]:
    """Everything that is asked of a way of these links."""
    if bandwidths := [link.bandwidth_mbit for link in links if link.bandwidth_mbit]:
        size = min(pod_mtu, carried)
        payload = min(bandwidths) * (size - TCP_HEADERS) / (size + overhead + ETHERNET)
        near = f"{100 * NEAR:g} %; frames at {min(bandwidths):g} Mbit/s, less headers"
        yield Asked(BANDWIDTH, payload, payload * (1 - NEAR), payload * (1 + NEAR), near)
    delay = sum(link.delay_ms or 0.0 for link in links)
    if delay:
        room = max(DELAY_MS, DELAY_PART * delay)
        yield Asked(DELAY, delay, delay - room, delay + room, f"{DELAY_MS:g} ms or {100 * DELAY_PART:g} %")
    kept = 1.0
    for link in links:
        kept *= (1 - (link.loss_percent or 0.0) / 100) ** 2  # there and back
    if kept < 1.0:
        low, high = (100 * bound / requests for bound in stats.binom.interval(SURE, requests, 1 - kept))
        yield Asked(
            LOSS, 100 * (1 - kept), low, high, f"binomial, {100 * SURE:g} %, {requests} requests there and back"
        )
    yield Asked(OVERHEAD, overhead, overhead, overhead, "exact, by capture")
    yield Asked(MTU, min(pod_mtu, carried), min(pod_mtu, carried), min(pod_mtu, carried), "exact")


def readings(checks: Collection[str]) -> tuple[str, ...]:
    """What is measured of a way of which that is asked."""
    return (*checks, *(() if DELAY in checks else (OWN_DELAY,)))
