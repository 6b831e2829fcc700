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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from k8sshim.client import CONFIG_MAPS, NODES, PODS, Client, Deleted, Event, Informer, Synced, resource_for
from k8sshim.errors import BadInput, Conflict, NotFound, PodwireError
from k8sshim.objects import Key, Raw
from topo import spec as cluster_spec
from topo.agent import hostfacts, hostview
from topo.agent.entry import NamespaceEntry
from topo.agent.network import PodNetworks
from topo.agent.node import NodeAgent, Services
from topo.agent.registration import HostFacts, labels, node_object, node_status
from topo.agent.reporter import WRITERS, Api, Reporter
from topo.agent.restarts import Backoff
from topo.agent.runtime import Runtime
from topo.netns import LinuxNamespaces
from topo.ovs import OpenVSwitchBridges
from topo.plan import Plan, PlannedNode, plan
from topo.ports import Bridges

log = logging.getLogger(__name__)
RUN = Path("/run/podwire")
SECRETS = resource_for("v1", "Secret")
_API_TIMEOUT_S = 60.0
_NETWORK_THREADS = 4


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
    parser.add_argument("--run", type=Path, default=RUN, help="the lab's folder in the sandbox")
    parser.add_argument(
        "--restart-backoff", type=float, default=10.0, metavar="S", help="first back-off of a container"
    )
    return parser.parse_args(arguments)


async def serve(options: argparse.Namespace) -> None:
    """Register the nodes and keep their pods, for ever."""
    the_plan = read_plan(options.cluster)
    nodes = chosen(the_plan, options.node)
    host = hostview.look(options.hide, options.run)
    _allow_many_files()
    while not (options.run / "topology-ready").exists():
        await asyncio.sleep(0.02)
    client = Client(options.kubeconfig)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, client.wait_until_ready, _API_TIMEOUT_S)
    api_threads = ThreadPoolExecutor(WRITERS + 1, thread_name_prefix="api")
    reporter, entry = Reporter(client, api_threads), NamespaceEntry()
    fetch = partial(fetch_data, client, reporter)
    runtime = Runtime(host, options.run, entry, fetch, ThreadPoolExecutor(1, thread_name_prefix="files"))
    networks = _networks(the_plan, options.run)
    services = Services(
        the_plan, options.run, entry, runtime, reporter, networks.__getitem__, Backoff(options.restart_backoff)
    )
    agents = {node.name: NodeAgent(node, services) for node in nodes}
    facts = hostfacts.read()
    await asyncio.gather(
        *(reporter.insist(partial(register, client, node, facts), f"node {node.name}") for node in nodes)
    )
    log.info("registered %s", ", ".join(agents) if len(agents) < 10 else f"{len(agents)} nodes")
    selector = f"spec.nodeName={nodes[0].name}" if len(nodes) == 1 else ""
    dispatcher = Dispatcher(agents)
    Informer(client, PODS, lambda event: _hand_over(loop, dispatcher, event), field_selector=selector).start()
    await asyncio.gather(reporter.run(), *(one.run() for one in networks.values()))


def _hand_over(loop: asyncio.AbstractEventLoop, dispatcher: Dispatcher, event: Event) -> None:
    """From the informer's thread to the event loop's."""
    loop.call_soon_threadsafe(dispatcher.handle, event)


class Dispatcher:
    """Brings each event to the node that it concerns."""

    def __init__(self, agents: dict[str, NodeAgent]) -> None:
        self._agents = agents

    def handle(self, event: Event) -> None:
        """Call in the event loop's thread."""
        if isinstance(event, Synced):
            for agent in self._agents.values():
                agent.tidy()
            return
        agent_of = self._agents.get((event.raw.get("spec") or {}).get("nodeName") or "")
        if agent_of is None:
            return
        if isinstance(event, Deleted):
            agent_of.vanish(event.raw["metadata"]["uid"])
        else:
            agent_of.observe(event.raw)


def _allow_many_files() -> None:
    """A stand-in is a descriptor for each port, and a thousand pods have thousands."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def read_plan(file: Path) -> Plan:
    """The plan of the cluster in a JSON file. Raises BadInput."""
    try:
        raw = json.loads(file.read_text())
    except OSError as error:
        raise BadInput.of(error.strerror or "cannot be read", file=str(file)) from error
    except ValueError as error:
        raise BadInput.of(f"no JSON: {error}", file=str(file)) from error
    return plan(cluster_spec.parse(raw, str(file)))


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
