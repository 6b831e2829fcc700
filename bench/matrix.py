"""60 pods, 2 ports, 2 protocols: the time of the whole matrix, without policies and with policies that deny half."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass

from bench.labs import Bench, bench
from bench.outcome import AT_MOST, Figure, Outcome
from k8sshim.errors import PodwireError
from k8sshim.objects import Raw

NODES, NAMESPACES, WORKLOADS, REPLICAS = 3, ("x", "y"), ("a", "b", "c"), 10
PORTS, PROTOCOLS = (80, 81), ("TCP", "UDP")
REPETITIONS, TARGET_S = 3, 30.0
_NAME, _DIFFERS = "bench", 1
_PASSED = ("answered", "closed")


@dataclass(frozen=True)
class _Taken:
    seconds: float
    tried: int
    denied: int  # expected to be
    differing: int


def run() -> Outcome:
    """Try every pair of 60 pods. Raises PodwireError."""
    with bench() as one:
        one.up(_NAME, one.write_cluster(NODES), one.write("pods.json", _pods()))
        without = [_try(one) for _ in range(REPETITIONS)]
        one.podwire("apply", _NAME, "-f", str(one.write("policies.json", _policies())), "--wait")
        beside = [_try(one) for _ in range(REPETITIONS)]
        one.down(_NAME)
    pods = len(NAMESPACES) * len(WORKLOADS) * REPLICAS
    return Outcome(
        (
            _figure(f"matrix of {pods} pods, 2 ports, 2 protocols, without policies", without),
            _figure(f"matrix of {pods} pods, 2 ports, 2 protocols, under policies", beside),
            _differing("matrix: pairs that differ from what policies expect", [*without, *beside]),
        ),
        (
            f"{without[0].tried} connections (no pod tries itself), from the command to its end; policies expect "
            f"{beside[0].denied} of them to be denied, each of which is waited for to its end",
        ),
    )


def _figure(name: str, taken: list[_Taken]) -> Figure:
    return Figure(name, AT_MOST, TARGET_S, "s", tuple(one.seconds for one in taken))


def _differing(name: str, taken: list[_Taken]) -> Figure:
    return Figure(name, AT_MOST, 0.0, "connections", tuple(float(one.differing) for one in taken))


def _try(one: Bench) -> _Taken:
    """The command, as a user gives it: its exit code is 1 where something differs."""
    begun = time.monotonic()
    argv = [sys.executable, "-m", "cli.main", "matrix", _NAME, "--json"]
    done = subprocess.run(argv, env=one.environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begun
    if done.returncode not in (0, _DIFFERS) or not done.stdout:
        raise PodwireError(f"podwire matrix: {' '.join(done.stderr.split()[-40:])}")
    cells = json.loads(done.stdout)
    differing = sum((cell["outcome"] in _PASSED) is not cell["expected"] for cell in cells)
    denied = sum(cell["expected"] is False for cell in cells)
    return _Taken(seconds, len(cells), denied, differing)


def _pods() -> list[Raw]:
    spaces: list[Raw] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]
    return spaces + [_deployment(name, space) for space in NAMESPACES for name in WORKLOADS]


def _deployment(name: str, namespace: str) -> Raw:
    ports = [{"containerPort": port, "protocol": protocol} for port in PORTS for protocol in PROTOCOLS]
    pod = {"containers": [{"name": name, "image": f"example/{name}", "ports": ports}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }


def _policies() -> list[Raw]:
    """Each namespace is closed to the other, in both directions' words."""
    own = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]}
    anywhere = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"namespaceSelector": {}}]}]}
    return [
        *(_policy("own", space, own) for space in NAMESPACES),
        *(_policy("anywhere", space, anywhere) for space in NAMESPACES),
    ]


def _policy(name: str, namespace: str, spec: Raw) -> Raw:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
