"""Pods into the network and out of it, in batches.

While one batch is at work the next gathers, so that a hundred pods that arrive together cost a handful of netlink
conversations and Open vSwitch transactions. One `PodNetworks` serves one placement group: its ovs-vswitchd is what a
batch waits for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from k8sshim.errors import PodwireError
from topo.agent.wiring import PodWiring
from topo.ports import Bridges, Namespaces, PartlyDone

log = logging.getLogger(__name__)
_BATCH = 128  # more in one batch would keep its first pod waiting for its last


def bring_up(namespaces: Namespaces, bridges: Bridges, pods: Sequence[PodWiring]) -> dict[str, str]:
    """Realise the pods; what failed comes back as namespace name -> reason. Doing it again is no error."""
    failed: dict[str, str] = {}

    def step(act: Callable[[list[PodWiring]], None], name: Callable[[PodWiring], str]) -> None:
        remaining = [pod for pod in pods if pod.namespace not in failed]
        if remaining:
            failed.update(_attempt(act, remaining, name))

    step(lambda some: namespaces.create([pod.namespace for pod in some]), lambda pod: pod.namespace)
    step(lambda some: namespaces.connect([pod.link for pod in some]), lambda pod: pod.link.peer)
    step(lambda some: bridges.add_ports([pod.port for pod in some]), lambda pod: pod.port.interface)
    return failed


def take_down(namespaces: Namespaces, bridges: Bridges, pods: Sequence[PodWiring]) -> dict[str, str]:
    """Remove the pods' ports, links and namespaces; what failed comes back as namespace name -> reason."""
    failed: dict[str, str] = {}
    everyone = list(pods)
    failed.update(
        _attempt(lambda some: bridges.delete_ports([p.port for p in some]), everyone, lambda p: p.port.interface)
    )
    failed.update(_attempt(lambda some: namespaces.disconnect([p.link for p in some]), everyone, lambda p: p.link.peer))
    failed.update(
        _attempt(lambda some: namespaces.delete([p.namespace for p in some]), everyone, lambda p: p.namespace)
    )
    return failed


def _attempt(
    act: Callable[[list[PodWiring]], None], pods: list[PodWiring], name: Callable[[PodWiring], str]
) -> dict[str, str]:
    try:
        act(pods)
    except PartlyDone as error:
        return {pod.namespace: error.failed[name(pod)] for pod in pods if name(pod) in error.failed}
    except PodwireError as error:  # the whole batch: an ovs-vswitchd that does not answer
        return {pod.namespace: str(error) for pod in pods}
    return {}


@dataclass
class _Request:
    pod: PodWiring
    up: bool
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class PodNetworks:
    """The pods' networks of one placement group."""

    def __init__(self, namespaces: Namespaces, bridges: Bridges, executor: Executor) -> None:
        self._namespaces = namespaces
        self._bridges = bridges
        self._executor = executor
        self._waiting: list[_Request] = []
        self._wakeup = asyncio.Event()

    async def up(self, pod: PodWiring) -> None:
        """Return when the pod is on the network. Raises PodwireError with the reason when that failed."""
        await self._ask(_Request(pod, up=True))

    async def down(self, pod: PodWiring) -> None:
        """Return when nothing of the pod is left. Raises PodwireError with the reason when something stays."""
        await self._ask(_Request(pod, up=False))

    async def run(self) -> None:
        """Serve requests for ever."""
        while True:
            await self._wakeup.wait()
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            if not self._waiting:
                self._wakeup.clear()
            await self._serve(batch)

    async def _ask(self, request: _Request) -> None:
        self._waiting.append(request)
        self._wakeup.set()
        await request.done

    async def _serve(self, batch: list[_Request]) -> None:
        for up, act in ((False, take_down), (True, bring_up)):
            requests = [request for request in batch if request.up is up]
            if not requests:
                continue
            pods = [request.pod for request in requests]
            loop = asyncio.get_running_loop()
            try:
                failed = await loop.run_in_executor(self._executor, act, self._namespaces, self._bridges, pods)
            except Exception as error:  # a bug below must not leave its pods waiting for ever
                log.exception("a batch of %d pods failed", len(pods))
                failed = {pod.namespace: f"{type(error).__name__}: {error}" for pod in pods}
            _answer(requests, failed)


def _answer(requests: list[_Request], failed: dict[str, str]) -> None:
    for request in requests:
        if request.done.done():  # whoever asked has been cancelled
            continue
        reason = failed.get(request.pod.namespace)
        if reason is None:
            request.done.set_result(None)
        else:
            request.done.set_exception(PodwireError(reason))
