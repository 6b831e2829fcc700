"""The node agent's process: reads the cluster, registers its nodes, and follows the pods bound to them."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import logging
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from k8sshim import frames
from k8sshim.client import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    NODES,
    PODS,
    SERVICES,
    Client,
    Deleted,
    Event,
    Handler,
    Informer,
    Synced,
    resource_for,
)
from k8sshim.cluster import OUTSIDE, Cluster
from k8sshim.errors import BadInput, Conflict, NotFound, PodwireError
from k8sshim.objects import Key, Raw
from topo import spec as cluster_spec
from topo import steering
from topo.agent import folders, hostfacts, hostview, names, usage
from topo.agent.accounts import Accounts, authority_of
from topo.agent.catalogue import Catalogue
from topo.agent.entry import NamespaceEntry
from topo.agent.healthchecks import HealthChecks
from topo.agent.leases import Leases
from topo.agent.names import Neighbourhood
from topo.agent.network import PodNetworks
from topo.agent.node import NodeAgent, Services
from topo.agent.power import NodePower
from topo.agent.presence import PresenceAtNode
from topo.agent.registration import HostFacts, labels, node_object, node_status
from topo.agent.reporter import WRITERS, Api, Reporter
from topo.agent.restarts import Backoff
from topo.agent.runtime import ApiData, Runtime
from topo.agent.streams.door import Door, Found
from topo.netns import LinuxNamespaces
from topo.ovs import OpenVSwitchBridges
from topo.plan import Plan, PlannedNode, plan
from topo.ports import Bridges, OwnPorts

log = logging.getLogger(__name__)
RUN = Path("/run/podwire")
SECRETS = resource_for("v1", "Secret")
_API_TIMEOUT_S = 60.0
_NETWORK_THREADS = 4
LEASE_WRITERS = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until killed. Exit code 2 for bad input."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(options))
    except KeyboardInterrupt:
        return
    except PodwireError as error:
        print(f"podwire agent: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, BadInput) else 1)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m topo.agent", description="podwire's node agent")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--cluster", type=Path, required=True, help="the Cluster object as JSON")
    parser.add_argument("--node", action="append", default=[], help="a node to serve (default: all)")
    parser.add_argument("--hide", type=Path, action="append", default=[], help="a folder that no container may see")
    parser.add_argument(
        "--show", type=Path, action="append", default=[], help="a folder that every container sees, read-only"
    )
    parser.add_argument("--run", type=Path, default=RUN, help="the lab's folder in the sandbox")
    parser.add_argument(
        "--restart-backoff", type=float, default=10.0, metavar="S", help="first back-off of a container"
    )
    return parser.parse_args(arguments)


async def serve(options: argparse.Namespace) -> None:
    """Register the nodes and keep their pods, for ever."""
    the_plan, cluster = read_plan(options.cluster)
    nodes = chosen(the_plan, options.node)
    host = hostview.look(options.hide, options.run, options.show)
    _allow_many_files()
    while not (options.run / "topology-ready").exists():
        await asyncio.sleep(0.02)
    client = Client(options.kubeconfig)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, client.wait_until_ready, _API_TIMEOUT_S)
    api_threads = ThreadPoolExecutor(WRITERS + 1, thread_name_prefix="api")
    reporter, entry = Reporter(client, api_threads), NamespaceEntry()
    fetch = partial(fetch_data, client, reporter)
    around = names.neighbourhood(cluster, [(str(one.addresses[0]), one.name) for one in the_plan.nodes])
    write_names(options.run, [*((node.namespace, node.name) for node in nodes), (OUTSIDE, OUTSIDE)], around)
    catalogue, accounts = Catalogue(), Accounts(client, reporter, authority_of(options.kubeconfig))
    data, files = ApiData(fetch, catalogue, accounts), ThreadPoolExecutor(1, thread_name_prefix="files")
    runtime = Runtime(host, options.run, entry, around, api=data, files=files)
    networks = _networks(the_plan, options.run)

    def follow_slices(handle: Handler) -> None:
        Informer(client, ENDPOINT_SLICES, _in_loop(loop, handle)).start()

    async def steer_all() -> None:
        await asyncio.gather(*(agent.steer() for agent in agents.values()))

    checks = HealthChecks(nodes, entry, follow_slices, steer_all)
    catalogue.listen(checks.observe)
    services = Services(
        plan=the_plan,
        node_ports=cluster.node_ports,
        run=options.run,
        entry=entry,
        runtime=runtime,
        reporter=reporter,
        networks_of=networks.__getitem__,
        backoff=Backoff(options.restart_backoff),
        catalogue=catalogue,
        presence_of=partial(PresenceAtNode, entry),
        health_check_ports=checks.ports,
        steer=partial(steer, entry),
    )
    agents = {node.name: NodeAgent(node, services) for node in nodes}
    facts, power = hostfacts.read(), NodePower(options.run)
    living = [node for node in nodes if node.name not in power.dead]
    await asyncio.gather(
        steer_all(), *(reporter.insist(partial(register, client, node, facts), f"node {node.name}") for node in living)
    )
    await open_door(
        Door(partial(find_container, agents), entry, partial(measure_all, agents)), options.run, client, reporter, nodes
    )
    log.info("registered %s", ", ".join(agents) if len(agents) < 10 else f"{len(agents)} nodes")
    selector = f"spec.nodeName={nodes[0].name}" if len(nodes) == 1 else ""
    leases = Leases(
        client,
        the_plan.spec.node_lease,
        ThreadPoolExecutor(LEASE_WRITERS, "lease"),
        dead=lambda: power.dead,
        renewed=lambda name: agents[name].said_to_live(),
    )
    dispatcher = Dispatcher(agents, power)

    async def start(name: str) -> None:
        await leases.renew(name)
        await reporter.insist(partial(register, client, agents[name].node, facts), f"node {name}")
        for raw in await reporter.insist(partial(pods_of, client, name), f"pods of node {name}") or ():
            agents[name].observe(raw)

    Informer(client, SERVICES, _in_loop(loop, catalogue.handle)).start()
    Informer(client, PODS, _in_loop(loop, dispatcher.handle), field_selector=selector).start()
    await power.listen(lambda name: agents[name].die(), start)
    await asyncio.gather(reporter.run(), leases.run(list(agents)), *(one.run() for one in networks.values()))


def _in_loop(loop: asyncio.AbstractEventLoop, handle: Handler) -> Handler:
    """A handler for an informer's thread that has events handled in the event loop's."""

    def hand_over(event: Event) -> None:
        loop.call_soon_threadsafe(handle, event)

    return hand_over


class Dispatcher:
    """Brings each event to the node that it concerns."""

    def __init__(self, agents: dict[str, NodeAgent], power: NodePower) -> None:
        self._agents, self._power = agents, power

    def handle(self, event: Event) -> None:
        """Call in the event loop's thread."""
        if isinstance(event, Synced):
            for agent in self._agents.values():
                agent.tidy()
            return
        agent_of = self._agents.get((event.raw.get("spec") or {}).get("nodeName") or "")
        if agent_of is None or agent_of.node.name in self._power.dead:
            return
        if isinstance(event, Deleted):
            agent_of.vanish(event.raw["metadata"]["uid"])
        else:
            agent_of.observe(event.raw)


