"""Whether processes have ended, asked while they may be ending."""

from __future__ import annotations

from collections.abc import Iterable

import psutil


def gone(processes: Iterable[psutil.Process]) -> bool:
    """Whether none of these runs; what ended and was not waited for yet counts as gone."""
    return not any(map(_runs, processes))


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # between the two questions
        return False
