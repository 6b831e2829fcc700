"""How much processor time a lab has taken: that of its own processes, and of what was started into it."""

from __future__ import annotations

import resource
from contextlib import suppress

import psutil


def used_s(pid: int) -> float:
    """Seconds so far of the lab whose first process this is, and of the tools that this process has waited for."""
    tools = resource.getrusage(resource.RUSAGE_CHILDREN)
    return _tree_s(pid) + tools.ru_utime + tools.ru_stime


def _tree_s(pid: int) -> float:
    first, total = psutil.Process(pid), 0.0
    for one in (first, *first.children(recursive=True)):
        with suppress(psutil.Error):
            times = one.cpu_times()
            total += times.user + times.system
    return total
