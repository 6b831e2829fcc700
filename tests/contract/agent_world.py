"""A node agent in memory: fakes of `topo.ports`, of the API, and of what runs in containers."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fake_ports import FakeBridges, FakeNamespaces

from k8sshim.client import EVENTS, Absent, Resource, Unreachable
from k8sshim.errors import Conflict
from k8sshim.objects import POD_NETWORK_ANNOTATION, Key, PodNetwork, Raw
from topo import spec as cluster_spec
from topo.agent.catalogue import Catalogue
from topo.agent.entry import NamespaceEntry
from topo.agent.folders import PodFolders
from topo.agent.network import PodNetworks
from topo.agent.node import NodeAgent, Services
from topo.agent.podspec import ContainerSpec, PodSpec
from topo.agent.reporter import Reporter
from topo.agent.restarts import Backoff
from topo.agent.runtime import Placement
from topo.agent.workload import Exit, StartError, Workload
from topo.plan import PlannedNode, plan
from topo.ports import OwnPorts


class FakeAgentApi:
    """Pods in memory. `away` makes every request fail as if the server did not answer."""

    def __init__(self) -> None:
        self.pods: dict[Key, Raw] = {}
        self.away = False
        self.writes: list[tuple[str, str]] = []  # what was done to which pod

    def get(self, resource: Resource, key: Key) -> Raw | None:
        self._reach()
        return copy.deepcopy(self.pods.get(key))

    def create(self, resource: Resource, raw: Raw) -> Raw:
        self._reach()
        if resource != EVENTS:
            self.pods[Key.of(raw)] = raw
        return raw

    def patch(self, resource: Resource, key: Key, patch: Raw, *, subresource: str = "", strategy: str = "merge") -> Raw:
        self._reach()
        if key not in self.pods:
            raise Absent(f"pods {key} not found")
        pod = self.pods[key]
        if patch.get("metadata", {}).get("uid") not in (None, pod["metadata"]["uid"]):
            raise Conflict("the UID in the precondition does not match")
        self.writes.append(("status", key.name))
        pod["status"] = {**pod.get("status", {}), **patch["status"]}
        return copy.deepcopy(pod)

    def delete(self, resource: Resource, key: Key, *, grace_period_s: int | None = None) -> Raw | None:
        self._reach()
        assert grace_period_s == 0
        self.writes.append(("delete", key.name))
        return self.pods.pop(key, None)

    def _reach(self) -> None:
        if self.away:
            raise Unreachable("the API server does not answer")


class FakeWorkload:
    """A container's program that does what the test says."""

    kind = "command"

    def __init__(self, name: str) -> None:
        self.name = name
        self.exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.stops: list[float] = []
        self.stubborn = False

    def stop(self, grace_s: float) -> None:
        self.stops.append(grace_s)
        if grace_s == 0 or not self.stubborn:
            self.end(137 if grace_s == 0 else 0)

    def end(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(Exit(code))

    async def execute(self, argv: Sequence[str], timeout_s: float) -> bool:
        return True


class FakeContainers:
    """Starts FakeWorkloads and remembers them, oldest first. `refuse` names containers that cannot be started."""

    def __init__(self, run: Path) -> None:
        self.started: list[FakeWorkload] = []
        self.refuse: dict[str, str] = {}
        self._run = run

    async def start(
        self, spec: PodSpec, container: ContainerSpec, where: Placement, restarts: int, *, completes: bool
    ) -> Workload:
        if container.name in self.refuse:
            raise StartError(self.refuse[container.name])
        self.started.append(FakeWorkload(container.name))
        return self.started[-1]

    def prepare(self, spec: PodSpec, where: Placement) -> None:
        PodFolders(self._run, spec.node, spec.uid).own.mkdir(parents=True, exist_ok=True)

    async def forget(self, spec: PodSpec) -> None:
        PodFolders(self._run, spec.node, spec.uid).remove()

    def names(self) -> list[str]:
        return [workload.name for workload in self.started]

    def running(self, name: str) -> FakeWorkload:
        return next(w for w in reversed(self.started) if w.name == name)


class FakePresence:
    """Pods are reached when the test says so; each one's last words are noted."""

    def __init__(self) -> None:
        self.there = True
        self.silenced: list[str] = []

    async def reached(self, address: str, timeout_s: float) -> bool:
        await asyncio.sleep(0.01)
        return self.there

    async def silent(self, namespace: str) -> None:
        self.silenced.append(namespace)


class AgentWorld:
    """One node's agent with all that it acts on."""

    def __init__(self, run: Path) -> None:
        self.plan = plan(cluster_spec.default("fake"))
        self.node = self.plan.nodes[0]
        self.run = run
        self.namespaces = FakeNamespaces()
        self.namespaces.create([self.node.namespace])
        self.bridges = FakeBridges(self.namespaces, {name: {} for name in self.plan.switches})
        self.api = FakeAgentApi()
        self.containers = FakeContainers(run)
        self._threads = ThreadPoolExecutor(2)
        self.reporter = Reporter(self.api, self._threads)
        networks = PodNetworks(self.namespaces, self.bridges, self._threads)
        self.catalogue = Catalogue()
        self.presence = FakePresence()
        self.steered: frozenset[OwnPorts] = frozenset()
        self.health_check_ports: list[int] = []
        services = Services(
            plan=self.plan,
            node_ports=(30000, 32767),
            run=run,
            entry=NamespaceEntry(),
            runtime=self.containers,
            reporter=self.reporter,
            networks_of=lambda group: networks,
            backoff=Backoff(0.0),
            catalogue=self.catalogue,
            presence_of=lambda namespace: self.presence,
            health_check_ports=lambda: self.health_check_ports,
            steer=self._steer,
        )
        self.agent = NodeAgent(self.node, services)
        self._background = [asyncio.ensure_future(networks.run()), asyncio.ensure_future(self.reporter.run())]

    async def _steer(self, node: PlannedNode, wanted: frozenset[OwnPorts]) -> None:
        self.steered = wanted

    def close(self) -> None:
        for task in self._background:
            task.cancel()

    def pod(self, name: str, number: int = 2, *, labels: dict[str, str] | None = None, **spec: Any) -> Raw:
        """Creates a pod and shows it to the agent, as the informer would."""
        address = str(self.node.pod_cidrs[0].network_address + number)
        network = PodNetwork((address,), "0a:58:0a:f4:00:02", 16 + number)
        metadata = {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}-{number}",
            "annotations": {POD_NETWORK_ANNOTATION: network.to_json()},
            "labels": labels or {},
        }
        spec = {"containers": [{"name": "main"}], **spec, "nodeName": self.node.name}
        raw = self.api.create(None, {"metadata": metadata, "spec": spec, "status": {}})  # type: ignore[arg-type]
        self.agent.observe(copy.deepcopy(raw))
        return raw

    def change(self, name: str, **spec: Any) -> None:
        """Changes a pod's spec."""
        raw = self.api.pods[Key("default", name)]
        raw["spec"] |= spec
        self.agent.observe(copy.deepcopy(raw))

    def delete(self, name: str, grace_s: int) -> None:
        """Asks for a graceful deletion."""
        metadata = self.api.pods[Key("default", name)]["metadata"]
        metadata |= {"deletionTimestamp": "2024-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace_s}
        self.agent.observe(copy.deepcopy(self.api.pods[Key("default", name)]))

    def status(self, name: str) -> Raw:
        return self.api.pods.get(Key("default", name), {}).get("status", {})

    def container(self, name: str) -> Raw:
        """The status of the pod's first container."""
        return (self.status(name).get("containerStatuses") or [{}])[0]

    def ports(self) -> dict[str, int]:
        return self.bridges.ports(self.node.bridge.name)

    def pod_namespaces(self) -> set[str]:
        return {name for name in self.namespaces.names() if name.startswith("pod-")}


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Returns when the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        await asyncio.sleep(0.005)


def play(run: Path, scene: Callable[[AgentWorld], Awaitable[None]]) -> None:
    """Runs a scene in a world of its own."""

    async def everything() -> None:
        world = AgentWorld(run)
        try:
            await scene(world)
        finally:
            world.close()

    asyncio.run(everything())
