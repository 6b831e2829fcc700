"""How long the experiment `transfer` takes in a lab. Pure."""

from __future__ import annotations

from experiments.planning import Expected
from experiments.scenario import Scenario
from experiments.transfer import parameters
from experiments.transfer.parameters import FIRST_PACKET, LATENCY, OVERHEAD, PATH_MTU, THROUGHPUT

_BESIDE_S = {THROUGHPUT: 0.9, PATH_MTU: 0.6, OVERHEAD: 1.0, LATENCY: 0.2, FIRST_PACKET: 0.6}


def reading_s(what: str, scenario: Scenario) -> float:
    """How long a reading takes."""
    lasts = {THROUGHPUT: whole_s(scenario.pace.tcp_s), LATENCY: scenario.pace.latency_s}
    return lasts.get(what, 0.0) + _BESIDE_S[what]


def whole_s(seconds: float) -> int:
    """iperf3 takes whole seconds alone."""
    return max(1, round(seconds))


def expected(scenario: Scenario) -> Expected:
    """How long the run takes."""
    measure, repetitions = parameters.of(scenario.parameters).measure, scenario.pace.repetitions
    once = sum(reading_s(what, scenario) for what in measure)
    return Expected(len(measure) * repetitions, repetitions, repetitions * once + 1.0)
