"""How long a run takes. Pure."""

from __future__ import annotations

from experiments.planning import Expected
from experiments.scaling import parameters
from experiments.scaling.parameters import PODWIRE, Scaling
from experiments.scenario import Pace, Scenario

METRICS = ("first-packet", "throughput", "connections", "served")  # those that are read again and again
CONNECTIONS_PER_S, ENTER_S, SERVED_S = 2500.0, 0.25, 0.3
_LOAD_S = {PODWIRE: (0.5, 0.011), "iptables": (0.2, 0.003), "nftables": (0.2, 0.001)}  # once, and for each Service


def load_s(system: str, size: int) -> float:
    """How long it takes to have so many Services, and to be rid of those before."""
    once, each = _LOAD_S[system]
    return once + each * size


def reading_s(metric: str, given: Scaling, pace: Pace) -> float:
    """How long one reading takes."""
    return ENTER_S + {
        "first-packet": given.first_packets * 0.002,
        "throughput": pace.tcp_s,
        "connections": given.connections / CONNECTIONS_PER_S,
        "served": given.changes / pace.repetitions * SERVED_S,
    }.get(metric, 0.0)


def expected(scenario: Scenario) -> Expected:
    """How long the run takes."""
    given, pace = parameters.of(scenario.parameters), scenario.pace
    loads = sum(load_s(system, size) for system in given.systems for size in given.sizes)
    once = sum(reading_s(metric, given, pace) for metric in METRICS)
    count = len(given.systems) * len(given.sizes) * pace.repetitions
    return Expected(count * len(METRICS), pace.repetitions, loads + count * once)
