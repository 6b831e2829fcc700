"""Medians with what is known of them: every figure of a report goes through here. Pure.

Readings of a machine that does other things as well are skewed and have outliers, so nothing here supposes a shape of
their distribution: the median, an interval of order statistics around it (H. A. David, Order Statistics, 7.1), and
ratios taken within one repetition, where both readings saw the same machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A median, and the interval between two of the readings that covers the true median with that probability."""

    median: float
    low: float
    high: float
    coverage: float  # below CONFIDENCE where there are fewer than six readings, 0 for a single one
    n: int


def estimate(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The median of readings, with the narrowest symmetric interval of that confidence, else their whole range.

    Raises ValueError where there are no readings.
    """
    if not values:
        raise ValueError("no readings")
    ordered = sorted(values)
    n = len(ordered)
    rank = _rank(n, confidence)
    return Estimate(quantile(ordered, 0.5), ordered[rank - 1], ordered[n - rank], coverage(n, rank), n)


def coverage(n: int, rank: int) -> float:
    """The probability that the `rank`-th smallest and largest of `n` readings have the true median between them."""
    return 1 - 2 * sum(math.comb(n, k) for k in range(rank)) / 2.0**n


def quantile(values: Sequence[float], q: float) -> float:
    """The q-th quantile (0 to 1), interpolated between the two nearest readings. Raises ValueError for none."""
    if not values:
        raise ValueError("no readings")
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    if ordered[below] == ordered[above]:
        return ordered[below]
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def paired_ratios(values: Mapping[int, float], floor: Mapping[int, float]) -> tuple[float, ...]:
    """Readings by repetition over the floor's of the same repetition; those without a partner have no ratio."""
    both = sorted(repetition for repetition in values if floor.get(repetition))
    return tuple(values[repetition] / floor[repetition] for repetition in both)


def _rank(n: int, confidence: float) -> int:
    """The rank of the interval's ends, from 1 (the whole range) up to the middle."""
    ranks = range((n + 1) // 2, 0, -1)
    return next((rank for rank in ranks if coverage(n, rank) >= confidence), 1)
