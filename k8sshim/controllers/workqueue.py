"""Which keys are to be planned, and when: each once however often it was asked for, failed ones ever less often."""

from __future__ import annotations

import heapq
from itertools import count
from typing import NamedTuple

from k8sshim.objects import Key

FIRST_BACK_OFF_S = 0.05
LONGEST_BACK_OFF_S = 30.0


class Item(NamedTuple):
    """One object in the care of one controller."""

    controller: str
    key: Key

    def __str__(self) -> str:
        return f"{self.controller} {self.key}".strip()


class WorkQueue:
    """Times are seconds of any clock that the caller reads, and belong to one thread."""

    def __init__(self) -> None:
        self._due: dict[Item, float] = {}
        self._heap: list[tuple[float, int, Item]] = []
        self._order = count()  # first come, first served
        self._failures: dict[Item, int] = {}

    def add(self, item: Item, due: float) -> None:
        """Ask for an item at that time; an earlier time that was asked for before stands."""
        if due < self._due.get(item, float("inf")):
            self._due[item] = due
            heapq.heappush(self._heap, (due, next(self._order), item))

    def take(self, now: float) -> Item | None:
        """The next item that is due, which leaves the queue."""
        while self._heap and self._heap[0][0] <= now:
            due, _, item = heapq.heappop(self._heap)
            if self._due.get(item) == due:
                del self._due[item]
                return item
        return None

    def next_due(self) -> float | None:
        """When the next item is due."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def failed(self, item: Item, now: float, longest_s: float = LONGEST_BACK_OFF_S) -> float:
        """Put an item back that failed; returns after how long it is due."""
        failures = self._failures[item] = self._failures.get(item, 0) + 1
        pause_s = min(FIRST_BACK_OFF_S * float(1 << min(failures - 1, 16)), longest_s)
        self.add(item, now + pause_s)
        return pause_s

    def succeeded(self, item: Item) -> None:
        self._failures.pop(item, None)
