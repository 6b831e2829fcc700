"""One node: keeps the pods that are bound to it, and removes what an earlier agent left of pods that are gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from k8sshim.errors import BadInput, PodwireError
from k8sshim.objects import NODE_NOT_READY, Raw
from topo.agent import hostports
from topo.agent.catalogue import Catalogue
from topo.agent.entry import NamespaceEntry
from topo.agent.folders import PodFolders
from topo.agent.logs import pod_folder
from topo.agent.network import PodNetworks
from topo.agent.pod import PodKeeper, PodMachine
from topo.agent.podspec import PodSpec, images_of, parse
from topo.agent.presence import Presence
from topo.agent.probing import Prober
from topo.agent.reporter import Reporter
from topo.agent.restarts import Backoff
from topo.agent.runtime import Containers
from topo.agent.status import Address
from topo.agent.streams.door import Found
from topo.agent.usage import Watched
from topo.agent.wiring import PodWiring, addresses, interface_name, wiring
from topo.plan import Plan, PlannedNode
from topo.ports import BridgePort, NamespaceLink, OwnPorts

log = logging.getLogger(__name__)
DYING_LOOK_S = 0.02


@dataclass(frozen=True)
class Services:
    """What the nodes of one agent share."""

    plan: Plan
    node_ports: tuple[int, int]
    run: Path
    entry: NamespaceEntry
    runtime: Containers
    reporter: Reporter
    networks_of: Callable[[str], PodNetworks]  # placement group's name -> its pods' networks
    backoff: Backoff
    catalogue: Catalogue
    presence_of: Callable[[str], Presence]  # node's network namespace -> who looks at its pods
    health_check_ports: Callable[[], Iterable[int]]
    steer: Callable[[PlannedNode, frozenset[OwnPorts]], Awaitable[None]]


class NodeAgent:
    """The pods of one node."""

    def __init__(self, node: PlannedNode, services: Services) -> None:
        self.node = node
        self._services = services
        self._networks = services.networks_of(node.bridge.group)
        self._prober = Prober(services.entry, node.namespace)
        self._presence = services.presence_of(node.namespace)
        self._steered: frozenset[OwnPorts] = frozenset()
        self._steering = asyncio.Lock()
        self._keepers: dict[str, PodKeeper] = {}
        self._doubted: set[str] = set()  # uids of pods that are not ready, as who takes the node for dead says
        self._tasks: set[asyncio.Task[None]] = set()

    async def steer(self) -> None:
        """Have the node's own traffic to its node ports and its pods' host ports leave for the bridge."""
        async with self._steering:
            services, pods = self._services, [keeper.spec for keeper in self._keepers.values()]
            addresses = [str(address) for address in self.node.addresses]
            wanted = hostports.own_ports(addresses, services.node_ports, services.health_check_ports(), pods)
            if wanted == self._steered:
                return
            try:
                await services.steer(self.node, wanted)
                self._steered = wanted
            except PodwireError as error:
                log.warning("node %s does not reach node ports and host ports of its own: %s", self.node.name, error)

    def observe(self, raw: Raw) -> None:
        """A pod of this node appeared or changed."""
        metadata = raw["metadata"]
        keeper = self._keepers.get(metadata["uid"])
        if keeper is None:
            keeper = self._begin(raw)
        else:
            keeper.api_status = raw.get("status") or {}
            if _says_dead(keeper.api_status):
                self._doubted.add(keeper.spec.uid)
            self._extend(keeper, raw)
            keeper.renew(images_of(raw))
        if keeper is not None and metadata.get("deletionTimestamp"):
            grace = metadata.get("deletionGracePeriodSeconds")
            keeper.stop(keeper.spec.grace_s if grace is None else float(grace))

    def _extend(self, keeper: PodKeeper, raw: Raw) -> None:
        if (raw.get("spec") or {}).get("ephemeralContainers"):
            try:
                keeper.extend(parse(raw))
            except BadInput as error:
                log.error("%s", error)

    def vanish(self, uid: str) -> None:
        """A pod's object is gone: nobody is left to wait for."""
        keeper = self._keepers.get(uid)
        if keeper is not None:
            keeper.vanished = True
            keeper.stop(0)

    def find(self, uid: str, container: str) -> Found | None:
        """A container of a pod of this node."""
        keeper = self._keepers.get(uid)
        kept = keeper.container(container) if keeper else None
        if keeper is None or kept is None:
            return None
        logs = pod_folder(self._services.run, keeper.spec.key.namespace, keeper.spec.key.name, uid)
        return Found(keeper.spec, kept, logs, partial(keeper.beside, kept))

    def said_to_live(self) -> None:
        """Nobody takes the node for dead any more. Whoever did has said of its pods that they are not ready."""
        for uid in self._doubted & self._keepers.keys():
            self._services.reporter.again(self._keepers[uid])
        self._doubted.clear()

    async def die(self) -> None:
        """Leave all pods as if the node had no power: nobody is told, and nothing of them is left to run."""
        for keeper in self._keepers.values():
            keeper.vanished = True
            keeper.stop(0)
        while self._keepers:
            await asyncio.sleep(DYING_LOOK_S)

    def watched(self) -> Iterator[Watched]:
        """The containers that run here."""
        for keeper in self._keepers.values():
            yield from keeper.watched()

    def tidy(self) -> None:
        """Every pod that exists has been observed: remove what belongs to others."""
        folder = self._services.run / "pods" / self.node.name
        known = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        for uid in sorted(known - self._keepers.keys()):
            self._spawn(self._remove_leftover(uid))

    def _begin(self, raw: Raw) -> PodKeeper | None:
        try:
            spec = parse(raw)
        except BadInput as error:
            log.error("%s", error)
            return None
        terminating = bool(raw["metadata"].get("deletionTimestamp"))
        if not spec.realisable and not terminating:
            return None  # its place in the network comes with a later event
        keeper = PodKeeper(spec, raw, self._machine(spec), self._services.reporter.mark)
        self._keepers[spec.uid] = keeper
        self._spawn(self.steer())
        if terminating:  # only what an earlier agent left of it is to be taken down
            keeper.stop(0)
        self._spawn(self._keep(keeper))
        return keeper

    def _machine(self, spec: PodSpec) -> PodMachine:
        wired = spec.network is not None and not spec.host_network
        services = self._services
        return PodMachine(
            networks=self._networks,
            wiring=wiring(services.plan, spec) if wired else None,
            runtime=services.runtime,
            prober=self._prober,
            address=Address(addresses(services.plan, spec), tuple(str(one) for one in self.node.addresses)),
            backoff=services.backoff,
            presence=self._presence,
            tell=services.reporter.tell,
            published=partial(services.catalogue.selects, spec.key.namespace, spec.labels),
        )

    async def _keep(self, keeper: PodKeeper) -> None:
        await keeper.run()
        await self._services.reporter.remove(keeper)
        self._keepers.pop(keeper.spec.uid, None)
        await self.steer()

    async def _remove_leftover(self, uid: str) -> None:
        log.info("node %s: removing what is left of pod %s", self.node.name, uid)
        await self._networks.down(self._leftover(uid))
        PodFolders(self._services.run, self.node.name, uid).remove()

    def _leftover(self, uid: str) -> PodWiring:
        peer, plan = interface_name(uid), self._services.plan
        group = plan.group_of[self.node.bridge.name]
        link = NamespaceLink(f"pod-{uid}", "eth0", "", (), (), plan.spec.mtu, peer, group.namespace)
        return PodWiring(link, BridgePort(self.node.bridge.name, peer, 0))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            log.error("node %s", self.node.name, exc_info=task.exception())


def _says_dead(status: Raw) -> bool:
    """Whether somebody who takes its node for dead says of a pod that it is not ready."""
    return any(one.get("reason") == NODE_NOT_READY for one in status.get("conditions") or ())
