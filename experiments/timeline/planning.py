"""How long the experiment `timeline` takes. Pure."""

from __future__ import annotations

from experiments.planning import Expected
from experiments.scenario import Scenario
from experiments.timeline import parameters

SERVERS_S = 4.0  # every server is asked once, before the first case
BESIDE_S = 3.2  # of a case: tools start and end, and the lab is itself again


def expected(scenario: Scenario) -> Expected:
    """How long the run takes."""
    cases, repetitions = parameters.of(scenario.parameters).cases, scenario.pace.repetitions
    once = sum(case.seconds + BESIDE_S for case in cases)
    return Expected(len(cases) * repetitions, repetitions, SERVERS_S + once * repetitions)
