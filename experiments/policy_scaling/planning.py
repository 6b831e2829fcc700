"""How long a run takes. Pure."""

from __future__ import annotations

from experiments.planning import Expected
from experiments.policy_scaling import parameters
from experiments.policy_scaling.parameters import KUBE_ROUTER, PODWIRE, PolicyScaling
from experiments.scenario import Pace, Scenario

METRICS = ("first-packet", "throughput", "connections", "changes", "newcomers")  # those that are read again and again
LIMITED = ("changes", "newcomers")  # and these as often as there is time for
CONNECTIONS_PER_S, ENTER_S, SETTLE_S, POD_S = 2500.0, 0.25, 0.9, 0.55
_WRITE_S = {PODWIRE: (0.02, 0.0, 0.0), KUBE_ROUTER: (0.1, 0.0009, 1e-6)}  # once, for each policy, for its square
_LOAD_S = {PODWIRE: (1.0, 0.012, 0.0), KUBE_ROUTER: (0.7, 0.0018, 2e-6)}


def budget_s(pace: Pace) -> float:
    """For changes, and for newcomers, of one system at one size; the first reading is taken in any case."""
    return 20 * pace.tcp_s


def load_s(system: str, policies: int) -> float:
    """How long it takes to have so many policies, and to be rid of those before."""
    return _cost(_LOAD_S[system], policies)


def reading_s(metric: str, system: str, policies: int, given: PolicyScaling, pace: Pace) -> float:
    """How long one reading takes where there are so many policies."""
    write = _cost(_WRITE_S[system], policies)
    changes, newcomers = (max(1, count // pace.repetitions) for count in (given.changes, given.newcomers))
    return ENTER_S + {
        "first-packet": given.first_packets * 0.004,
        "throughput": pace.tcp_s,
        "connections": given.connections / CONNECTIONS_PER_S,
        "changes": changes * (SETTLE_S + 3 * write),
        "newcomers": newcomers * (POD_S + 3 * write),
    }.get(metric, 0.0)


def of_metric_s(metric: str, system: str, policies: int, given: PolicyScaling, pace: Pace) -> float:
    """How long all its readings take where there are so many policies."""
    one = reading_s(metric, system, policies, given, pace)
    if metric in LIMITED:
        return max(one, min(one * pace.repetitions, budget_s(pace)))
    return one * pace.repetitions


def expected(scenario: Scenario) -> Expected:
    """How long the run takes."""
    given, pace = parameters.of(scenario.parameters), scenario.pace
    sizes = [*given.policies, *(1 for _ in given.policy_peers)]
    cells = [(system, size) for system in given.systems for size in sizes]
    seconds = sum(load_s(*cell) for cell in cells)
    seconds += sum(of_metric_s(metric, *cell, given, pace) for cell in cells for metric in METRICS)
    return Expected(len(cells) * pace.repetitions * len(METRICS), pace.repetitions, seconds)


def _cost(of: tuple[float, float, float], policies: int) -> float:
    once, each, square = of
    return once + each * policies + square * policies * policies
