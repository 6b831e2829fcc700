"""One policy's change in every datapath, with few policies and with many; and how long many take about many pods."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.bridges import everywhere, flows, node_bridges, programmed
from bench.flow_watch import FlowWatch, watching
from bench.labs import Bench, bench, deployment
from bench.outcome import AT_MOST, Figure, Outcome
from experiments.inside import Sandbox
from experiments.policy_scaling.policies import PlannedPolicy, policy_object
from experiments.statistics import quantile
from k8sshim.client import NETWORK_POLICIES, PODS, Client
from k8sshim.objects import Key, Pod

NODES, PODS_A_NODE = 10, 3
FEW, MANY, CHANGES = 10, 1000, 150
POLICIES, MANY_PODS, KINDS = 500, 300, 30
_NAME, _SEED, _WRITERS, _PACE_S = "bench", 1, 4, 0.05


def run() -> Outcome:
    """Measure both. Raises PodwireError where a change does not arrive."""
    few, many = changes()
    installed_s, written_s, held = installed()
    growth = quantile(many, 0.5) / quantile(few, 0.5)
    name = f"{MANY} policies, {NODES} nodes: a policy's change is in every datapath"
    return Outcome(
        (
            Figure(name, AT_MOST, 100.0, "ms", tuple(many)),
            Figure(f"the same, {MANY} policies / {FEW} policies", AT_MOST, 1.5, "", (growth,)),
            Figure(
                f"{POLICIES} policies over {MANY_PODS} pods: compiled and installed", AT_MOST, 10.0, "s", (installed_s,)
            ),
        ),
        (
            f"with {FEW} policies a change took {quantile(few, 0.5):.1f} ms at the median, {quantile(few, 0.99):.1f} "
            f"at the 99th percentile; with {MANY} {quantile(many, 0.5):.1f} and {quantile(many, 0.99):.1f}; "
            f"{CHANGES} changes each, of a policy about pods on every node",
            f"{POLICIES} policies were written within {written_s:.1f} s of those; up to {max(held)} flows a bridge",
        ),
    )


def changes() -> tuple[list[float], list[float]]:
    """How long changes took with few policies and with many, in milliseconds: both in the same lab."""
    taken = list[list[float]]()
    with bench() as one:
        cluster = one.write_cluster(NODES, expectedPods=NODES * PODS_A_NODE)
        one.up(_NAME, cluster, one.write("manifests.json", [deployment("load", NODES * PODS_A_NODE)]))
        side, chosen = _Side(one), random.Random(_SEED)  # noqa: S311 - an order that can be had again, no secret
        there = 0
        for size in (FEW, MANY):
            side.write([_about_all(number) for number in range(there, size)])
            there = size
            with watching(side.sandbox, side.sockets) as watch:
                taken.append([side.change(watch, chosen.randrange(size), count) for count in range(CHANGES)])
        one.down(_NAME)
    return taken[0], taken[1]


def installed() -> tuple[float, float, list[int]]:
    """Seconds until many policies about many pods are in all bridges, and until they were written; flows a bridge."""
    with bench() as one:
        cluster = one.write_cluster(NODES, expectedPods=MANY_PODS)
        kinds = [deployment(f"load-{number}", MANY_PODS // KINDS) for number in range(KINDS)]
        one.up(_NAME, cluster, one.write("manifests.json", kinds))
        told = _Side(one).write([_about_some(number) for number in range(POLICIES)])
        one.down(_NAME)
    return told


def _about_all(number: int, count: int = -1) -> PlannedPolicy:
    """About every pod: in its latest form it lets in an address that it never let in before."""
    block = _address(128, count) if count >= 0 else _address(64, number)
    return PlannedPolicy(f"policy-{number}", ("app", "load"), (("app", "load"),), (block,), (20_000 + number,))


def _about_some(number: int) -> PlannedPolicy:
    """About the pods of one Deployment: those of the next may, and an address."""
    subject, peer = (("app", f"load-{(number + step) % KINDS}") for step in (0, 1))
    return PlannedPolicy(f"policy-{number}", subject, (peer,), (_address(64, number),), (20_000 + number,))


def _address(first: int, number: int) -> str:
    return f"10.{first + number // 250}.{number % 250}.1/32"


class _Side:
    """The lab's API and its node bridges."""

    def __init__(self, one: Bench) -> None:
        self._kubeconfig: Path = one.home / "labs" / _NAME / "kubeconfig"
        self.sandbox = Sandbox(one.supervisor(_NAME))
        self.sockets = node_bridges(self.sandbox, NODES)
        self._client = Client(self._kubeconfig)

    def write(self, policies: Sequence[PlannedPolicy]) -> tuple[float, float, list[int]]:
        """Write policies, a few at once. As `installed`."""
        sockets, local, least = list(self.sockets.values()), threading.local(), self._fewest(policies)
        before, begin = flows(self.sandbox, sockets), time.monotonic()

        def write(one: PlannedPolicy) -> None:
            if not hasattr(local, "client"):
                local.client = Client(self._kubeconfig)
            local.client.create(NETWORK_POLICIES, policy_object(one, "default"))

        with ThreadPoolExecutor(_WRITERS) as pool:
            list(pool.map(write, policies))
        written_s = time.monotonic() - begin
        seconds, held = programmed(self.sandbox, sockets, before, least, begin)
        return seconds, written_s, held

    def _fewest(self, policies: Sequence[PlannedPolicy]) -> int:
        """The flows that policies come to on the bridge with the fewest: pods, peers, ports, and two verdicts each."""
        pods = [Pod.parse(raw) for raw in self._client.list(PODS)[0]]
        labels = [(label, pod.node) for pod in pods for label in pod.labels]
        here, anywhere = Counter(labels), Counter(label for label, _ in labels)

        def on(node: str) -> int:
            return sum(
                here[one.subject, node]
                + sum(anywhere[group] for group in one.groups)
                + len(one.blocks)
                + len(one.ports)
                + 2
                for one in policies
                if here[one.subject, node]
            )

        return min(on(node) for node in {pod.node for pod in pods})

    def change(self, watch: FlowWatch, number: int, count: int) -> float:
        """Milliseconds from the writing of a policy that lets another address in until the last bridge's new flow."""
        time.sleep(_PACE_S)
        new = _about_all(number, count)
        raw = self._client.get(NETWORK_POLICIES, Key("default", new.name))
        assert raw
        watch.drain()
        begin = time.monotonic()
        self._client.update(NETWORK_POLICIES, {**raw, "spec": policy_object(new, "default")["spec"]})
        return 1000 * everywhere(watch, f"nw_src={new.blocks[0].partition('/')[0]} ", begin, len(self.sockets))
