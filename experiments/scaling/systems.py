"""What is measured: a lab's Services, or a router with kube-proxy's rules, behind one face."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Protocol

from experiments.scaling.places import Address, Place
from experiments.scaling.services import PORT, VirtualService


class System(Protocol):
    """Something that leads from a Service's address to its endpoints."""

    @property
    def name(self) -> str: ...

    @property
    def place(self) -> Place:
        """Where its clients are, and who its servers are; the last one is no endpoint until a change makes it one."""

    def load(self, size: int) -> list[VirtualService]:
        """Have this many Services in the place of those before, each with its address, and return when it was told."""

    def write(self, new: VirtualService) -> None:
        """One Service has other endpoints now."""

    def clear(self) -> None:
        """Lead to no Service any more."""

    def entries(self) -> int:
        """What it looks packets up in, counted: flows of a bridge and their groups, or rules and elements of a map."""

    def memory_mib(self) -> tuple[tuple[str, float], ...]:
        """Resident memory by process; nothing where the kernel alone does the work and does not tell."""


def fronts(of: Sequence[VirtualService]) -> list[Address]:
    """Where Services are asked."""
    return [(one.address, PORT) for one in of]


def served_s(system: System, old: VirtualService, new: VirtualService) -> float:
    """Seconds from the writing of a change until its new endpoint answers; the change is undone afterwards."""
    with ExitStack() as undo:
        waiter = system.place.awaiting(fronts([new]), new.endpoints[0].name, undo)
        begin = time.monotonic()
        system.write(new)
        try:
            return waiter.since(begin)
        finally:
            system.write(old)
