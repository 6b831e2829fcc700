"""Waits until a lab's network forwards the packets of all its pods and nodes, by asking it (`lab.answering`)."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from collections.abc import Collection, Iterable

from k8sshim.client import CLUSTERS, NODES, PODS, Client
from k8sshim.cluster import Cluster
from k8sshim.errors import PodwireError
from k8sshim.objects import Node, Pod
from lab import sandbox
from lab.inventory import netns_of
from lab.state import Lab


def gateways(cluster: Cluster, nodes: Collection[Node], pods: Iterable[Pod]) -> dict[str, tuple[str, str]]:
    """What to ask: the namespace of each node, host and pod, and the gateway's address there, by the name to show."""
    asked = {f"node {node.name}": (f"node-{node.name}", _first(cluster.node_cidrs[0])) for node in nodes}
    asked |= {f"host {host.name}": (host.name, host.gateway) for host in cluster.hosts}
    pod_gateways = {node.name: _first(node.pod_cidrs[0]) for node in nodes if node.pod_cidrs}
    for pod in pods:
        if pod.ip and pod.node in pod_gateways and not (pod.host_network or pod.finished or pod.terminating):
            asked[f"pod {pod.key}"] = (netns_of(pod), pod_gateways[pod.node])
    return asked


def silent(lab: Lab, client: Client, timeout_s: float) -> list[str]:
    """The pods, nodes and hosts whose network does not answer within `timeout_s`. Raises PodwireError."""
    cluster = Cluster.parse(client.list(CLUSTERS)[0][0])
    nodes = [Node.parse(raw) for raw in client.list(NODES)[0]]
    asked = gateways(cluster, nodes, [Pod.parse(raw) for raw in client.list(PODS)[0]])
    done = subprocess.run(
        sandbox.enter_argv(lab.pid, [sys.executable, "-m", "lab.answering"]),
        input=json.dumps({"timeout_s": timeout_s, "places": list(asked.values())}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PodwireError(f"the network cannot be asked: {' '.join(done.stderr.split()[-30:])}")
    without = set(json.loads(done.stdout))
    return [name for name, (netns, _) in asked.items() if netns in without]


def _first(cidr: str) -> str:
    return str(ipaddress.ip_network(cidr)[1])
