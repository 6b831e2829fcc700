"""How long the experiment `timeline` takes, and whether its faults can be done."""

from __future__ import annotations

from experiments.catalogue import Prepared
from experiments.planning import Expected
from experiments.scenario import Scenario
from experiments.timeline import parameters
from k8sshim.errors import BadInput
from lab import needs
from lab.faults.targets import VETH_ALONE, planned
from topo.fields import Problems
from topo.plan import plan as plan_of

SERVERS_S = 4.0  # every server is asked once, before the first case
BESIDE_S = 3.2  # of a case: tools start and end, and the lab is itself again


def expected(scenario: Scenario) -> Expected:
    """How long the run takes."""
    cases, repetitions = parameters.of(scenario.parameters).cases, scenario.pace.repetitions
    once = sum(case.seconds + BESIDE_S for case in cases)
    return Expected(len(cases) * repetitions, repetitions, SERVERS_S + once * repetitions)


def check_lab(prepared: Prepared) -> None:
    """Raises BadInput where a fault is of what the cluster does not have, or of what the kernel cannot do."""
    plan, problems = plan_of(prepared.cluster), Problems(prepared.path, f"Scenario {prepared.scenario.name}")
    for case in parameters.of(prepared.scenario.parameters).cases:
        where = f"spec.parameters.cases.{case.name}.steps"
        for fault in [step.fault for step in case.steps if step.fault]:
            try:
                planned("the cluster", plan, fault)
            except BadInput as error:
                problems.add(where, str(error))
            else:
                if fault.kind in VETH_ALONE and not needs.has(needs.NETEM):
                    problems.add(where, f"{fault.kind} {needs.without(needs.NETEM, 'podwire run')}")
    if problems.found:
        raise BadInput(*problems.found)
