"""Keeps one container: starts it, probes it, and starts it again by its pod's restartPolicy."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from topo.agent import restarts, telling
from topo.agent.podspec import ContainerSpec, Probe
from topo.agent.probes import Tally, pause_s
from topo.agent.restarts import Backoff
from topo.agent.status import ContainerState, Running, Terminated, Waiting
from topo.agent.telling import Words
from topo.agent.workload import StartError, Workload

_LEAST_AFTER_HOOK_S = 2.0  # for the container itself, where its preStop hook used up the grace period
log = logging.getLogger(__name__)

Start = Callable[[ContainerSpec, int], Awaitable[Workload]]
Ask = Callable[[Probe, ContainerSpec, Workload], Awaitable[bool]]


@dataclass(frozen=True)
class Surroundings:
    """What a keeper needs of its pod."""

    start: Start
    ask: Ask
    changed: Callable[[], None]  # called after every change of `ContainerKeeper.state`
    grace_s: float
    backoff: Backoff
    tell: Callable[[str, Words], None]  # of a container, to people


class ContainerKeeper:
    """One container of one pod, from its first start to its last end."""

    def __init__(self, container: ContainerSpec, state: ContainerState, policy: str, around: Surroundings) -> None:
        self.container = container
        self.state = state
        self.started = asyncio.Event()  # it has passed its startup probe, in this or an earlier run
        self._policy = policy
        self._around = around
        self._backoff = around.backoff
        self._workload: Workload | None = None
        self._stopping = asyncio.Event()
        self._stop_at = float("inf")
        self._hook: asyncio.Task[None] | None = None
        self._renewed = False

    @property
    def workload(self) -> Workload | None:
        """What runs in it now."""
        return self._workload

    async def run(self) -> None:
        """Return when the container will not run again."""
        if isinstance(self.state.state, Terminated):
            return
        while not self._stopping.is_set():
            ended = await self._run_once()
            self._set(state=ended, started=False, ready=False)
            renewed, self._renewed = self._renewed, False
            if self._stopping.is_set() or not (renewed or restarts.wanted(self._policy, ended.exit_code)):
                return
            await self._pause(ended, at_once=renewed)

    def stop(self, grace_s: float) -> None:
        """End it for good; again with a shorter grace period to hurry."""
        if not self._stopping.is_set() and isinstance(self.state.state, Running):
            self._around.tell(self.container.name, telling.killing(self.container.name))
        self._stopping.set()
        self._stop_at = min(self._stop_at, time.monotonic() + grace_s)
        if self._workload:
            self._end(self._workload, grace_s)

    def renew(self, container: ContainerSpec) -> None:
        """Run what the pod says of the container now: what runs ends, and is started again by any restartPolicy."""
        self.container = container
        if self._workload and not self._stopping.is_set():
            self._renewed = True
            self._around.tell(container.name, telling.renewing(container.name))
            self._end(self._workload, self._around.grace_s)

    def _end(self, workload: Workload, grace_s: float) -> None:
        """Stop what runs; first it is told by its preStop hook, within the same grace period."""
        if self.container.pre_stop is None or grace_s <= 0 or self._hook:
            workload.stop(grace_s)
        else:
            self._hook = asyncio.create_task(self._say_goodbye(self.container.pre_stop, workload, grace_s))

    async def _say_goodbye(self, hook: Probe, workload: Workload, grace_s: float) -> None:
        began = time.monotonic()
        with suppress(asyncio.TimeoutError):
            if not await asyncio.wait_for(self._around.ask(hook, self.container, workload), grace_s):
                self._around.tell(self.container.name, telling.hook_failed("PreStop", self.container.name))
        workload.stop(max(grace_s - (time.monotonic() - began), _LEAST_AFTER_HOOK_S))

    async def _run_once(self) -> Terminated:
        began = time.time()
        try:
            workload = await self._around.start(self.container, self.state.restarts)
        except (StartError, OSError) as error:  # OSError: out of descriptors, processes or memory
            return Terminated(128, "StartError", str(error), began, time.time())
        self._workload = workload
        if self._stopping.is_set():
            workload.stop(max(0.0, self._stop_at - time.monotonic()))
        elif not workload.exited.done() and await self._greet(workload):
            self._set(state=Running(time.time()), kind=workload.kind)
        else:
            self.state = replace(self.state, kind=workload.kind)
        probing = asyncio.create_task(self._probe(workload))
        try:
            ended = await workload.exited
        finally:
            probing.cancel()
            self._workload = self._hook = None
        return Terminated(ended.code, ended.reason, ended.message, began, time.time())

    async def _greet(self, workload: Workload) -> bool:
        """Do what the postStart hook asks; a container whose hook fails is killed."""
        hook = self.container.post_start
        if hook is None or await self._around.ask(hook, self.container, workload):
            return True
        self._around.tell(self.container.name, telling.hook_failed("PostStart", self.container.name))
        workload.stop(0)
        return False

    async def _pause(self, ended: Terminated, *, at_once: bool) -> None:
        self._backoff = self._around.backoff if at_once else self._backoff.after(ended.finished_at - ended.started_at)
        delay = 0.0 if at_once else self._backoff.delay_s
        if delay or ended.reason == "StartError":
            text = f"back-off {delay:g}s restarting failed container {self.container.name}"
            text = f"{ended.message}; {text}" if ended.reason == "StartError" else text
            self._set(state=Waiting("CrashLoopBackOff", text), last=ended)
            if not await self._stopped_within(delay):
                self.state = replace(self.state, restarts=self.state.restarts + 1)
            else:
                self._set(state=ended, last=None)
        else:
            self._set(state=Waiting("ContainerCreating"), last=ended, restarts=self.state.restarts + 1)

    async def _stopped_within(self, delay_s: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), delay_s)
        except asyncio.TimeoutError:
            return False
        return True

    async def _probe(self, workload: Workload) -> None:
        """Startup first; then readiness and liveness side by side."""
        try:
            if self.container.startup and not await self._start_up(workload, self.container.startup):
                return
            self.started.set()
            self._set(started=True, ready=self.container.readiness is None and not workload.exited.done())
            watches = []
            if self.container.readiness:
                watches.append(self._watch_readiness(workload, self.container.readiness))
            if self.container.liveness:
                watches.append(self._watch_liveness(workload, self.container.liveness))
            await asyncio.gather(*watches)
        except Exception:  # the container lives on without probes rather than unobserved for no stated reason
            log.exception("probing container %s failed", self.container.name)

    async def _start_up(self, workload: Workload, probe: Probe) -> bool:
        async for verdict in self._verdicts(workload, probe, eager=False):
            if verdict is False:
                self._unhealthy(workload, "startup")
            return verdict
        return False

    async def _watch_readiness(self, workload: Workload, probe: Probe) -> None:
        async for verdict in self._verdicts(workload, probe, eager=True):
            self._set(ready=verdict)

    async def _watch_liveness(self, workload: Workload, probe: Probe) -> None:
        async for verdict in self._verdicts(workload, probe, eager=False):
            if not verdict:
                self._unhealthy(workload, "liveness")
                return

    async def _verdicts(self, workload: Workload, probe: Probe, *, eager: bool) -> AsyncIterator[bool]:
        """Each change of the probe's verdict."""
        tally = Tally()
        await asyncio.sleep(probe.initial_delay_s)
        while True:
            before = tally.verdict
            tally = tally.after(await self._around.ask(probe, self.container, workload), probe)
            if tally.verdict is not None and tally.verdict is not before:
                yield tally.verdict
            await asyncio.sleep(pause_s(probe, tally, eager=eager))

    def _unhealthy(self, workload: Workload, kind: str) -> None:
        log.info("container %s failed its %s probe and is restarted", self.container.name, kind)
        self._around.tell(self.container.name, telling.unhealthy(kind, self.container.name))
        self._end(workload, self._around.grace_s)

    def _set(self, **changes: object) -> None:
        before = self.state
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]
        if self.state != before:
            self._around.changed()
            for words in telling.words_of(self.container.name, before, self.state):
                self._around.tell(self.container.name, words)
