"""Who reaches whom: every pod pair, or every pod and Service, tried with real packets.

A pod is not paired with itself (such packets never leave it), but with a Service that it stands behind it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from experiments.probes import TCP, UDP, Probe
from k8sshim.client import PODS, SERVICES, Client
from k8sshim.errors import NotFound, PodwireError
from k8sshim.objects import Pod, Service
from lab import inventory, sandbox
from lab.state import Lab

TIMEOUT_S = 3.0  # for an answer: time for a lost SYN to be sent again
_TRIED = (TCP, UDP)


@dataclass(frozen=True)
class Wanted:
    """What to try."""

    ports: tuple[int, ...] = ()  # none: those that the target declares
    protocols: tuple[str, ...] = ()  # none: TCP for `ports`, else what the target declares
    namespaces: tuple[str, ...] = ()  # of both ends; none: all
    services: bool = False  # try Services instead of pods


@dataclass(frozen=True)
class Pair:
    """One connection of the matrix."""

    source: str  # namespace/name of a pod
    target: str  # namespace/name of a pod or Service
    port: int
    protocol: str
    probe: Probe


@dataclass(frozen=True)
class Cell:
    """What became of one connection."""

    source: str
    target: str
    port: int
    protocol: str
    allowed: bool

    def raw(self) -> dict[str, str | int | bool]:
        return {
            "from": self.source,
            "to": self.target,
            "port": self.port,
            "protocol": self.protocol,
            "allowed": self.allowed,
        }


def try_all(lab: Lab, wanted: Wanted) -> list[Cell]:
    """Try everything that is wanted, in the lab. Raises NotFound for a namespace without pods, PodwireError."""
    client = Client(lab.kubeconfig)
    pods = [Pod.parse(raw) for raw in client.list(PODS)[0]]
    for namespace in wanted.namespaces:
        if all(pod.key.namespace != namespace for pod in pods):
            there = ", ".join(sorted({pod.key.namespace for pod in pods})) or "none"
            raise NotFound.of(f'no pods in namespace "{namespace}" of lab "{lab.name}"; namespaces with pods: {there}')
    services = [Service.parse(raw) for raw in client.list(SERVICES)[0]] if wanted.services else []
    pairs = list(service_pairs(pods, services, wanted) if wanted.services else pod_pairs(pods, wanted))
    answers = _probe(lab, [pair.probe for pair in pairs])
    return [
        Cell(pair.source, pair.target, pair.port, pair.protocol, answer)
        for pair, answer in zip(pairs, answers, strict=True)
    ]


def pod_pairs(pods: Collection[Pod], wanted: Wanted) -> Iterator[Pair]:
    """Every pod to every other, at each port."""
    running = _running(pods, wanted)
    for source in running:
        for target in running:
            if source.key != target.key:
                for port, protocol in _ports([(one.number, one.protocol) for one in target.ports], wanted):
                    yield _pair(source, str(target.key), target.ip, port, protocol)


def service_pairs(pods: Collection[Pod], services: Collection[Service], wanted: Wanted) -> Iterator[Pair]:
    """Every pod to every Service that has an address, at each of its ports; headless Services have none."""
    for source in _running(pods, wanted):
        for service in sorted(services, key=lambda one: one.key):
            if wanted.namespaces and service.key.namespace not in wanted.namespaces:
                continue
            for address in service.cluster_ips[:1]:
                for port, protocol in _ports([(one.port, one.protocol) for one in service.ports], wanted):
                    yield _pair(source, str(service.key), address, port, protocol)


def _running(pods: Collection[Pod], wanted: Wanted) -> list[Pod]:
    return sorted(
        (
            pod
            for pod in pods
            if pod.ip and not pod.finished and (not wanted.namespaces or pod.key.namespace in wanted.namespaces)
        ),
        key=lambda pod: pod.key,
    )


def _ports(declared: Sequence[tuple[int, str]], wanted: Wanted) -> list[tuple[int, str]]:
    """Port and protocol of each connection to a target that declares these."""
    if wanted.ports:
        return [(port, protocol) for port in wanted.ports for protocol in wanted.protocols or (TCP,)]
    protocols = wanted.protocols or _TRIED
    return [one for one in dict.fromkeys(declared) if one[1] in protocols]


def _pair(source: Pod, target: str, address: str, port: int, protocol: str) -> Pair:
    probe = Probe(inventory.netns_of(source), address, port, protocol)
    return Pair(str(source.key), target, port, protocol, probe)


def _probe(lab: Lab, probes: Sequence[Probe]) -> list[bool]:
    """Have one process in the sandbox try them all."""
    rows = [[probe.netns, probe.address, probe.port, probe.protocol] for probe in probes]
    argv = sandbox.enter_argv(lab.pid, [sys.executable, "-m", "experiments.probes"])
    asked = json.dumps({"timeout_s": TIMEOUT_S, "probes": rows})
    done = subprocess.run(argv, input=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PodwireError(f"the pairs cannot be tried: {' '.join(done.stderr.split()[-30:])}")
    answers: list[bool] = json.loads(done.stdout)
    return answers
