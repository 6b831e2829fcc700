"""Keeps one component alive: starts it, waits for its end, starts it again, after longer pauses if it keeps dying."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lab.components import PIDS, STOPPED, Component

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_STOPPED_LOOK_S = 0.05  # whether it is to run again
_STEADY_S = 10.0  # a component that lived this long is given the short pause again
# MALLOC_ARENA_MAX: threads share few heaps, which keeps a lab of many small processes in a third less memory.
_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}


class Keeper:
    """A thread that keeps one component running until this process ends."""

    def __init__(self, component: Component, log: Path, ended: Callable[[Component, int], None]) -> None:
        self._component = component
        self._log = log / f"{component.name}.log"
        self._ended = ended  # called with the exit code (negative: the signal) each time it ends
        self._pause = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=component.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _keep(self) -> None:
        pause_s = 0.0
        while True:
            begun = time.monotonic()
            code = self._run()
            self._ended(self._component, code)
            pause_s = next_pause_s(pause_s, time.monotonic() - begun)
            self._pause.wait(pause_s)
            while (STOPPED / self._component.name).exists():
                self._pause.wait(_STOPPED_LOOK_S)

    def _run(self) -> int:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self._component.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self._component.descriptors,
                env={**os.environ, **_ENVIRONMENT},
            )
        PIDS.mkdir(parents=True, exist_ok=True)
        (PIDS / self._component.name).write_text(str(process.pid))
        return process.wait()


def next_pause_s(last_s: float, lived_s: float) -> float:
    """How long to wait before the next start of a component that lived `lived_s` after a pause of `last_s`."""
    if lived_s >= _STEADY_S:
        return _FIRST_PAUSE_S
    return min(max(last_s * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
