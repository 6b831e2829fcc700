"""Slopes over sizes: exponents of known power laws, and the words for them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from experiments.slopes import Slope, numbers, slope, words

pytestmark = pytest.mark.unit

SIZES = (1, 10, 100, 1000, 5000)


@given(st.floats(-2, 2), st.floats(0.01, 1000))
@example(3.3490134752909176e-17, 15.0)  # the figures differ by rounding
def test_the_exponent_of_a_power_law_is_found(exponent: float, factor: float) -> None:
    found = slope({size: factor * size**exponent for size in SIZES})
    assert found
    assert found.exponent == pytest.approx(exponent, abs=1e-6)
    assert found.low <= found.exponent <= found.high
    assert found.overall == pytest.approx(5000**exponent)


@pytest.mark.parametrize(
    ("law", "said"),
    [
        (lambda size: 7.0, "does not grow"),
        (lambda size: 7.0 * (1.01 if size == 10 else 0.99), "does not grow"),
        (lambda size: 3.0 * size, "grows in proportion"),
        (lambda size: 3.0 * size**0.5, "grows more slowly than in proportion"),
        (lambda size: 3.0 * size**2, "grows faster than in proportion"),
        (lambda size: 3.0 * size**-0.5, "falls"),
        (lambda size: 1000.0 if size == 100 else 1.0 + size / 10, "×455 from end to end, by no one power"),
    ],
)
def test_words(law: object, said: str) -> None:
    assert callable(law)
    assert words(slope({size: law(size) for size in SIZES})) == said


def test_a_flat_line_through_scattered_figures_says_nothing_of_growth() -> None:
    assert words(slope({1: 10.0, 30: 1.0, 1000: 10.0})) == "×1 from end to end, by no one power"


def test_two_sizes_or_a_figure_of_nothing_have_no_slope() -> None:
    assert slope({1: 1.0, 10: 2.0}) is None
    assert slope({1: 0.0, 10: 1.0, 100: 2.0}) is None
    assert (words(None), numbers(None)) == ("too few sizes to tell", "–")


def test_numbers_tell_what_ten_times_as_much_comes_to() -> None:
    assert numbers(Slope(0.5, 0.4, 0.6, 3.0)) == "N^0.50 (0.40 – 0.60), ×3.16 for ten times as many"
