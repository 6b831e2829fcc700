"""How long to wait for policies to take effect, and how long silence has to last to be believed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

PAUSE_S, MOST_S = 0.1, 5.0


@dataclass(frozen=True)
class Patience:
    """In seconds."""

    quick: float = 0.2  # for an answer: to see that not all is right yet
    sure: float = 1.0  # for an answer: to be told that nobody answers
    in_all: float = 40.0
    growth: float = 1.3  # of both, each time that something was amiss: a busy machine answers late


USUAL = Patience()


def settle(amiss: Callable[[float], str], patience: Patience = USUAL) -> None:
    """Try until nothing is amiss, twice in a row, the second time with silence that lasts.

    `amiss` tries everything with so many seconds for answers, and tells what is wrong; "" for nothing.
    """
    deadline = time.monotonic() + patience.in_all
    quick, sure = patience.quick, patience.sure
    while said := amiss(quick) or amiss(sure):
        assert time.monotonic() < deadline, f"after {patience.in_all:.0f} s: {said}"
        quick, sure = min(quick * patience.growth, MOST_S), min(sure * patience.growth, MOST_S)
        time.sleep(PAUSE_S)
