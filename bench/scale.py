"""50 nodes and 500 pods: they come up, sampled pairs reach each other, and the round trip across nodes is short."""

from __future__ import annotations

import random
import re

from bench.labs import PORT, Bench, bench, deployment
from bench.outcome import AT_LEAST, AT_MOST, Figure, Outcome
from experiments.inside import Sandbox
from experiments.matrix import try_all
from experiments.reach.probe import TCP, Probe
from k8sshim.client import PODS, Client
from k8sshim.errors import PodwireError
from k8sshim.objects import Pod
from lab.inventory import netns_of

NODES, REPLICAS = 50, 500
PAIRS, PINGED = 500, 20
PINGS, PING_INTERVAL_S = 20, 0.05
_NAME, _SEED = "bench", 1
_TIME = re.compile(r"time=([0-9.]+) ms")


def run() -> Outcome:
    """Bring the lab up, try pairs of pods, and time round trips. Raises PodwireError."""
    with bench() as one:
        cluster = one.write_cluster(NODES, expectedPods=REPLICAS)
        seconds = one.up(_NAME, cluster, one.write("manifests.json", [deployment("load", REPLICAS)]))
        pods = _pods(one)
        sandbox = Sandbox(one.supervisor(_NAME))
        chosen = random.Random(_SEED)  # noqa: S311 - pairs that can be had again, no secret
        reached = _reach(one, [_pair(pods, chosen) for _ in range(PAIRS)])
        trips = [time for _ in range(PINGED) for time in _ping(sandbox, *_pair(pods, chosen))]
        nodes = len({pod.node for pod in pods})
        one.down(_NAME)
    share = 100 * sum(reached) / len(reached)
    return Outcome(
        (
            Figure(f"{NODES} nodes, {REPLICAS} pods: pods that are ready", AT_LEAST, REPLICAS, "pods", (len(pods),)),
            Figure(f"{NODES} nodes, {REPLICAS} pods: pairs across nodes that connect", AT_LEAST, 100.0, "%", (share,)),
            Figure(f"{NODES} nodes, {REPLICAS} pods: round trip across nodes", AT_MOST, 5.0, "ms", tuple(trips)),
        ),
        (f"up in {seconds:.1f} s; pods on {nodes} nodes; {PAIRS} pairs tried at once, {PINGED} pinged one by one",),
    )


def _pods(one: Bench) -> list[Pod]:
    """The deployment's own: the cluster's DNS is a pod, too, and answers elsewhere."""
    client = Client(one.home / "labs" / _NAME / "kubeconfig")
    pods = [Pod.parse(raw) for raw in client.list(PODS, namespace="default")[0]]
    return [pod for pod in pods if pod.ready and pod.ip]


def _pair(pods: list[Pod], chosen: random.Random) -> tuple[Pod, Pod]:
    """Two pods of different nodes."""
    source = chosen.choice(pods)
    elsewhere = [pod for pod in pods if pod.node != source.node]
    if not elsewhere:
        raise PodwireError("all pods are on one node")
    return source, chosen.choice(elsewhere)


def _reach(one: Bench, pairs: list[tuple[Pod, Pod]]) -> list[bool]:
    """Whether a connection comes about, for each pair."""
    probes = [Probe(netns_of(source), target.ip, PORT, TCP) for source, target in pairs]
    return [found.allowed for found in try_all(one.supervisor(_NAME), probes, [False] * len(probes))]


def _ping(sandbox: Sandbox, source: Pod, target: Pod) -> list[float]:
    """Round-trip times in milliseconds, without the first, which finds the way."""
    argv = ["ping", "-n", "-c", str(PINGS + 1), "-i", str(PING_INTERVAL_S), target.ip]
    times = [float(found) for found in _TIME.findall(sandbox.run(argv, netns=netns_of(source)).stdout)]
    if len(times) < 2:
        raise PodwireError(f"ping from {source.key} to {target.key} ({target.ip}): no reply")
    return times[1:]
