"""Faults done to a lab that runs, and undone: what the command line and scenarios call.

    injected = inject(lab, parse("link-down", ["leaf1:spine1"]))
    injected.undo()

Which faults stand is noted in the lab's folder, so that whoever comes later can undo them.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from k8sshim.client import PODS, Client
from k8sshim.errors import PodwireError
from k8sshim.objects import Key
from lab import sandbox
from lab.state import Lab
from topo import plan, spec
from topo.plan import Plan

from .effects import Effect, changes, effects, to_raw
from .kinds import HEAL, Fault
from .targets import look_up

_STANDING = "faults.json"


@dataclass(frozen=True)
class Injected:
    """What was done, and when: seconds of `time.monotonic`, which the lab and its pods share with the caller."""

    lab: Lab
    fault: Fault  # its targets canonical
    began_s: float
    done_s: float

    def undo(self) -> Injected | None:
        """Do the opposite; None where there is none. Raises PodwireError."""
        opposite = self.fault.opposite
        return inject(self.lab, replace(opposite, targets=self.fault.targets)) if opposite else None


def inject(lab: Lab, fault: Fault) -> Injected:
    """Do a fault, or an opposite. Raises BadInput where a target does not exist, PodwireError where it fails."""
    planned = plan_of(lab)
    known = look_up(lab, planned, fault)
    if known.kind == "pod-kill":
        return _kill_pods(lab, known)
    kills = known.targets if known.kind == "component-kill" else ()
    with _noted(lab) as noted:
        before = noted.faults
        after = tuple(standing_after(before, known))
        noted.faults = after
        try:
            times = _act(lab, *changes(effects(planned, before), effects(planned, after)), kills)
        except PodwireError:
            noted.faults = before
            with suppress(PodwireError):  # what is half done is undone
                _act(lab, *changes(effects(planned, after), effects(planned, before)))
            raise
    return Injected(lab, known, times["began_s"], times["done_s"])


def heal(lab: Lab) -> Injected:
    """Undo every fault of the lab. Raises PodwireError."""
    return inject(lab, Fault(HEAL, ()))


def standing(lab: Lab) -> tuple[Fault, ...]:
    """The faults that the lab has now, each with one target, groups of a partition together."""
    return _read(lab.folder / _STANDING)


@contextmanager
def undone(lab: Lab) -> Iterator[None]:
    """At the end of the block the lab has the faults that it had before, whatever happens in it."""
    before = standing(lab)
    try:
        yield
    finally:
        for fault in reversed([one for one in standing(lab) if one not in before]):
            if fault.opposite:
                inject(lab, fault.opposite)


def plan_of(lab: Lab) -> Plan:
    """What the lab was built from."""
    described = spec.parse(yaml.safe_load((lab.folder / "cluster.yaml").read_text()))
    return plan.plan(replace(described, name=lab.name))


def standing_after(before: tuple[Fault, ...], fault: Fault) -> Iterator[Fault]:
    """The faults that stand once this one, or this opposite, was done."""
    if fault.momentary:
        yield from before
    elif fault.kind == HEAL:
        yield from (one for one in before if fault.targets and not set(one.targets) & set(fault.targets))
    elif fault.undoes:
        yield from (one for one in before if one.kind not in fault.undoes or one.targets[0] not in fault.targets)
    else:
        fresh = {(one.kind, one.targets) for one in fault.each}
        yield from (one for one in before if (one.kind, one.targets) not in fresh)
        yield from fault.each


@dataclass
class _Notes:
    faults: tuple[Fault, ...]


@contextmanager
def _noted(lab: Lab) -> Iterator[_Notes]:
    """The faults that stand, for one at a time to change; written as the block leaves them."""
    file = lab.folder / _STANDING
    with (lab.folder / f"{_STANDING}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        notes = _Notes(_read(file))
        try:
            yield notes
        finally:
            fresh = file.with_suffix(".new")
            fresh.write_text(json.dumps([fault.to_raw() for fault in notes.faults]))
            fresh.replace(file)


def _read(file: Path) -> tuple[Fault, ...]:
    with suppress(FileNotFoundError):
        return tuple(map(Fault.from_raw, json.loads(file.read_text())))
    return ()


def _act(lab: Lab, lifted: Iterable[Effect], applied: Iterable[Effect], kills: Iterable[str] = ()) -> dict[str, float]:
    orders = {"lift": list(map(to_raw, lifted)), "apply": list(map(to_raw, applied)), "kill": list(kills)}
    done = subprocess.run(
        sandbox.enter_argv(lab.pid, [sys.executable, "-m", "lab.faults.inside"]),
        input=json.dumps(orders),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise PodwireError(f"the fault cannot be done: {said[-1]}")
    times: dict[str, float] = json.loads(done.stdout)
    return times


def _kill_pods(lab: Lab, fault: Fault) -> Injected:
    """Their objects go at once, and the agent ends their processes; whoever owns them makes others."""
    client = Client(lab.kubeconfig)
    began_s = time.monotonic()
    for name in fault.targets:
        namespace, _, pod = name.partition("/")
        client.delete(PODS, Key(namespace, pod), grace_period_s=0)
    return Injected(lab, fault, began_s, time.monotonic())
