"""Faults done to a lab that runs, and undone: what the command line and scenarios call.

    with Injector(lab) as injector:
        injected = injector.inject(parse("link-down", ["leaf1:spine1"]))
        injector.undo(injected)

Which faults stand is noted in the lab's folder, so that whoever comes later can undo them.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from k8sshim.client import PODS, Client
from k8sshim.errors import PodwireError
from k8sshim.objects import Key
from lab.state import Lab
from topo import plan, spec
from topo.plan import Plan

from .effects import changes, effects, to_raw
from .hands import Hands
from .kinds import HEAL, Fault
from .targets import look_up

_STANDING = "faults.json"


@dataclass(frozen=True)
class Injected:
    """What was done, and when: seconds of `time.monotonic`, which the lab and its pods share with the caller."""

    fault: Fault  # its targets canonical
    began_s: float
    done_s: float


class Injector:
    """Does faults to one lab, each at once: what acts in the sandbox has begun when this has."""

    def __init__(self, lab: Lab) -> None:
        """Raises PodwireError, BadInput where the lab is none."""
        self._lab, self._plan = lab, plan_of(lab)
        self._hands = Hands(lab.pid)

    def __enter__(self) -> Injector:
        return self

    def __exit__(self, *_: object) -> None:
        self._hands.end()

    def inject(self, fault: Fault) -> Injected:
        """Do a fault, or an opposite. Raises BadInput where a target does not exist, PodwireError where it fails."""
        known = look_up(self._lab, self._plan, fault)
        if known.kind == "pod-kill":
            return _kill_pods(self._lab, known)
        kills = known.targets if known.kind == "component-kill" else ()
        with _noted(self._lab) as noted:
            before = noted.faults
            after = tuple(standing_after(before, known))
            noted.faults = after
            try:
                times = self._act(before, after, kills)
            except PodwireError:
                noted.faults = before
                with suppress(PodwireError):  # what is half done is undone
                    self._act(after, before)
                raise
        return Injected(known, times["began_s"], times["done_s"])

    def undo(self, done: Injected) -> Injected | None:
        """Do the opposite; None where there is none. Raises PodwireError."""
        opposite = done.fault.opposite
        return self.inject(replace(opposite, targets=done.fault.targets)) if opposite else None

    @contextmanager
    def undone(self) -> Iterator[None]:
        """At the end of the block the lab has the faults that it had before, whatever happens in it."""
        before = standing(self._lab)
        try:
            yield
        finally:
            for fault in reversed([one for one in standing(self._lab) if one not in before]):
                if fault.opposite:
                    self.inject(fault.opposite)

    def _act(self, before: Iterable[Fault], after: Iterable[Fault], kills: Iterable[str] = ()) -> dict[str, float]:
        lifted, applied = changes(effects(self._plan, before), effects(self._plan, after))
        orders = {"lift": list(map(to_raw, lifted)), "apply": list(map(to_raw, applied)), "kill": list(kills)}
        return self._hands.act(orders)


def standing(lab: Lab) -> tuple[Fault, ...]:
    """The faults that the lab has now, each with one target, groups of a partition together."""
    return _read(lab.folder / _STANDING)


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


def _kill_pods(lab: Lab, fault: Fault) -> Injected:
    """Their objects go at once, and the agent ends their processes; whoever owns them makes others."""
    client = Client(lab.kubeconfig)
    began_s = time.monotonic()
    for name in fault.targets:
        namespace, _, pod = name.partition("/")
        client.delete(PODS, Key(namespace, pod), grace_period_s=0)
    return Injected(fault, began_s, time.monotonic())
