"""How long a switch holds back what opens, and since when it has not taken in what closes. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

LONG_AGO, ALWAYS = float("-inf"), float("inf")  # moments


@dataclass(frozen=True)
class Patience:
    """How long what opens is held back: until all has closed, everywhere, that was to close when it came.

    It waits for `calm_s` before, unless its object closes something, too: objects that change together come one after
    the other. What passes waits for what closes alone, what lets somebody in for what opens, too. `baseline` is as in
    `without_openings`.
    """

    closed_until: Callable[[], float] = lambda: ALWAYS  # what was to close before that moment has closed elsewhere
    passed_until: Callable[[], float] = lambda: ALWAYS  # the same of what passes
    opened_until: Callable[[], float] = lambda: ALWAYS  # the same of what opens
    baseline: Callable[[], bool] = lambda: True
    calm_s: float = 0.0


IMPATIENT = Patience()


@dataclass
class Pending:
    """Since when there is something of a kind that the switch has not taken in."""

    waiting: float | None = None  # of what was not sent yet
    sent: float | None = None  # of what the bundle under way may have

    def come(self, moment: float) -> None:
        self.waiting = moment if self.waiting is None else self.waiting

    def send(self, *, all_of_it: bool) -> None:
        self.sent = self.waiting
        self.waiting = None if all_of_it else self.waiting

    @property
    def since(self) -> float | None:
        return self.waiting if self.sent is None else self.sent
