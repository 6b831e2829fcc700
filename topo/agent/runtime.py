"""Starts containers: chooses between a command in its box and a stand-in, and makes either."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from k8sshim.errors import PodwireError
from k8sshim.objects import Key
from topo.agent import environment, folders, listening, names, servicelinks, volumes
from topo.agent.accounts import MOUNT_PATH, Accounts
from topo.agent.answers import Identity
from topo.agent.bubblewrap import Box, Host, box_argv, mount_path
from topo.agent.catalogue import Catalogue
from topo.agent.command import Command
from topo.agent.entry import NamespaceEntry
from topo.agent.folders import PodFolders
from topo.agent.hostview import find_program, prepare_devices
from topo.agent.logs import ContainerLog, pod_folder
from topo.agent.mountpoints import remade
from topo.agent.names import Neighbourhood
from topo.agent.podspec import ContainerSpec, PodSpec
from topo.agent.standin import Standin
from topo.agent.workload import Exit, Hear, StartError, Workload
from topo.syscalls import path as netns_path

FetchData = Callable[[str, str, str], Awaitable["dict[str, str] | None"]]  # source, namespace, name -> data


@dataclass(frozen=True)
class ApiData:
    """What containers are told of the API's objects."""

    fetch: FetchData
    services: Catalogue
    accounts: Accounts


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

    async def beside(
        self, spec: PodSpec, container: ContainerSpec, where: Placement, argv: Sequence[str]
    ) -> tuple[list[str], dict[str, str]]:
        """The command line, and its environment, of a command beside a container that has none. Raises StartError."""

    def prepare(self, spec: PodSpec, where: Placement) -> None:
        """Write what a pod has before its network is made; that it is there tells a later agent of the pod."""

    async def forget(self, spec: PodSpec) -> None:
        """Remove what is kept of a pod, the logs of its containers too."""


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

    def listen(self, hear: Hear) -> Callable[[], None]:
        """It says nothing."""
        return lambda: None

    def write(self, data: bytes) -> None:
        """Nobody reads it."""


