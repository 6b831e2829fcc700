"""Runs a scenario from its lab's first moment to its last: up, measured, and down, whatever happens between."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import reduce
from typing import Protocol

from experiments import availability, calibration, environment, kinds, scenario, sweep
from experiments.catalogue import Prepared
from experiments.gathering import Gathered
from experiments.planning import START_S, Expected, Measurer
from experiments.results import Failure, Labels, Run
from experiments.trust import CALIBRATION
from k8sshim.errors import BadInput, PodwireError
from lab import lifecycle, needs, state
from lab.lifecycle import Step
from lab.state import Lab

UP_S = 120.0  # for nodes and pods to be ready
_MAX_NAME = 63
_VM = "it has it in: podwire vm -- podwire run"


class Observer(Measurer, Protocol):
    """Who is told how far a run is."""

    def coming_up(self, step: Step) -> None: ...

    def going_down(self) -> None: ...


def expected(prepared: Prepared) -> Expected:
    """How long the run takes on this machine."""
    of_lab = kinds.KINDS[prepared.scenario.experiment].expected
    labs = [one for one in prepared.labs() if not (one.labels and availability.lacking(one.cluster))]
    return reduce(Expected.__add__, map(of_lab, labs))


def check(prepared: Prepared) -> None:
    """What is known to be wrong before a lab is up. Raises BadInput."""
    labs = prepared.labs()
    lacking = {one.labels: availability.lacking(one.cluster) for one in labs if one.labels}
    if lacking and all(lacking.values()):
        labels, reason = next(iter(lacking.items()))
        raise BadInput.of(
            f"none of its labs can be made here: {sweep.words(labels)}: {reason}; {_VM}",
            file=prepared.path,
            object=f"Scenario {prepared.scenario.name}",
            field="spec.sweep",
        )
    for one in labs:
        if not one.labels:
            needs.check(one.cluster, prepared.path, "podwire run")
        if not lacking.get(one.labels):
            kinds.KINDS[prepared.scenario.experiment].check_lab(one)


def run(prepared: Prepared, observer: Observer) -> Run:
    """Bring the scenario's labs up one after the other, measure each, and take it down.

    Raises BadInput; PodwireError where no reading worked in any lab.
    """
    kind = kinds.KINDS[prepared.scenario.experiment]
    kind.check()
    check(prepared)
    token, started, labs = secrets.token_hex(3), _now(), prepared.labs()
    before, gathered = environment.machine(), Gathered()
    for number, place in enumerate(sweep.in_order(len(labs), prepared.scenario.seed), 1):
        one = labs[place]
        if one.labels and (reason := availability.lacking(one.cluster)):
            gathered.leave_out(one.labels, reason)
            continue
        which = f" {number}/{len(labs)}: {sweep.words(one.labels)}" if one.labels else ""
        observer.doing(f"lab{which} comes up", START_S)
        try:
            with _lab(one, f"{token}-{number}" if one.labels else token, observer) as lab:
                gathered.add(one.labels, *kind.measure(lab, one, observer))
        except PodwireError as error:
            if not one.labels or isinstance(error, BadInput):
                raise
            gathered.failed(one.labels, str(error))
    if not gathered.measured.samples:
        raise PodwireError(f"no reading worked: {_first_and_last(gathered.measured.failures)}")
    measured = gathered.measured
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
        environment={
            "machine": before,
            "versions": environment.versions(),
            **({CALIBRATION: calibrated} if (calibrated := calibration.stored()) else {}),
            **gathered.within,
        },
    )


def _first_and_last(failures: Sequence[Failure]) -> str:
    """What failed: at first, and in the end where that was something else."""
    first, last = failures[0].message, failures[-1].message
    return first if first == last else f"{first}; and in the end: {last}"


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


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
