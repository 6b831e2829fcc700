"""Faults as values: which there are, what each is done to, and what undoes it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from k8sshim.errors import BadInput
from k8sshim.objects import Raw

LINK, SWITCH, NODE, POD, COMPONENT, GROUP, ANYTHING = "link", "switch", "node", "pod", "component", "group", "anything"
HEAL = "heal"
MOST_DELAY_MS = 60_000.0


@dataclass(frozen=True)
class Kind:
    """A word of `podwire fault`."""

    name: str
    target: str  # what it is done to
    says: str  # what it does, for people
    opposite: str = ""  # "" for what comes back by itself, and for opposites
    undoes: tuple[str, ...] = ()  # the faults that an opposite takes back

    @property
    def momentary(self) -> bool:
        """Whether nothing is left to undo once it is done."""
        return not self.opposite and not self.undoes


_ALL = (
    Kind("link-down", LINK, "both ends lose carrier", "link-up"),
    Kind("link-up", LINK, "undoes link-down", undoes=("link-down",)),
    Kind("link-silent", LINK, "up, but drops everything both ways", "link-heal"),
    Kind("link-loss", LINK, "drops --percent of the packets, each way", "link-heal"),
    Kind("link-delay", LINK, "delays by --ms, each way", "link-heal"),
    Kind("link-heal", LINK, "undoes link-silent, -loss, -delay", undoes=("link-silent", "link-loss", "link-delay")),
    Kind("switch-kill", SWITCH, "without power: its links are down, its flows gone", "switch-restart"),
    Kind("switch-restart", SWITCH, "undoes switch-kill", undoes=("switch-kill",)),
    Kind("node-kill", NODE, "without power: its agent, its bridge and its pods", "node-start"),
    Kind("node-start", NODE, "undoes node-kill", undoes=("node-kill",)),
    Kind("pod-kill", POD, "its processes end, its object goes; its owner makes another"),
    Kind("component-kill", COMPONENT, "its process is killed; the supervisor starts another"),
    Kind("component-stop", COMPONENT, "killed, and not started again", "component-start"),
    Kind("component-start", COMPONENT, "undoes component-stop", undoes=("component-stop",)),
    Kind("partition", GROUP, "no node of one group (n1,n2) reaches a node of another", "partition-heal"),
    Kind("partition-heal", GROUP, "undoes partition", undoes=("partition",)),
    Kind(HEAL, ANYTHING, "undoes every fault of these targets, or all there are", undoes=()),
)
KINDS = {kind.name: kind for kind in _ALL}


@dataclass(frozen=True)
class Fault:
    """A fault, or an opposite, and what it is done to: targets as written, or canonical once they were looked up."""

    kind: str
    targets: tuple[str, ...]
    percent: float = 0.0  # of link-loss
    delay_ms: float = 0.0  # of link-delay

    @property
    def undoes(self) -> tuple[str, ...]:
        """The kinds that it takes back; empty for a fault."""
        return KINDS[self.kind].undoes

    @property
    def momentary(self) -> bool:
        return self.kind != HEAL and KINDS[self.kind].momentary

    @property
    def opposite(self) -> Fault | None:
        """What undoes it; None where nothing does."""
        opposite = KINDS[self.kind].opposite
        return Fault(opposite, self.targets) if opposite else None

    @property
    def each(self) -> tuple[Fault, ...]:
        """The same, one target at a time; groups belong together."""
        if KINDS[self.kind].target == GROUP:
            return (self,)
        return tuple(replace(self, targets=(target,)) for target in self.targets)

    def __str__(self) -> str:
        amount = f" {self.percent:g} %" if self.percent else f" {self.delay_ms:g} ms" if self.delay_ms else ""
        return f"{self.kind}{amount} {' '.join(self.targets)}".rstrip()

    def to_raw(self) -> Raw:
        return asdict(self)

    @classmethod
    def from_raw(cls, raw: Raw) -> Fault:
        return cls(**(raw | {"targets": tuple(raw["targets"])}))


def parse(
    kind: str, targets: Sequence[str], *, percent: Any = None, delay_ms: Any = None, file: str = "", field: str = ""
) -> Fault:
    """A fault as written on the command line or in a scenario. Raises BadInput, one line that names what is wrong.

    Whether the targets exist is found out with a lab at hand (`injecting.look_up`).
    """

    def wrong(message: str, part: str) -> BadInput:
        return BadInput.of(message, file=file, field=f"{field}.{part}" if field else part)

    if kind not in KINDS:
        raise wrong(f"{kind!r} is no fault; there are {', '.join(KINDS)}", "kind")
    if not targets and kind != HEAL:
        raise wrong(f"{kind} needs a {KINDS[kind].target} to act on", "targets")
    if len(set(targets)) < len(targets):
        twice = next(target for target in targets if list(targets).count(target) > 1)
        raise wrong(f"{twice!r} is named twice", "targets")
    _check_form(kind, targets, wrong)
    amounts = {"link-loss": ("percent", percent, 100.0), "link-delay": ("ms", delay_ms, MOST_DELAY_MS)}
    for owner, (name, value, most) in amounts.items():
        if (value is not None) != (kind == owner):
            raise wrong(f"{kind} needs --{name}" if kind == owner else f"{kind} has no --{name}", name)
        if value is not None and not (_is_number(value) and 0 < value <= most):
            raise wrong(f"must be more than 0 and at most {most:g}, not {value!r}", name)
    return Fault(kind, tuple(targets), float(percent or 0.0), float(delay_ms or 0.0))


def lasting(fault: Fault) -> Fault:
    """A fault that is to last for a while: a component that is killed is not started before. Raises BadInput."""
    if fault.kind == "component-kill":
        return replace(fault, kind="component-stop")
    if fault.opposite is None:
        raise BadInput.of(f"{fault.kind} has nothing to undo afterwards", field="for")
    return fault


def _check_form(kind: str, targets: Sequence[str], wrong: Any) -> None:
    target = KINDS[kind].target
    for one in targets:
        if target == LINK and (one.count(":") != 1 or not all(one.split(":"))):
            raise wrong(f"{one!r} is no link: a link is A:B by the names of its ends", "targets")
    if target != GROUP:
        return
    if len(targets) < 2:
        raise wrong("a partition is between two groups or more: n1,n2 n3", "targets")
    seen: set[str] = set()
    for name in (name for one in targets for name in one.split(",")):
        if not name or name in seen:
            raise wrong(f"{name!r} is in two groups" if name else "a group has a node without a name", "targets")
        seen.add(name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
