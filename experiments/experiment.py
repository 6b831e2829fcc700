"""Runs a scenario from its lab's first moment to its last: up, measured, and down, whatever happens between."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Protocol

from experiments import ends, environment, measurements, scenario
from experiments.catalogue import Prepared
from experiments.floors import floors
from experiments.inside import Sandbox
from experiments.measurements import Measurement, Route
from experiments.measuring import Measured, measure, warm_up
from experiments.results import Labels, Run
from experiments.scenario import FLOOR
from experiments.traffic import Meter, check_programs
from k8sshim.client import Client
from k8sshim.errors import PodwireError
from k8sshim.objects import Raw
from lab import lifecycle, state
from lab.lifecycle import Step
from lab.state import Lab
from topo.plan import plan as plan_of

UP_S = 120.0  # for nodes and pods to be ready
_MAX_NAME = 63


class Observer(Protocol):
    """Who is told how far a run is."""

    def coming_up(self, step: Step) -> None: ...

    def warming_up(self, measurement: Measurement) -> None: ...

    def reading(self, measurement: Measurement) -> None: ...

    def going_down(self) -> None: ...


def run(prepared: Prepared, observer: Observer) -> Run:
    """Bring the scenario's lab up, measure it, and take it down. Raises PodwireError, BadInput."""
    check_programs()
    token, started = secrets.token_hex(3), _now()
    before = environment.machine()
    with _lab(prepared, token, observer) as lab:
        measured, within = _measure(lab, prepared, observer)
    if not measured.samples:
        raise PodwireError(f"no reading worked; the last one: {measured.failures[-1].message}")
    return Run(
        id=token,
        started=started,
        finished=_now(),
        scenario=scenario.to_raw(prepared.scenario),
        inputs=prepared.inputs,
        seed=prepared.scenario.seed,
        samples=tuple(measured.samples),
        readings=tuple(measured.readings),
        failures=tuple(measured.failures),
        environment={"machine": before, "versions": environment.versions(), "lab": within},
    )


def missing(run: Run) -> list[Labels]:
    """What was to be measured, and of which no reading worked."""
    taken = {(one.metric, one.labels) for one in run.readings}
    return [labels for metric, labels in {(one.metric, one.labels) for one in run.failures} - taken]


@contextmanager
def _lab(prepared: Prepared, token: str, observer: Observer) -> Iterator[Lab]:
    """The scenario's lab, for as long as the context lasts."""
    name = f"{prepared.scenario.name[: _MAX_NAME - len(token) - 1]}-{token}"
    try:
        lab = lifecycle.up(prepared.cluster, name, prepared.documents, UP_S, observer.coming_up)
    except lifecycle.NotReady:
        lifecycle.down(state.find(name))
        raise
    try:
        yield lab
    finally:
        observer.going_down()
        lifecycle.down(lab)


def _measure(lab: Lab, prepared: Prepared, observer: Observer) -> tuple[Measured, Raw]:
    """What the readings gave, and what they were taken in."""
    one, plan = prepared.scenario, plan_of(prepared.cluster)
    sandbox, mtu = Sandbox(lab.pid), plan.cluster().pod_mtu
    routes = ends.find(Client(lab.kubeconfig), one.traffic)
    with floors(sandbox, one.traffic.floors, mtu) as by_kind:
        routes |= {Route(FLOOR, floor=kind): there for kind, there in by_kind.items()}
        meter = Meter(sandbox, one.traffic, mtu)
        warm_up(meter, measurements.measurements(one.traffic), routes, observer.warming_up)
        planned = measurements.schedule(one.traffic, one.pace.repetitions, one.seed)
        measured = measure(meter, planned, routes, one.pace, observer.reading)
        within = environment.lab(sandbox, plan, next(iter(routes.values())))
    return measured, within


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
