"""The arithmetic of rolling updates: bounds that hold whatever happens, and an end that is always reached."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sshim.controllers.rollout import Limits, SetSize, next_sizes

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("wanted", "surge", "unavailable", "limits"),
    [
        (4, "25%", "25%", Limits(1, 1)),
        (3, "25%", "25%", Limits(1, 0)),
        (10, "30%", "35%", Limits(3, 3)),
        (10, 2, 0, Limits(2, 0)),
        (10, 0, 0, Limits(0, 1)),
        (1, 0, "50%", Limits(0, 1)),
        (3, 1, 5, Limits(1, 3)),
        (2, None, None, Limits(1, 0)),
    ],
)
def test_limits(wanted: int, surge: object, unavailable: object, limits: Limits) -> None:
    assert Limits.resolve(wanted, surge, unavailable) == limits


@pytest.mark.parametrize(
    ("new", "old", "sizes"),
    [
        (SetSize("new", 0, 0), [], {"new": 4}),
        (SetSize("new", 0, 0), [SetSize("old", 4, 4)], {"new": 1}),
        (SetSize("new", 1, 0), [SetSize("old", 4, 4)], {"old": 3}),
        (SetSize("new", 1, 1), [SetSize("old", 3, 3)], {"new": 2}),
        (SetSize("new", 1, 0), [SetSize("old", 4, 0)], {"old": 3}),
        (SetSize("new", 6, 6), [], {"new": 4}),
        (SetSize("new", 4, 4), [SetSize("old", 1, 1)], {"old": 0}),
        (SetSize("new", 4, 4), [], {}),
        (SetSize("new", 2, 0), [SetSize("broken", 2, 0), SetSize("old", 2, 2)], {"broken": 1}),
    ],
)
def test_next_sizes_of_four(new: SetSize, old: list[SetSize], sizes: dict[str, int]) -> None:
    assert next_sizes(4, Limits(1, 1), new, old) == sizes


@given(
    wanted=st.integers(1, 12),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
    old=st.lists(st.integers(0, 6), max_size=3),
    luck=st.randoms(use_true_random=False),
)
def test_a_rollout_keeps_its_bounds_and_comes_to_its_end(
    wanted: int, surge: int, unavailable: int, old: list[int], luck: object
) -> None:
    limits = Limits.resolve(wanted, surge, unavailable)
    replicas = {"new": 0, **{f"old{number}": size for number, size in enumerate(old)}}
    available = dict(replicas)
    before = sum(replicas.values())
    for _ in range(400):
        sets = {name: SetSize(name, replicas[name], available[name]) for name in replicas}
        sizes = next_sizes(wanted, limits, sets["new"], [each for name, each in sets.items() if name != "new"])
        served = sum(available.values())
        replicas |= sizes
        available = {name: min(available[name], replicas[name]) for name in replicas}
        assert sum(replicas.values()) <= max(wanted + limits.surge, before)
        assert sum(available.values()) >= min(wanted - limits.unavailable, served)
        if not sizes and available == replicas:
            break
        starting = [name for name in replicas if available[name] < replicas[name]]
        if starting:  # one of the pods that start comes up
            available[luck.choice(starting)] += 1  # type: ignore[attr-defined]
    assert replicas == {"new": wanted, **{f"old{number}": 0 for number in range(len(old))}}
