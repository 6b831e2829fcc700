"""What a run is measured on: what cannot be had is None, and costs nobody a run's results."""

from __future__ import annotations

from experiments.environment import first_line


def test_what_a_program_says_first() -> None:
    assert first_line(["python3", "-c", "print('one\\ntwo')"]) == "one"


def test_what_is_missing_silent_or_takes_too_long_is_none() -> None:
    assert first_line(["no-such-program"]) is None
    assert first_line(["python3", "-c", ""]) is None
    assert first_line(["sleep", "100"], 0.1) is None
