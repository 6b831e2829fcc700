"""Keeps one pod: brings it onto the network, runs its containers in their order, and takes it down again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from k8sshim.errors import PodwireError
from k8sshim.objects import Raw
from topo.agent import restarts
from topo.agent.command import Command
from topo.agent.container import ContainerKeeper, Surroundings
from topo.agent.network import PodNetworks
from topo.agent.podspec import ContainerSpec, PodSpec, Probe
from topo.agent.presence import Presence
from topo.agent.probing import Prober
from topo.agent.recovery import parse_time, recover
from topo.agent.restarts import Backoff
from topo.agent.runtime import Containers, Placement
from topo.agent.status import Address, ContainerState, Terminated, Waiting, phase, pod_status
from topo.agent.telling import Words
from topo.agent.usage import Watched
from topo.agent.wiring import PodWiring
from topo.agent.workload import Workload

log = logging.getLogger(__name__)
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.5, 10.0
_ENDPOINT_LEAVES_S = 1.5
_REACHED_WITHIN_S = 5.0
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
    presence: Presence
    tell: Callable[[PodSpec, str, Words], None]  # of a container, to people
    published: Callable[[], bool]  # whether Services have the pod as their endpoint


class PodKeeper:
    """One pod, from the moment it is bound to the node to its removal."""

    def __init__(self, spec: PodSpec, raw: Raw, machine: PodMachine, changed: Callable[[PodKeeper], None]) -> None:
        now = time.time()
        status = raw.get("status") or {}
        self.spec = spec
        self.api_status: Raw = status  # as the API last had it
        self.vanished = False  # the API has no such object any more
        self._machine = machine
        self._where = Placement(machine.address.pod_ips, machine.address.host_ips[0])
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
        self._ephemeral = [self._debugger(c, states[c.name]) for c in spec.ephemeral]

    def status(self, now: float) -> Raw:
        """The status to report."""
        every = (*self._inits, *self._mains, *self._ephemeral)
        states = {keeper.container.name: self._told(keeper.state) for keeper in every}
        address = self._machine.address if self._connected or self._finished else None
        if address is None:
            address = replace(self._machine.address, pod_ips=())
        return pod_status(self.spec, states, address, started_at=self._started_at, now=now, previous=self.api_status)

    def stop(self, grace_s: float) -> None:
        """End the pod; again with a shorter grace period to hurry.

        Of a pod behind a Service the endpoint leaves first: its containers hear of the end when every switch has had
        time to forget it.
        """
        self._stopping.set()
        lead_s = min(_ENDPOINT_LEAVES_S, grace_s / 2) if self._connected and self._machine.published() else 0.0
        if lead_s:
            asyncio.get_running_loop().call_later(lead_s, self._stop_containers, grace_s - lead_s)
        else:
            self._stop_containers(grace_s)

    def _stop_containers(self, grace_s: float) -> None:
        for keeper in (*self._inits, *self._mains, *self._ephemeral):
            keeper.stop(grace_s)

    async def run(self) -> None:
        """Return when the pod was stopped and nothing of it is left on this node."""
        if not self._finished and not self._stopping.is_set():
            await self._live()
        if self._connected and self._machine.wiring:
            await self._machine.presence.silent(self.spec.namespace)
        if not self._stopping.is_set():
            if not self._finished:  # whoever finished a pod before this agent came has said how
                self._finished = True
                self._mark(self)
            await self._disconnect()
            await self._stopping.wait()
        await self._disconnect()
        self._passing_over()
        await self._machine.runtime.forget(self.spec)

    async def _live(self) -> None:
        self._changed()
        if not await self._connect():
            return
        if await self._initialise():
            self._tasks.extend(asyncio.create_task(keeper.run()) for keeper in self._ephemeral)
            await asyncio.gather(*(keeper.run() for keeper in self._mains))
        for keeper in (*self._inits, *self._ephemeral):  # sidecars outlive the containers they serve
            keeper.stop(self.spec.grace_s)
        await asyncio.gather(*self._tasks)

    async def _connect(self) -> bool:
        """Whether the pod came onto the network before it was stopped."""
        self._machine.runtime.prepare(self.spec, self._where)
        pause_s = _FIRST_RETRY_S
        while not self._stopping.is_set():
            try:
                if self._machine.wiring:
                    await self._machine.networks.up(self._machine.wiring)
                    await self._reached()
                self._connected, self._problem = True, ""
                return True
            except PodwireError as error:
                self._problem = str(error)
                log.warning("pod %s: %s; trying again in %.1f s", self.spec.key, error, pause_s)
                self._mark(self)
            await self._stopped_within(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_RETRY_S)
        return False

    async def _reached(self) -> None:
        """Return when the network delivers to the pod, so that none of its containers starts, or is ready, before."""
        if not await self._machine.presence.reached(self._where.pod_ips[0], _REACHED_WITHIN_S):
            raise PodwireError("the node bridge does not deliver to the pod yet")

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

    def _keeper(
        self, container: ContainerSpec, state: ContainerState, *, init: bool, policy: str = ""
    ) -> ContainerKeeper:
        completes = init and not container.sidecar
        policy = policy or restarts.policy_of(self.spec.restart_policy, init=init, sidecar=container.sidecar)

        async def start(container: ContainerSpec, count: int) -> Workload:
            async with self._starting:
                return await self._machine.runtime.start(self.spec, container, self._where, count, completes=completes)

        def ask(probe: Probe, container: ContainerSpec, workload: Workload) -> Awaitable[bool]:
            return self._machine.prober.ask(probe, container, self._where.pod_ips[0], workload)

        def tell(name: str, words: Words) -> None:
            self._machine.tell(self.spec, name, words)

        around = Surroundings(start, ask, self._changed, self.spec.grace_s, self._machine.backoff, tell)
        return ContainerKeeper(container, state, policy, around)

    def extend(self, spec: PodSpec) -> None:
        """Start the ephemeral containers that have been added to the pod."""
        known = {keeper.container.name for keeper in self._ephemeral}
        added = [container for container in spec.ephemeral if container.name not in known]
        if not added or self._stopping.is_set() or not self._connected:
            return
        self.spec = replace(self.spec, ephemeral=spec.ephemeral)
        for container in added:
            keeper = self._debugger(container, ContainerState(Waiting("ContainerCreating")))
            self._ephemeral.append(keeper)
            self._tasks.append(asyncio.create_task(keeper.run()))

    def renew(self, images: Mapping[str, str]) -> None:
        """Run containers from the images that the pod names now; init containers that have completed stay so."""
        keepers = (*self._mains, *(each for each in self._inits if each.container.sidecar))
        present = [(each, each.container) for each in keepers]
        changed = [(each, image) for each, one in present if (image := images.get(one.name, one.image)) != one.image]
        for keeper, image in changed:
            keeper.renew(replace(keeper.container, image=image))
        if changed:
            containers, inits = (tuple(each.container for each in some) for some in (self._mains, self._inits))
            self.spec = replace(self.spec, containers=containers, init_containers=inits)

    def _debugger(self, container: ContainerSpec, state: ContainerState) -> ContainerKeeper:
        """Who keeps an ephemeral container: it runs once."""
        return self._keeper(container, state, init=False, policy="Never")

    def container(self, name: str) -> ContainerKeeper | None:
        """The keeper of the container of that name; of the first one for ""."""
        keepers = (*self._mains, *self._inits, *self._ephemeral)
        return next((keeper for keeper in keepers if name in ("", keeper.container.name)), None)

    def watched(self) -> Iterator[Watched]:
        """The containers that run, for those who measure them."""
        for keeper in (*self._inits, *self._mains, *self._ephemeral):
            if keeper.workload is not None:
                pid = keeper.workload.pid if isinstance(keeper.workload, Command) else 0
                yield Watched(self.spec.key.namespace, self.spec.key.name, self.spec.node, keeper.container.name, pid)

    async def beside(self, keeper: ContainerKeeper, argv: Sequence[str]) -> tuple[Sequence[str], Mapping[str, str]]:
        """The command line, and its environment, that runs `argv` beside a container. Raises StartError."""
        if isinstance(keeper.workload, Command):
            return await keeper.workload.beside(argv), keeper.workload.environment
        return await self._machine.runtime.beside(self.spec, keeper.container, self._where, argv)

    @property
    def phase(self) -> str:
        """The phase as it is now."""
        return phase(self.spec, {keeper.container.name: keeper.state for keeper in (*self._inits, *self._mains)})


async def _first_of(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
