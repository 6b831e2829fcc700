"""What a benchmark hands back: figures that were asked for beside those measured, and every reading. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments import wording
from experiments.results import Sample, labels
from experiments.statistics import Estimate, estimate

AT_LEAST, AT_MOST = "at least", "at most"
MET, MISSED = "met", "missed"


@dataclass(frozen=True)
class Figure:
    """One figure: what is asked of it, and its readings."""

    name: str
    bound: str  # AT_LEAST or AT_MOST
    target: float
    unit: str
    values: tuple[float, ...]

    @property
    def estimate(self) -> Estimate:
        return estimate(self.values)

    @property
    def verdict(self) -> str:
        median = self.estimate.median
        return MET if (median >= self.target if self.bound == AT_LEAST else median <= self.target) else MISSED

    @property
    def asked(self) -> str:
        return f"{self.bound} {wording.quantity(self.target, self.unit).strip()}"

    @property
    def measured(self) -> str:
        known = self.estimate
        median = wording.quantity(known.median, self.unit).strip()
        return f"{median} ({wording.interval(known)}, n={known.n})" if known.n > 1 else median

    def samples(self) -> list[Sample]:
        return [
            Sample(self.name, self.unit or "1", round(value, 6), index, labels())
            for index, value in enumerate(self.values)
        ]


@dataclass(frozen=True)
class Outcome:
    """What one benchmark found."""

    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()  # what a reader of the figures has to know


def samples(outcomes: Sequence[Outcome]) -> list[Sample]:
    """Every reading of every figure."""
    return [sample for outcome in outcomes for figure in outcome.figures for sample in figure.samples()]
