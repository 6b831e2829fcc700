"""Numbers for what flows and connections refer to by number: no two names get the same. Pure."""

from __future__ import annotations

from collections.abc import Callable

from .marks import NUMBER_BIT, digest
from .topology import NextHop

NumberOf = Callable[[str], int]


class Numbers:
    """Gives every name a number that is most likely the same in every process, so that what switches hold stays right.

    A name keeps its number for good: connections may carry it for longer than its object lives.
    """

    def __init__(self) -> None:
        self._number_of: dict[str, int] = {}
        self._taken: set[int] = set()

    def of(self, name: str) -> int:
        """The number of a name: a digest of it, or where another name has that, of it and how often it was tried."""
        if name not in self._number_of:
            tries = 0
            while (number := digest(f"{name}{'+' * tries}", 30) | NUMBER_BIT) in self._taken:
                tries += 1
            self._number_of[name] = number
            self._taken.add(number)
        return self._number_of[name]


def group_of(next_hops: tuple[NextHop, ...], number_of: NumberOf, backups: tuple[NextHop, ...] = ()) -> int:
    """The number of the group that spreads over equally good ways, or has backups; 0 where there is nothing to choose.

    Ways with backups have two groups where they are several: this one, and that of the ways without backups.
    """
    if backups:
        return number_of(f"ways {next_hops} else {backups}")
    return number_of(f"ways {next_hops}") if len(next_hops) > 1 else 0