def pods_of(api: Client, node: str) -> list[Raw]:
    """The pods that are bound to a node. Raises PodwireError."""
    return api.list(PODS, fields=f"spec.nodeName={node}")[0]


def _allow_many_files() -> None:
    """A stand-in is a descriptor for each port, and a thousand pods have thousands."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def read_plan(file: Path) -> tuple[Plan, Cluster]:
    """The plan of the cluster in a JSON file, and what the lab publishes of it. Raises BadInput."""
    try:
        raw = json.loads(file.read_text())
    except OSError as error:
        raise BadInput.of(error.strerror or "cannot be read", file=str(file)) from error
    except ValueError as error:
        raise BadInput.of(f"no JSON: {error}", file=str(file)) from error
    return plan(cluster_spec.parse(raw, str(file))), Cluster.parse(raw)


async def steer(entry: NamespaceEntry, node: PlannedNode, wanted: frozenset[OwnPorts]) -> None:
    """Have the node's own traffic to these ports leave for its bridge. Raises PodwireError."""
    ways = {str(one): str(gateway) for one, gateway in zip(node.addresses, node.gateways, strict=True)}
    await entry.run(node.namespace, partial(steering.steer, "eth0", ways, wanted))


def write_names(run: Path, places: Sequence[tuple[str, str]], around: Neighbourhood) -> None:
    """What nodes and the outside host resolve names by; `places` are pairs of network namespace and hostname."""
    for place, name in places:
        texts = {"hostname": f"{name}\n", "hosts": around.node_hosts, "resolv.conf": around.node_resolver.text()}
        folders.write(folders.etc(run, place), texts)


