"""Keeps one pod: brings it onto the network, runs its containers in their order, and takes it down again."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from k8sshim.errors import PodwireError
from k8sshim.objects import Raw
from topo.agent import restarts
from topo.agent.container import ContainerKeeper, Surroundings
from topo.agent.network import PodNetworks
from topo.agent.podspec import ContainerSpec, PodSpec, Probe
from topo.agent.probing import Prober
from topo.agent.recovery import parse_time, recover
from topo.agent.restarts import Backoff
from topo.agent.runtime import Containers, Placement
from topo.agent.status import Address, ContainerState, Terminated, Waiting, phase, pod_status
from topo.agent.wiring import PodWiring
from topo.agent.workload import Workload

log = logging.getLogger(__name__)
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.5, 10.0
_PASSING_S = (
    1.0  # a state that lasts no longer is not reported: most pods are written once as they come, never as they go
)


@dataclass(frozen=True)
class PodMachine:
    """What a pod's keeper acts with, and where the pod is to be."""

    networks: PodNetworks
    wiring: PodWiring | None  # None for hostNetwork pods
    runtime: Containers
    prober: Prober
    address: Address
    backoff: Backoff


class PodKeeper:
    """One pod, from the moment it is bound to the node to its removal."""

    def __init__(self, spec: PodSpec, raw: Raw, machine: PodMachine, changed: Callable[[PodKeeper], None]) -> None:
        now = time.time()
        status = raw.get("status") or {}
        self.spec = spec
        self.api_status: Raw = status  # as the API last had it
        self.vanished = False  # the API has no such object any more
        self._machine = machine
        self._mark = changed
        self._late_mark: asyncio.TimerHandle | None = None
        self._started_at = parse_time(status.get("startTime"), now)
        self._connected = False
        self._finished = status.get("phase") in ("Succeeded", "Failed")
        self._stopping = asyncio.Event()
        self._starting = (
            asyncio.Lock()
        )  # one after another, so that the first to ask for a port is the first to be named
        self._problem = ""  # why the pod is not on the network
        states = recover(spec, status, now)
        inits = [self._keeper(c, states[c.name], init=True) for c in spec.init_containers]
        mains = [self._keeper(c, states[c.name], init=False) for c in spec.containers]
        self._inits, self._mains = inits, mains
        self._tasks: list[asyncio.Task[None]] = []

    def status(self, now: float) -> Raw:
        """The status to report."""
        states = {keeper.container.name: self._told(keeper.state) for keeper in (*self._inits, *self._mains)}
        address = self._machine.address if self._connected or self._finished else None
        if address is None:
            address = replace(self._machine.address, pod_ips=())
        return pod_status(self.spec, states, address, started_at=self._started_at, now=now, previous=self.api_status)

    def stop(self, grace_s: float) -> None:
        """End the pod; again with a shorter grace period to hurry."""
        self._stopping.set()
        for keeper in (*self._inits, *self._mains):
            keeper.stop(grace_s)

    async def run(self) -> None:
        """Return when the pod was stopped and nothing of it is left on this node."""
        if not self._finished and not self._stopping.is_set():
            await self._live()
        if not self._stopping.is_set():
            if not self._finished:  # whoever finished a pod before this agent came has said how
                self._finished = True
                self._mark(self)
            await self._disconnect()
            await self._stopping.wait()
        await self._disconnect()
        self._passing_over()
        await asyncio.get_running_loop().run_in_executor(None, self._forget)

    async def _live(self) -> None:
        self._changed()
        if not await self._connect():
            return
        if await self._initialise():
            await asyncio.gather(*(keeper.run() for keeper in self._mains))
        for keeper in self._inits:  # sidecars outlive the containers they serve
            keeper.stop(self.spec.grace_s)
        await asyncio.gather(*self._tasks)

    async def _connect(self) -> bool:
        """Whether the pod came onto the network before it was stopped."""
        self._machine.runtime.folder(self.spec).mkdir(
            parents=True, exist_ok=True
        )  # what is to be removed after a crash
        pause_s = _FIRST_RETRY_S
        while not self._stopping.is_set():
            try:
                if self._machine.wiring:
                    await self._machine.networks.up(self._machine.wiring)
                self._connected, self._problem = True, ""
                return True
            except PodwireError as error:
                self._problem = str(error)
                log.warning("pod %s: %s; trying again in %.1f s", self.spec.key, error, pause_s)
                self._mark(self)
            await self._stopped_within(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_RETRY_S)
        return False

    async def _initialise(self) -> bool:
        """Whether the init containers did their part."""
        for keeper in self._inits:
            if self._stopping.is_set():
                return False
            if keeper.container.sidecar:
                self._tasks.append(asyncio.create_task(keeper.run()))
                await _first_of(keeper.started.wait(), self._stopping.wait())
                continue
            await keeper.run()
            if not isinstance(keeper.state.state, Terminated) or keeper.state.state.exit_code != 0:
                return False
        return not self._stopping.is_set()

    async def _disconnect(self) -> None:
        pause_s = _FIRST_RETRY_S
        while self._machine.wiring:
            try:
                await self._machine.networks.down(self._machine.wiring)
                return
            except PodwireError as error:
                log.warning("pod %s stays on the network: %s; trying again in %.1f s", self.spec.key, error, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_RETRY_S)

    def _forget(self) -> None:
        shutil.rmtree(self._machine.runtime.folder(self.spec), ignore_errors=True)
        shutil.rmtree(self._machine.runtime.logs(self.spec), ignore_errors=True)

    def _changed(self) -> None:
        """Report the state: at once while the pod runs, and where it comes or goes only if that takes a while."""
        if self._connected and not self._stopping.is_set():
            self._passing_over()
            self._mark(self)
        elif self._late_mark is None:
            self._late_mark = asyncio.get_running_loop().call_later(_PASSING_S, self._mark, self)

    def _passing_over(self) -> None:
        if self._late_mark is not None:
            self._late_mark.cancel()
            self._late_mark = None

    async def _stopped_within(self, delay_s: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), delay_s)
        except asyncio.TimeoutError:
            return

    def _told(self, state: ContainerState) -> ContainerState:
        """A container's state with what keeps the whole pod back."""
        if self._problem and isinstance(state.state, Waiting):
            return replace(state, state=replace(state.state, message=self._problem))
        return state

    def _keeper(self, container: ContainerSpec, state: ContainerState, *, init: bool) -> ContainerKeeper:
        completes = init and not container.sidecar
        where = Placement(self._machine.address.pod_ips, self._machine.address.host_ips[0])
        policy = restarts.policy_of(self.spec.restart_policy, init=init, sidecar=container.sidecar)

        async def start(container: ContainerSpec, count: int) -> Workload:
            async with self._starting:
                return await self._machine.runtime.start(self.spec, container, where, count, completes=completes)

        def ask(probe: Probe, container: ContainerSpec, workload: Workload) -> Awaitable[bool]:
            return self._machine.prober.ask(probe, container, where.pod_ips[0], workload)

        around = Surroundings(start, ask, self._changed, self.spec.grace_s, self._machine.backoff)
        return ContainerKeeper(container, state, policy, around)

    @property
    def phase(self) -> str:
        """The phase as it is now."""
        return phase(self.spec, {keeper.container.name: keeper.state for keeper in (*self._inits, *self._mains)})


async def _first_of(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
