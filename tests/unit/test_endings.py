"""Signals that end a command: as Ctrl-C, but for what nohup has it bear."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from cli.endings import ENDINGS, as_ctrl_c

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {ending: signal.getsignal(ending) for ending in ENDINGS}
    yield
    for ending, handler in before.items():
        signal.signal(ending, handler)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_end_from_outside_is_an_interrupt(ending: signal.Signals) -> None:
    as_ctrl_c()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(ending)


def test_what_nohup_started_goes_on_without_its_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    as_ctrl_c()
    signal.raise_signal(signal.SIGHUP)
