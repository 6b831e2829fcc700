"""What is measured: a lab's policies, or a router with a host firewall's rules, behind one face; and who watches it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Timer
from typing import Protocol

from experiments.inside import start_ready
from experiments.parse import ToolFailed
from experiments.passing import QUIET_S
from experiments.policy_scaling.policies import PlannedPolicy
from experiments.scaling.places import Place
from experiments.scaling.services import TARGET_PORT

LIFETIME_S, UNTIL_S = 900.0, 60.0  # of a watch, and of waiting for one change


@dataclass(frozen=True)
class Site:
    """Where one system's readings are taken; the place's client is the pod that may."""

    place: Place  # its servers are those that the many policies are about
    stranger: str  # the namespace of a pod that may not
    guarded: str  # the address of the pod that policies come for


@dataclass(frozen=True)
class Came:
    """How a new pod was judged."""

    covered_s: float  # from its creation until it is reached by whom may and by nobody else
    leaked: bool  # it was reached by who may not, before


class System(Protocol):
    """Something that lets connections pass, or not."""

    @property
    def name(self) -> str: ...

    @property
    def site(self) -> Site: ...

    def add(self, *policies: PlannedPolicy) -> float:
        """Hold these policies too, and return when that was told: the time when the telling of the last one began."""

    def remove(self, *policies: PlannedPolicy) -> None:
        """Hold these no more, those of them that are held."""

    def clear(self) -> None:
        """Hold none."""

    def newcomer(self) -> Came:
        """Have a pod come, be judged, and go again."""

    def entries(self) -> int:
        """What it looks packets up in, counted: flows and groups of bridges, or rules and members of sets."""

    def memory_mib(self) -> tuple[tuple[str, float], ...]:
        """Resident memory by process; nothing where the kernel alone does the work and does not tell."""

    def forget_cached(self) -> None:
        """Have the next packets looked up in everything."""


class Watcher:
    """A process that tells when connections begin to pass, and when they no longer do."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def aim(self, address: str) -> None:
        """Begin to try this address."""
        self._say(address)

    def until(self, place: int, state: str, after: float = 0.0) -> float:
        """When the way from that namespace, by its place, came to be so, `after` or later. Raises ToolFailed for never.

        Well before, a busy machine was slow to answer; just before, what was under way met the change.
        """
        patience = Timer(UNTIL_S, self._process.kill)  # its end is the end of what it says
        patience.start()
        try:
            while True:
                changed, to, when = self._line()
                if (changed, to) == (str(place), state) and float(when) >= after - QUIET_S:
                    return max(float(when), after)
        finally:
            patience.cancel()

    def passed(self) -> list[int]:
        """How many connections passed from each namespace until now; the end of the watch."""
        self._say("end")
        while (words := self._line())[0] != "end":
            pass
        return list(map(int, words[1:]))

    def _say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _line(self) -> list[str]:
        assert self._process.stdout
        words = self._process.stdout.readline().split()
        if not words:
            raise ToolFailed(f"connections did not become what they should within {UNTIL_S:g} s")
        return words


def watching(site: Site, netns: Sequence[str], undo: ExitStack) -> Watcher:
    """Watch ways from these namespaces, once an address is told, until the stack is undone."""
    argv = ["experiments.passing", str(TARGET_PORT), f"{LIFETIME_S:g}", *netns]
    return Watcher(start_ready(site.place.sandbox, argv, None, undo, stdin=subprocess.PIPE))
