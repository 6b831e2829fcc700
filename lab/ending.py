"""The end of a lab: one signal, and the kernel takes all of it away."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from k8sshim.errors import PodwireError
from lab import state
from lab.state import Lab
from lab.waiting import wait_until

_END_S, _KILL_S = 2.0, 10.0


def down(lab: Lab) -> None:
    """End a lab, and remove its folder."""
    end(lab)
    state.remove(lab.folder)


def end(lab: Lab) -> None:
    """End every process of a lab. Raises PodwireError where they do not end."""
    for number, timeout_s in ((signal.SIGTERM, _END_S), (signal.SIGKILL, _KILL_S)):
        if not lab.pid:
            raise PodwireError(f'lab "{lab.name}" is only starting; try again when it runs')
        with suppress(ProcessLookupError):
            os.kill(lab.pid, number)
        if wait_until(lambda: not state.alive(lab.folder), timeout_s):
            return
    raise PodwireError(f'lab "{lab.name}" does not end: process {lab.pid} survived kill -9')
