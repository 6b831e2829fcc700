"""Waiting for a condition, with an end to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_PAUSE_S = 0.02


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether `condition` became true within `timeout_s`; asked every few milliseconds and at the end."""
    pause = threading.Event()  # never set: waits without being a sleep that nothing can end
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return condition()
        pause.wait(_PAUSE_S)
    return True
