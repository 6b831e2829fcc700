"""1,000 Services with 10,000 endpoints on 10 nodes: all programmed, then one endpoint changes in every datapath.

What is counted is the switches' own word: how many flows a bridge holds, and its monitor's report of each change.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.bridges import everywhere, flows, node_bridges, programmed
from bench.flow_watch import FlowWatch, watching
from bench.labs import PORT, Bench, bench, deployment
from bench.outcome import AT_MOST, Figure, Outcome
from experiments.inside import Sandbox
from experiments.statistics import quantile
from k8sshim.client import ENDPOINT_SLICES, PODS, SERVICES, Client
from k8sshim.objects import Key, Pod, Raw

NODES, PODS_A_NODE, ENDPOINTS = 10, 3, 10
FEW, MANY, CHANGES = 10, 1000, 200
_NAME, _SEED, _WRITERS = "bench", 1, 4
_PACE_S = 0.05


def run() -> Outcome:
    """Measure at both sizes, each in a lab of its own. Raises PodwireError where a change does not arrive."""
    few, many = _Sized(FEW), _Sized(MANY)
    for one in (few, many):
        one.measure()
    name = f"{MANY} Services, {MANY * ENDPOINTS} endpoints, {NODES} nodes"
    growth = quantile(many.changes_ms, 0.5) / quantile(few.changes_ms, 0.5)
    return Outcome(
        (
            Figure(f"{name}: all programmed", AT_MOST, 20.0, "s", (many.programmed_s,)),
            Figure(f"{name}: a change is in every datapath", AT_MOST, 100.0, "ms", tuple(many.changes_ms)),
            Figure(f"{name}: the same, 99th percentile", AT_MOST, 300.0, "ms", (quantile(many.changes_ms, 0.99),)),
            Figure(f"the same, {MANY} Services / {FEW} Services", AT_MOST, 1.5, "", (growth,)),
        ),
        (
            f"{MANY} Services and their slices were written within {many.written_s:.1f} s of those; "
            f"{many.flows} flows a bridge",
            f"with {FEW} Services a change took {quantile(few.changes_ms, 0.5):.1f} ms at the median, "
            f"{quantile(few.changes_ms, 0.99):.1f} at the 99th percentile; {CHANGES} changes each",
        ),
    )


class _Sized:
    """The lab with so many Services."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.written_s = self.programmed_s = 0.0
        self.flows = 0
        self.changes_ms: list[float] = []
        self._chosen = random.Random(_SEED)  # noqa: S311 - an order that can be had again, no secret

    def measure(self) -> None:
        with bench() as one:
            cluster = one.write_cluster(NODES, expectedPods=NODES * PODS_A_NODE)
            one.up(_NAME, cluster, one.write("manifests.json", [deployment("load", NODES * PODS_A_NODE)]))
            sandbox, kubeconfig = Sandbox(one.supervisor(_NAME)), one.home / "labs" / _NAME / "kubeconfig"
            addresses, sockets = _addresses(one), node_bridges(sandbox, NODES)
            self._program(sandbox, kubeconfig, addresses, list(sockets.values()))
            with watching(sandbox, sockets) as watch:
                client = Client(kubeconfig)
                for _ in range(CHANGES):
                    self.changes_ms.append(1000 * self._change(client, watch, addresses, len(sockets)))
                    time.sleep(_PACE_S)
            one.down(_NAME)

    def _program(self, sandbox: Sandbox, kubeconfig: Path, addresses: Sequence[str], sockets: Sequence[str]) -> None:
        """Write all Services, and wait until no bridge's flows grow any more and all endpoints have theirs."""
        before, local = flows(sandbox, sockets), threading.local()

        def write(number: int) -> None:
            if not hasattr(local, "client"):
                local.client = Client(kubeconfig)
            local.client.create(SERVICES, _service(number))
            local.client.create(ENDPOINT_SLICES, _slice(number, _endpoints(number, addresses)))

        begin = time.monotonic()
        with ThreadPoolExecutor(_WRITERS) as pool:
            list(pool.map(write, range(self.size)))
        self.written_s = time.monotonic() - begin
        wanted = self.size * (ENDPOINTS + 1)
        self.programmed_s, held = programmed(sandbox, sockets, before, wanted, begin)
        self.flows = max(held)

    def _change(self, client: Client, watch: FlowWatch, addresses: Sequence[str], bridges: int) -> float:
        """Seconds from the writing of a slice, with another address for one endpoint, to the last bridge's new flow."""
        key = Key("default", f"service-{self._chosen.randrange(self.size)}")
        raw = client.get(ENDPOINT_SLICES, key)
        assert raw
        endpoints = [one["addresses"][0] for one in raw["endpoints"]]
        new = self._chosen.choice([address for address in addresses if address not in endpoints])
        endpoints[self._chosen.randrange(ENDPOINTS)] = new
        watch.drain()
        begin = time.monotonic()
        client.update(ENDPOINT_SLICES, {**raw, "endpoints": _as_endpoints(endpoints)})
        return everywhere(watch, f"dst={new}:{PORT}", begin, bridges)


def _addresses(one: Bench) -> list[str]:
    client = Client(one.home / "labs" / _NAME / "kubeconfig")
    pods = [Pod.parse(raw) for raw in client.list(PODS, "default")[0]]
    return sorted(pod.ip for pod in pods if pod.ip)


def _endpoints(number: int, addresses: Sequence[str]) -> list[str]:
    return [addresses[(number + place) % len(addresses)] for place in range(ENDPOINTS)]


def _service(number: int) -> Raw:
    spec = {"ports": [{"name": "main", "port": 80, "targetPort": PORT}]}
    metadata = {"name": f"service-{number}", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _slice(number: int, addresses: Sequence[str]) -> Raw:
    name = f"service-{number}"
    labels = {"kubernetes.io/service-name": name}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "main", "port": PORT, "protocol": "TCP"}],
        "endpoints": _as_endpoints(addresses),
    }


def _as_endpoints(addresses: Sequence[str]) -> list[Raw]:
    return [{"addresses": [address], "conditions": {"ready": True}} for address in addresses]
