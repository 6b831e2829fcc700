"""How a figure grows with a size: the exponent of a power law, with what is known of it, and in words. Pure.

A straight line through the logarithms: a figure in proportion to the size has the slope 1, one that does not depend on
it 0. The interval is Student's, over the medians of the sizes; it tells how well a power law fits them at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy import stats

CONFIDENCE = 0.95
FLAT, NEAR_ONE = 0.05, 0.1  # how far from 0 and from 1 a slope is taken for them
VAGUE = 0.8  # an interval wider than this tells nothing
FEWEST = 3


@dataclass(frozen=True)
class Slope:
    """The exponent by which a figure grows, and its interval."""

    exponent: float
    low: float
    high: float
    overall: float  # the figure at the largest size over that at the smallest

    @property
    def tenfold(self) -> float:
        """By what a figure is multiplied where there is ten times as much."""
        return float(10**self.exponent)


def slope(medians: Mapping[float, float]) -> Slope | None:
    """The slope of figures by size; None where there are too few sizes, or figures without a logarithm."""
    if len(medians) < FEWEST or min(medians.values()) <= 0:
        return None
    first, last = medians[min(medians)], medians[max(medians)]
    sizes = [math.log10(size) for size in medians]
    fitted = stats.linregress(sizes, [math.log10(value) for value in medians.values()])
    if len(set(medians.values())) == 1:  # nothing to fit, and no spread of what was fitted
        return Slope(0.0, 0.0, 0.0, 1.0)
    spread = 0.0 if math.isnan(fitted.stderr) else float(fitted.stderr)  # where figures differ by rounding alone
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(medians) - 2)) * spread
    exponent = float(fitted.slope)
    return Slope(exponent, exponent - margin, exponent + margin, last / first)


def words(of: Slope | None) -> str:
    """How it grows, said to a person."""
    if of is None:
        return "too few sizes to tell"
    kinds = (
        (of.high - of.low > VAGUE, f"×{of.overall:.3g} from end to end, by no one power"),
        (abs(of.exponent) <= FLAT, "does not grow"),
        (of.low <= 0 <= of.high, "hardly grows"),
        (of.low <= 1 <= of.high or abs(of.exponent - 1) <= NEAR_ONE, "grows in proportion"),
        (of.exponent < 0, "falls"),
        (of.exponent < 1, "grows more slowly than in proportion"),
        (True, "grows faster than in proportion"),
    )
    return next(said for true, said in kinds if true)


def numbers(of: Slope | None) -> str:
    """The exponent with its interval, and what ten times as much comes to."""
    if of is None:
        return "–"
    return f"N^{of.exponent:.2f} ({of.low:.2f} – {of.high:.2f}), ×{of.tenfold:.3g} for ten times as many"
