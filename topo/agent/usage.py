"""How much processor and memory the commands of containers use: what `kubectl top` shows.

Stand-ins use next to nothing, and have no processes of their own to tell it from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psutil

from k8sshim.objects import Raw

_BETWEEN_S = 0.25  # two looks at a process tell how busy it is


@dataclass(frozen=True)
class Watched:
    """A container and its command's PID; 0 for a stand-in."""

    namespace: str
    pod: str
    node: str
    container: str
    pid: int


async def measure(containers: Iterable[Watched]) -> list[Raw]:
    """Nanocores and bytes of each container."""
    watched = list(containers)
    before = {each: _seconds(each.pid) for each in watched}
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(_BETWEEN_S)
    elapsed = asyncio.get_running_loop().time() - began
    return [
        {
            "namespace": each.namespace,
            "pod": each.pod,
            "node": each.node,
            "container": each.container,
            "nanocores": int(max(_seconds(each.pid) - before[each], 0.0) / elapsed * 1e9),
            "bytes": sum(_bytes(process) for process in _family(each.pid)),
        }
        for each in watched
    ]


def _family(pid: int) -> Iterator[psutil.Process]:
    """A process and all that it has started."""
    if not pid:
        return
    try:
        process = psutil.Process(pid)
        yield process
        yield from process.children(recursive=True)
    except psutil.Error:
        return


def _seconds(pid: int) -> float:
    return sum(_spent(process) for process in _family(pid))


def _spent(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
