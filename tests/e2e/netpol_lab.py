"""A lab with the nine pods of Kubernetes' NetworkPolicy tests, and a prober that tries all pairs of them at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster import Namespace, Raw, pod, service
from laboratory import RunningLab
from netpol import model, probing
from netpol.model import NAMESPACES, PODS, PORTS, TCP, UDP, Attempt, Table, told
from netpol.settling import settle

from lab import sandbox

SERVED = tuple((port, protocol) for port in PORTS for protocol in (TCP, UDP))
PROBER = Path(probing.__file__)


@dataclass(frozen=True)
class Prober:
    """A process in a lab's sandbox that tries connections."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, lab: RunningLab) -> Prober:
        argv = sandbox.enter_argv(lab.pid, [sys.executable, str(PROBER)])
        return cls(subprocess.Popen(argv, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    def attempt(self, probes: Sequence[probing.Probe], timeout_s: float) -> list[str]:
        """What became of each."""
        rows = [[one.netns, one.address, one.port, one.protocol] for one in probes]
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps({"timeout_s": timeout_s, "probes": rows}), file=self.process.stdin, flush=True)
        outcomes: list[str] = json.loads(self.process.stdout.readline())
        return outcomes

    def stop(self) -> None:
        self.process.communicate()  # the end of its input ends it


@dataclass(frozen=True)
class Placed:
    """A pod as the prober finds it."""

    netns: str
    ways: dict[str, str]  # "address" and "Service": its own address, and that of the Service of this pod alone

    @classmethod
    def of(cls, raw: Raw, services: dict[str, str]) -> Placed:
        own, name = raw["status"]["podIP"], raw["metadata"]["name"]
        ways = {"address": own, **({"Service": services[name]} if name in services else {})}
        return cls(f"pod-{raw['metadata']['uid']}", ways)


def placed(namespace: Namespace) -> dict[str, Placed]:
    """The pods of a namespace by "namespace/name"; a Service is a pod's where its name is "s-" and the pod's."""
    items = namespace.get("services")["items"]
    services = {one["metadata"]["name"].removeprefix("s-"): one["spec"]["clusterIP"] for one in items}
    pods = namespace.get("pods")["items"]
    return {f"{namespace.name}/{one['metadata']['name']}": Placed.of(one, services) for one in pods}


@dataclass
class PolicyLab:
    """The cluster that the scenarios ask for. After each `clear` gives back what it was."""

    lab: RunningLab
    prober: Prober
    pods: dict[str, Placed]
    restored: list[list[str]] = field(default_factory=list)  # arguments of kubectl that take labels away again

    @classmethod
    def build(cls, lab: RunningLab) -> PolicyLab:
        namespaces = [Namespace(lab, name) for name in NAMESPACES]
        pods: dict[str, Placed] = {}
        for one in namespaces:
            one.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": one.name}})
            one.create(*_objects(one.name))
        for one in namespaces:
            one.ready("a", "b", "c")
            pods |= placed(one)
        return cls(lab, Prober.start(lab), pods)

    def create(self, namespace: str, *policies: Raw) -> None:
        Namespace(self.lab, namespace).create(*policies)

    def replace(self, namespace: str, changed: Raw) -> None:
        Namespace(self.lab, namespace).kubectl("replace", "-f", "-", text=json.dumps(changed))

    def delete_policies(self) -> None:
        self.lab.kubectl("delete", "networkpolicies", "--all", "--all-namespaces")

    def label_namespace(self, namespace: str, **added: str) -> None:
        self._label(["label", "namespace", namespace], added)

    def label_pod(self, pod: str, **added: str) -> None:
        namespace, _, name = pod.partition("/")
        self._label(["label", f"--namespace={namespace}", "pod", name], added)

    def _label(self, what: list[str], added: dict[str, str]) -> None:
        self.restored.append([*what, *(f"{key}-" for key in added)])
        self.lab.kubectl(*what, *(f"{key}={value}" for key, value in added.items()))

    def address(self, pod: str) -> str:
        return self.pods[pod].ways["address"]

    def expect(self, port: int, table: Table, protocol: str = TCP) -> None:
        settle(lambda timeout_s: told(table, self._tried(port, protocol, timeout_s)))

    def _tried(self, port: int, protocol: str, timeout_s: float) -> list[Attempt]:
        asked = [(source, target, way) for source in PODS for target in PODS for way in self.pods[target].ways]
        probes = [
            probing.Probe(self.pods[source].netns, self.pods[target].ways[way], port, protocol)
            for source, target, way in asked
        ]
        outcomes = self.prober.attempt(probes, timeout_s)
        return [Attempt(*one, outcome) for one, outcome in zip(asked, outcomes, strict=True)]

    def clear(self) -> None:
        self.delete_policies()
        while self.restored:
            self.lab.kubectl(*self.restored.pop())

    def close(self) -> None:
        self.prober.stop()


def _objects(namespace: str) -> list[Raw]:
    """Pods a, b and c, which serve on all ports, and a Service for each."""
    ports = [(model.port_name(port, protocol), port, protocol) for port, protocol in SERVED]
    service_ports = [{"name": name, "port": port, "protocol": protocol} for name, port, protocol in ports]
    names = [one.removeprefix(f"{namespace}/") for one in PODS if one.startswith(f"{namespace}/")]
    pods = [pod(name, *ports, labels={"pod": name}) for name in names]
    return [*pods, *(service(f"s-{name}", {"pod": name}, *service_ports) for name in names)]
