"""Work done inside other network namespaces: threads that enter one, make what is asked for, and leave it again.

A socket belongs for life to the namespace it was made in, so the agent's one event loop serves sockets of a thousand
pods. Only these threads ever change their namespace; children are started by the main thread, which never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from k8sshim.errors import PodwireError
from topo.syscalls import inside

_THREADS = 2

T = TypeVar("T")


class NamespaceEntry:
    """Runs functions in named network namespaces."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="namespace")

    async def run(self, namespace: str, act: Callable[[], T]) -> T:
        """What `act` returns when called in that namespace. Raises PodwireError where there is no such namespace."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _inside, namespace, act)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)


def _inside(namespace: str, act: Callable[[], T]) -> T:
    try:
        with inside(namespace):
            return act()
    except FileNotFoundError as error:
        raise PodwireError(f"there is no network namespace {namespace}") from error
