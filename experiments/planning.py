"""How long a run will take, told before it begins, in which order, and who is told how far it is. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")
START_S, STOP_S, REPORT_S = 8.0, 1.0, 5.0  # lab up with its pods, lab down, plots and report


@dataclass(frozen=True)
class Expected:
    """A run as it is planned."""

    readings: int
    repetitions: int
    measuring_s: float  # from labs' being up to their going down
    labs: int = 1  # one after the other

    def __add__(self, other: Expected) -> Expected:
        """Of both, one after the other."""
        return Expected(
            self.readings + other.readings,
            max(self.repetitions, other.repetitions),
            self.measuring_s + other.measuring_s,
            self.labs + other.labs,
        )

    @property
    def seconds(self) -> float:
        """From the command to the report."""
        return self.measuring_s + self.labs * (START_S + STOP_S) + REPORT_S


def shuffled(what: Iterable[T], repetitions: int, seed: int) -> list[tuple[int, T]]:
    """Everything once a repetition, as (repetition, what), in an order of the seed's."""
    order = random.Random(seed)  # noqa: S311 - an order that can be had again, no secret
    planned: list[tuple[int, T]] = []
    every = tuple(what)
    for repetition in range(repetitions):
        now = list(every)
        order.shuffle(now)
        planned += ((repetition, one) for one in now)
    return planned


class Measurer(Protocol):
    """Who is told of each thing that is done while the lab is up."""

    def doing(self, what: str, seconds: float) -> None:
        """This comes next, and should take so long."""
