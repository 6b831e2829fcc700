"""How long the experiment `self-check` takes. Pure."""

from __future__ import annotations

from experiments.planning import Expected
from experiments.scenario import Scenario
from experiments.self_check import parameters
from experiments.self_check.asking import CHECKS

RATE_PER_S = 500.0  # requests, of loss
_BESIDE_S = 0.9


def reading_s(check: str, scenario: Scenario) -> float:
    """How long a reading takes."""
    given, pace = parameters.of(scenario.parameters), scenario.pace
    lasts = {"bandwidth": pace.tcp_s, "delay": pace.latency_s, "loss": given.requests / RATE_PER_S}
    return lasts.get(check, 0.0) + _BESIDE_S


def expected(scenario: Scenario) -> Expected:
    """How long the run takes, where everything is asked."""
    repetitions = scenario.pace.repetitions
    once = sum(reading_s(check, scenario) for check in CHECKS)
    return Expected(len(CHECKS) * repetitions, repetitions, once * repetitions)
