"""How long the experiment `self-check` takes. Pure."""

from __future__ import annotations

from experiments.catalogue import Prepared
from experiments.planning import Expected
from experiments.scenario import Scenario
from experiments.self_check import asking, parameters
from topo.plan import plan as plan_of

RATE_PER_S = 500.0  # requests, of loss
_BESIDE_S = 0.9


def reading_s(check: str, scenario: Scenario) -> float:
    """How long a reading takes."""
    given, pace = parameters.of(scenario.parameters), scenario.pace
    lasts = {
        "bandwidth": pace.tcp_s,
        "delay": pace.latency_s,
        asking.OWN_DELAY: pace.latency_s,
        "loss": given.requests / RATE_PER_S,
    }
    return lasts.get(check, 0.0) + _BESIDE_S


def expected(prepared: Prepared) -> Expected:
    """How long what a lab's description asks for takes."""
    plan, repetitions = plan_of(prepared.cluster), prepared.scenario.pace.repetitions
    links = [link.like for link in plan.links]
    asked = asking.asked(links, plan.spec.pod_mtu, plan.spec.carried, overhead=0, requests=1)
    checks = asking.readings([one.check for one in asked])
    once = sum(reading_s(check, prepared.scenario) for check in checks)
    return Expected(len(checks) * repetitions, repetitions, once * repetitions)