class Runtime:
    """Starts the containers of every pod of this agent."""

    def __init__(
        self,
        host: Host,
        run: Path,
        entry: NamespaceEntry,
        around: Neighbourhood,
        *,
        api: ApiData,
        files: Executor,
    ) -> None:
        self._host = host
        self._around = around
        self._run = run
        self._entry = entry
        self._api = api
        self._files = files

    async def start(
        self, spec: PodSpec, container: ContainerSpec, where: Placement, restarts: int, *, completes: bool
    ) -> Workload:
        if container.command:
            variables = await self._variables(spec, container, where)
            argv = environment.argv(container, variables)
            if find_program(self._host, argv[0], variables["PATH"]):
                await self._fill_volumes(spec, container, where)
                mounted = await self._api.accounts.mounted(spec, self._folders(spec).account)
                box = self._box(spec, container, tuple(argv), variables, account=mounted)
                log = await self._begin_log(spec, container, restarts)
                command = Command(self._host, box, log)
                await command.started()
                return command
        return Done() if completes else await self._standin(spec, container, where)

    async def beside(
        self, spec: PodSpec, container: ContainerSpec, where: Placement, argv: Sequence[str]
    ) -> tuple[list[str], dict[str, str]]:
        """How to run a command in a box of its own in a pod's network, as its container would. Raises StartError."""
        variables = await self._variables(spec, container, where)
        if not argv or not find_program(self._host, argv[0], variables["PATH"]):
            raise StartError(f'exec: "{"".join(argv[:1])}": executable file not found in $PATH')
        await self._fill_volumes(spec, container, where)
        mounted = await self._api.accounts.mounted(spec, self._folders(spec).account)
        await asyncio.get_running_loop().run_in_executor(self._files, self._make_folders, spec, container)
        box = self._box(spec, container, tuple(argv), variables, account=mounted)
        return box_argv(self._host, box, None), {}

    async def _fetched(self, spec: PodSpec, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], dict[str, str]]:
        """The data of ConfigMaps and Secrets, of those that exist."""
        referred = {}
        for source, name in wanted:
            data = await self._api.fetch(source, spec.key.namespace, name)
            if data is not None:
                referred[source, name] = data
        return referred

    async def _fill_volumes(self, spec: PodSpec, container: ContainerSpec, where: Placement) -> None:
        """Write the files of the volumes that a container mounts. Raises StartError."""
        known = dict(spec.volumes)
        for name in sorted({mount.volume for mount in container.mounts} & set(known)):
            referred = await self._fetched(spec, volumes.references(known[name]))
            try:
                texts = volumes.contents(known[name], referred, _fields(spec, where))
                write = partial(folders.write_tree, self._folders(spec).volumes / name, texts)
                await asyncio.get_running_loop().run_in_executor(self._files, write)
            except (PodwireError, OSError) as error:
                raise StartError(str(error)) from error

    async def _variables(self, spec: PodSpec, container: ContainerSpec, where: Placement) -> dict[str, str]:
        referred = await self._fetched(spec, environment.references(container))
        fields = _fields(spec, where)
        try:
            return environment.variables(
                container, fields, referred, hostname=self._hostname(spec), services=await self._links(spec)
            )
        except PodwireError as error:
            raise StartError(str(error)) from error

    async def _links(self, spec: PodSpec) -> dict[str, str]:
        services = self._api.services
        await services.synced.wait()
        kubernetes = services.get(Key("default", "kubernetes"))
        return servicelinks.variables(
            services.of(spec.key.namespace), kubernetes, self._around.api, links=spec.service_links
        )

    def _box(
        self,
        spec: PodSpec,
        container: ContainerSpec,
        argv: tuple[str, ...],
        variables: dict[str, str],
        *,
        account: bool,
    ) -> Box:
        own = self._folders(spec)
        files = [(str(own.etc / name), path) for name, path in self._host.own_files]
        known = dict(spec.volumes)
        given = [mount for mount in container.mounts if mount.volume in known]
        files += [(str(own.volumes / mount.volume / mount.sub_path), mount.path) for mount in given]
        targets = [*(mount.path for mount in given), *(path for _, path in container.scratch)]
        if account:
            files.append((str(own.account), MOUNT_PATH))
        return Box(
            network=netns_path(spec.namespace),
            hostname=self._hostname(spec),
            argv=argv,
            environment=variables,
            working_dir=container.working_dir,
            stdin=container.stdin,
            remade=remade(self._host, map(mount_path, targets)),
            scratch=tuple((str(own.volumes / name), path) for name, path in container.scratch),
            files=tuple(files),
        )

    async def _begin_log(self, spec: PodSpec, container: ContainerSpec, restarts: int) -> ContainerLog:
        make = partial(self._make_files, spec, container, restarts)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._files, make)
        except (OSError, PodwireError) as error:
            raise StartError(f"cannot prepare the container: {error}") from error

    async def _standin(self, spec: PodSpec, container: ContainerSpec, where: Placement) -> Workload:
        who = Identity(
            pod=spec.key.name,
            namespace=spec.key.namespace,
            node=spec.node,
            container=container.name,
            address=where.pod_ips[0],
            hostname=self._hostname(spec),
        )
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

    def prepare(self, spec: PodSpec, where: Placement) -> None:
        own, namespace = self._folders(spec), spec.key.namespace
        own.own.mkdir(parents=True, exist_ok=True)
        resolver = names.resolver(spec.names, namespace, self._around, host_network=spec.host_network)
        hosts = names.hosts(spec.names, namespace, self._around, () if spec.host_network else where.pod_ips)
        texts = {"hostname": f"{self._hostname(spec)}\n", "hosts": hosts, "resolv.conf": resolver.text()}
        folders.write(own.etc, texts)

    async def forget(self, spec: PodSpec) -> None:
        self._api.accounts.forget(spec.uid)
        await asyncio.get_running_loop().run_in_executor(None, self._folders(spec).remove)

    def _folders(self, spec: PodSpec) -> PodFolders:
        return PodFolders(self._run, spec.node, spec.uid)

    def _hostname(self, spec: PodSpec) -> str:
        return spec.node if spec.host_network else names.hostname(spec.names, spec.key.namespace, self._around)

    def _make_folders(self, spec: PodSpec, container: ContainerSpec) -> None:
        prepare_devices(self._host)
        for name, _ in container.scratch:
            (self._folders(spec).volumes / name).mkdir(parents=True, exist_ok=True)

    def _make_files(self, spec: PodSpec, container: ContainerSpec, restarts: int) -> ContainerLog:
        self._make_folders(spec, container)
        logs = pod_folder(self._run, spec.key.namespace, spec.key.name, spec.uid)
        return ContainerLog(logs, container.name, restarts)


def _fields(spec: PodSpec, where: Placement) -> dict[str, str]:
    """What fieldRef may ask of a pod."""
    fields = dict(spec.field_values) | {"status.podIP": where.pod_ips[0], "status.hostIP": where.host_ip}
    return fields | {"status.podIPs": ",".join(where.pod_ips), "status.hostIPs": where.host_ip}


def taken_message(spec: PodSpec, container: ContainerSpec, error: listening.PortTaken) -> str:
    """Who has the port, as far as the pod's own description tells."""
    wanted = (error.port.number, error.port.protocol)
    for other in spec.containers:
        if other.name != container.name and wanted in {(p.number, p.protocol) for p in other.ports}:
            return f"port {wanted[0]}/{wanted[1]} is already bound by container {other.name} of this pod"
    where = f"on node {spec.node} (hostNetwork)" if spec.host_network else "in the pod's namespace"
    return f"port {wanted[0]}/{wanted[1]} is already bound {where}"