def chosen(the_plan: Plan, names: Sequence[str]) -> list[PlannedNode]:
    """The nodes of these names; all of them where none is named. Raises NotFound."""
    known = {node.name: node for node in the_plan.nodes}
    for name in names:
        if name not in known:
            raise NotFound.of("the cluster has no such node", object=f"Node {name}", field="--node")
    return [known[name] for name in names] if names else list(the_plan.nodes)


def register(api: Api, node: PlannedNode, facts: HostFacts) -> None:
    """Create the Node, or bring up to date what the agent knows of one that exists: taints are others' by then."""
    now = time.time()
    try:
        api.create(NODES, node_object(node, facts, now))
    except Conflict:
        api.patch(NODES, Key("", node.name), {"metadata": {"labels": labels(node, facts)}})
        api.patch(NODES, Key("", node.name), {"status": node_status(node, facts, now)}, subresource="status")


def find_container(agents: Mapping[str, NodeAgent], uid: str, container: str) -> Found | None:
    """A container of a pod that one of these agents keeps."""
    return next(filter(None, (agent.find(uid, container) for agent in agents.values())), None)


async def measure_all(agents: Mapping[str, NodeAgent]) -> list[Raw]:
    """What all containers use."""
    return await usage.measure(each for agent in agents.values() for each in agent.watched())


async def open_door(door: Door, run: Path, api: Api, reporter: Reporter, nodes: Sequence[PlannedNode]) -> None:
    """Answer the API server's questions about containers, and let it know where."""
    path = run / "streams" / f"{nodes[0].name}.sock"
    await door.open(path)
    mark = {"metadata": {"annotations": {frames.STREAMS_ANNOTATION: str(path)}}}
    writes = (partial(api.patch, NODES, Key("", node.name), mark) for node in nodes)
    await asyncio.gather(*(reporter.insist(write, "streams of a node") for write in writes))


async def fetch_data(api: Api, reporter: Reporter, source: str, namespace: str, name: str) -> dict[str, str] | None:
    """The data of a ConfigMap or Secret as text; None where it does not exist."""
    resource = CONFIG_MAPS if source == "configMap" else SECRETS
    raw: Raw | None = await reporter.insist(
        partial(api.get, resource, Key(namespace, name)), f"{source} {namespace}/{name}"
    )
    if raw is None:
        return None
    data = raw.get("data") or {}
    if source == "configMap":
        return {key: str(value) for key, value in data.items()}
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}


def _networks(the_plan: Plan, run: Path) -> dict[str, PodNetworks]:
    threads = ThreadPoolExecutor(_NETWORK_THREADS, thread_name_prefix="network")
    sockets = {name: run / "switchd" / group.name / "db.sock" for name, group in the_plan.group_of.items()}
    bridges: Bridges = OpenVSwitchBridges(sockets)
    namespaces = LinuxNamespaces()
    return {group.name: PodNetworks(namespaces, bridges, threads) for group in the_plan.groups}
