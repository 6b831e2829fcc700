"""Medians, intervals and ratios: known values, and what holds of any readings."""

from __future__ import annotations

import random
import statistics as standard

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.statistics import coverage, estimate, paired_ratios, quantile

pytestmark = pytest.mark.unit

READINGS = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=60)


def test_five_readings_give_their_range_and_its_true_coverage() -> None:
    known = estimate([5.0, 1.0, 4.0, 2.0, 3.0])
    assert (known.median, known.low, known.high, known.n) == (3.0, 1.0, 5.0, 5)
    assert known.coverage == pytest.approx(0.9375)


@pytest.mark.parametrize(("n", "rank"), [(6, 1), (8, 1), (9, 2), (15, 4), (25, 8), (100, 40)])
def test_ranks_are_those_of_the_sign_test(n: int, rank: int) -> None:
    """Conover, Practical Nonparametric Statistics, table of the 95 % interval of a median."""
    known = estimate([float(value) for value in range(1, n + 1)])
    assert (known.low, known.high) == (rank, n + 1 - rank)
    assert known.coverage >= 0.95
    assert coverage(n, rank + 1) < 0.95


def test_a_single_reading_covers_nothing() -> None:
    assert estimate([7.0]).coverage == 0


def test_no_readings_are_an_error() -> None:
    with pytest.raises(ValueError, match="no readings"):
        estimate([])
    with pytest.raises(ValueError, match="no readings"):
        quantile([], 0.5)


@given(READINGS)
def test_median_is_the_standard_library_s_and_within_its_interval(values: list[float]) -> None:
    known = estimate(values)
    assert known.median == pytest.approx(standard.median(values))
    assert min(values) <= known.low <= known.median <= known.high <= max(values)


@given(READINGS, st.floats(0.01, 100))
def test_scaling_readings_scales_their_estimate(values: list[float], factor: float) -> None:
    known, scaled = estimate(values), estimate([value * factor for value in values])
    assert scaled.median == pytest.approx(known.median * factor)
    assert (scaled.low, scaled.high) == (pytest.approx(known.low * factor), pytest.approx(known.high * factor))


@given(READINGS, st.floats(0, 1), st.floats(0, 1))
def test_quantiles_grow(values: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert quantile(values, low) <= quantile(values, high) * (1 + 1e-12)
    assert (quantile(values, 0), quantile(values, 1)) == (min(values), max(values))


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    chance = random.Random(4)
    trials = [estimate([chance.expovariate(1) for _ in range(15)]) for _ in range(4000)]
    held = sum(known.low <= 0.6931 <= known.high for known in trials) / len(trials)
    assert held == pytest.approx(trials[0].coverage, abs=0.015)


def test_ratios_are_taken_within_a_repetition() -> None:
    assert paired_ratios({0: 8.0, 1: 1.0, 2: 5.0}, {1: 2.0, 0: 10.0, 3: 1.0}) == (0.8, 0.5)


def test_a_floor_of_nothing_has_no_ratio() -> None:
    assert paired_ratios({0: 8.0}, {0: 0.0}) == ()
