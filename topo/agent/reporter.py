"""Writes statuses to the API, and deletes pods that are gone: whatever else happens, until it is done.

A pod that changed is marked, and its status is built when its turn comes: changes in between cost nothing, and a
server that is away for a while is told the latest when it is back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import Protocol, TypeVar

from k8sshim.client import EVENTS, PODS, Absent, Resource
from k8sshim.client.recorder import Recorder, Told
from k8sshim.errors import BadInput, Conflict, PodwireError
from k8sshim.objects import Key, Raw
from topo.agent.podspec import PodSpec
from topo.agent.telling import Words

log = logging.getLogger(__name__)
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.1, 2.0
WRITERS = 4

T = TypeVar("T")


class Api(Protocol):
    """What the agent asks of the API beside watching it; `k8sshim.client.Client` is one."""

    def get(self, resource: Resource, key: Key) -> Raw | None: ...

    def create(self, resource: Resource, raw: Raw) -> Raw: ...

    def patch(
        self, resource: Resource, key: Key, patch: Raw, *, subresource: str = "", strategy: str = "merge"
    ) -> Raw: ...

    def delete(self, resource: Resource, key: Key, *, grace_period_s: int | None = None) -> Raw | None: ...


class Reported(Protocol):
    """A pod whose status is to be written; `PodKeeper` is one."""

    spec: PodSpec
    api_status: Raw
    vanished: bool

    def status(self, now: float) -> Raw: ...


class Reporter:
    """Brings pods' statuses to the API."""

    def __init__(self, api: Api, executor: Executor) -> None:
        self._api = api
        self._executor = executor
        self._marked: dict[str, Reported] = {}  # uid -> pod, oldest mark first
        self._written: dict[str, Raw] = {}
        self._busy: set[str] = set()
        self._recorder = Recorder("kubelet", time.time)
        self._wakeup = asyncio.Condition()
        self._wakeups: set[asyncio.Task[None]] = set()

    def mark(self, pod: Reported) -> None:
        """The pod's status may have changed. Call in the event loop's thread."""
        self._marked.setdefault(pod.spec.uid, pod)
        task = asyncio.ensure_future(self._notify())
        self._wakeups.add(task)
        task.add_done_callback(self._wakeups.discard)

    def again(self, pod: Reported) -> None:
        """Somebody else may have written the pod's status meanwhile. Call in the event loop's thread."""
        self._written.pop(pod.spec.uid, None)
        self.mark(pod)

    async def run(self) -> None:
        """Write for ever."""
        await asyncio.gather(*(self._writer() for _ in range(WRITERS)))

    async def remove(self, pod: Reported) -> None:
        """Delete the pod's object for good; return when it is gone."""
        uid = pod.spec.uid
        self._marked.pop(uid, None)
        if not pod.vanished:
            await self.insist(partial(self._delete, pod), f"deleting pod {pod.spec.key}")
        self._written.pop(uid, None)

    def tell(self, pod: PodSpec, container: str, words: Words) -> None:
        """Tell people of a container, if there is time for it. Call in the event loop's thread."""
        kind, reason, message = words
        metadata = {"name": pod.key.name, "namespace": pod.key.namespace, "uid": pod.uid}
        about = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        path = f"spec.containers{{{container}}}"
        event = self._recorder.event(Told(about, reason, message, kind, path), pod.node)
        if event is not None:
            asyncio.get_running_loop().run_in_executor(self._executor, self._create_event, event)

    def _create_event(self, event: Raw) -> None:
        with suppress(PodwireError):  # the namespace may be gone, and the server away
            self._api.create(EVENTS, event)

    async def insist(self, act: Callable[[], T], what: str) -> T | None:
        """What `act` returns in another thread; tried again while the server is away. None where it was refused."""
        pause_s = _FIRST_RETRY_S
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._executor, act)
            except Absent:
                return None
            except BadInput as error:
                log.error("%s: %s", what, error)
                return None
            except PodwireError as error:
                log.warning("%s: %s; trying again in %.1f s", what, error, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_RETRY_S)

    async def _notify(self) -> None:
        async with self._wakeup:
            self._wakeup.notify_all()

    async def _writer(self) -> None:
        while True:
            async with self._wakeup:
                await self._wakeup.wait_for(lambda: self._next() is not None)
                pod = self._marked.pop(self._next() or "")
                self._busy.add(pod.spec.uid)
            try:
                await self._write(pod)
            finally:
                self._busy.discard(pod.spec.uid)
                await self._notify()

    def _next(self) -> str | None:
        return next((uid for uid in self._marked if uid not in self._busy), None)

    async def _write(self, pod: Reported) -> None:
        if pod.vanished:
            return
        uid, status = pod.spec.uid, pod.status(time.time())
        if self._written.get(uid) == status:
            return
        patch = {"metadata": {"uid": uid}, "status": status}
        answer = await self.insist(partial(self._patch, pod, patch), f"status of pod {pod.spec.key}")
        if answer is not None and not pod.vanished:
            self._written[uid] = status
            pod.api_status = answer.get("status") or {}

    def _patch(self, pod: Reported, patch: Raw) -> Raw | None:
        if pod.vanished:
            return None
        try:
            return self._api.patch(PODS, pod.spec.key, patch, subresource="status")
        except Conflict:  # another write came between, or another pod has the name by now
            current = self._api.get(PODS, pod.spec.key)
            if current is None or current["metadata"].get("uid") != pod.spec.uid:
                pod.vanished = True
                return None
            raise

    def _delete(self, pod: Reported) -> None:
        current = self._api.get(PODS, pod.spec.key)
        if current is not None and current["metadata"].get("uid") == pod.spec.uid:
            self._api.delete(PODS, pod.spec.key, grace_period_s=0)
