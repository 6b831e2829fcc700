"""Starts containers: chooses between a command in its box and a stand-in, and makes either."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from k8sshim.errors import PodwireError
from topo.agent import environment, listening
from topo.agent.answers import Identity
from topo.agent.bubblewrap import Box, Host
from topo.agent.command import Command
from topo.agent.entry import NamespaceEntry
from topo.agent.hostview import find_program, prepare_devices
from topo.agent.logs import ContainerLog, pod_folder
from topo.agent.podspec import ContainerSpec, PodSpec
from topo.agent.standin import Standin
from topo.agent.workload import Exit, StartError, Workload
from topo.syscalls import path as netns_path

FetchData = Callable[[str, str, str], Awaitable["dict[str, str] | None"]]  # source, namespace, name -> data


@dataclass(frozen=True)
class Placement:
    """Where a pod is, for those who start its containers."""

    pod_ips: tuple[str, ...]
    host_ip: str


class Containers(Protocol):
    """What a pod's keeper asks of those who start containers; `Runtime` is one."""

    async def start(
        self, spec: PodSpec, container: ContainerSpec, where: Placement, restarts: int, *, completes: bool
    ) -> Workload:
        """Start it; `completes` tells an init container from one that stays. Raises StartError."""

    def folder(self, spec: PodSpec) -> Path:
        """What the agent keeps of a pod while it is there."""

    def logs(self, spec: PodSpec) -> Path:
        """The logs of the pod's containers."""


class Done:
    """The stand-in of an init container: it has completed as it starts."""

    kind = "stand-in"

    def __init__(self) -> None:
        self.exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self.exited.set_result(Exit(0))

    def stop(self, grace_s: float) -> None:
        """Nothing runs."""

    async def execute(self, argv: object, timeout_s: float) -> bool:
        """Nothing runs."""
        return True


class Runtime:
    """Starts the containers of every pod of this agent."""

    def __init__(self, host: Host, run: Path, entry: NamespaceEntry, fetch: FetchData, files: Executor) -> None:
        self._host = host
        self._run = run
        self._entry = entry
        self._fetch = fetch
        self._files = files

    async def start(
        self, spec: PodSpec, container: ContainerSpec, where: Placement, restarts: int, *, completes: bool
    ) -> Workload:
        if container.command:
            variables = await self._variables(spec, container, where)
            argv = environment.argv(container, variables)
            if find_program(self._host, argv[0], variables["PATH"]):
                box = self._box(spec, container, tuple(argv), variables)
                log = await self._prepare(spec, container, where, restarts)
                command = Command(self._host, box, log)
                await command.started()
                return command
        return Done() if completes else await self._standin(spec, container, where)

    async def _variables(self, spec: PodSpec, container: ContainerSpec, where: Placement) -> dict[str, str]:
        referred = {}
        for source, name in environment.references(container):
            data = await self._fetch(source, spec.key.namespace, name)
            if data is not None:
                referred[source, name] = data
        fields = dict(spec.field_values) | {"status.podIP": where.pod_ips[0], "status.hostIP": where.host_ip}
        fields |= {"status.podIPs": ",".join(where.pod_ips), "status.hostIPs": where.host_ip}
        try:
            return environment.variables(container, fields, referred, hostname=spec.hostname)
        except PodwireError as error:
            raise StartError(str(error)) from error

    def _box(self, spec: PodSpec, container: ContainerSpec, argv: tuple[str, ...], variables: dict[str, str]) -> Box:
        return Box(
            network=netns_path(spec.namespace),
            hostname=spec.hostname,
            argv=argv,
            environment=variables,
            working_dir=container.working_dir,
            scratch=tuple((str(self.volumes(spec) / name), path) for name, path in container.scratch),
            files=((str(self.folder(spec) / "hosts"), "/etc/hosts"),) if Path("/etc/hosts").is_file() else (),
        )

    async def _prepare(self, spec: PodSpec, container: ContainerSpec, where: Placement, restarts: int) -> ContainerLog:
        make = partial(self._make_files, spec, container, where, restarts)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._files, make)
        except (OSError, PodwireError) as error:
            raise StartError(f"cannot prepare the container: {error}") from error

    async def _standin(self, spec: PodSpec, container: ContainerSpec, where: Placement) -> Workload:
        who = Identity(spec.key.name, spec.key.namespace, spec.node, container.name, where.pod_ips[0])
        ports, families = listening.ports_of(spec, container), listening.families_of(where.pod_ips)
        if not ports:
            return await Standin.start(who, [])
        try:
            listeners = await self._entry.run(spec.namespace, lambda: listening.listen(ports, families))
        except listening.PortTaken as error:
            raise StartError(taken_message(spec, container, error)) from error
        except PodwireError as error:
            raise StartError(str(error)) from error
        return await Standin.start(who, listeners)

    def folder(self, spec: PodSpec) -> Path:
        """What the agent keeps of a pod while it is there."""
        return self._run / "pods" / spec.node / spec.uid

    def volumes(self, spec: PodSpec) -> Path:
        """The pod's emptyDir volumes."""
        return self.folder(spec) / "volumes"

    def logs(self, spec: PodSpec) -> Path:
        """The logs of the pod's containers."""
        return pod_folder(self._run, spec.key.namespace, spec.key.name, spec.uid)

    def _make_files(self, spec: PodSpec, container: ContainerSpec, where: Placement, restarts: int) -> ContainerLog:
        prepare_devices(self._host)
        for name, _ in container.scratch:
            (self.volumes(spec) / name).mkdir(parents=True, exist_ok=True)
        folder = self.folder(spec)
        folder.mkdir(parents=True, exist_ok=True)
        names = "".join(f"{address}\t{spec.hostname}\n" for address in where.pod_ips)
        (folder / "hosts").write_text(f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{names}")
        return ContainerLog(self.logs(spec), container.name, restarts)


def taken_message(spec: PodSpec, container: ContainerSpec, error: listening.PortTaken) -> str:
    """Who has the port, as far as the pod's own description tells."""
    wanted = (error.port.number, error.port.protocol)
    for other in spec.containers:
        if other.name != container.name and wanted in {(p.number, p.protocol) for p in other.ports}:
            return f"port {wanted[0]}/{wanted[1]} is already bound by container {other.name} of this pod"
    where = f"on node {spec.node} (hostNetwork)" if spec.host_network else "in the pod's namespace"
    return f"port {wanted[0]}/{wanted[1]} is already bound {where}"
