"""The truth tables of Kubernetes' own NetworkPolicy tests, and what the oracle says of the same objects.

They come from two sources that know nothing of each other: each is a test of the other, without a single packet.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from netpol import CONTEXTS
from netpol.model import ALL, ANSWERED, NAME_LABEL, NAMESPACES, PODS, PORTS, SCTP, TCP, UDP, Context, Raw, Table
from netpol.model import port_name as name_of

from experiments.policy.oracle import Oracle, PodPlace

pytestmark = pytest.mark.unit
SCENARIOS = [(context, name) for context in CONTEXTS for name in context.scenarios]


def pod(place: str, number: int) -> Raw:
    namespace, _, name = place.partition("/")
    ports = [
        {"name": name_of(port, kind), "containerPort": port, "protocol": kind}
        for port in PORTS
        for kind in (TCP, UDP, SCTP)
    ]
    metadata = {"name": name, "namespace": namespace, "uid": place, "labels": {"pod": name}}
    spec = {"nodeName": f"node{number % 3 + 1}", "containers": [{"name": "main", "ports": ports}]}
    address = f"10.244.{number % 3 + 1}.{number + 2}"
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec,
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}}  # fmt: skip


def namespace(name: str) -> Raw:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {NAME_LABEL: name}}}


def node(number: int) -> Raw:
    status = {"addresses": [{"type": "InternalIP", "address": f"172.30.0.{number + 1}"}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node{number}"}, "spec": {}, "status": status}


@dataclass
class Imagined:
    """The nine pods as objects alone; `expect` asks the oracle."""

    pods: dict[str, Raw] = field(default_factory=lambda: {one: pod(one, number) for number, one in enumerate(PODS)})
    namespaces: dict[str, Raw] = field(default_factory=lambda: {name: namespace(name) for name in NAMESPACES})
    policies: dict[tuple[str, str], Raw] = field(default_factory=dict)
    asked: list[Table] = field(default_factory=list)

    def create(self, namespace: str, *policies: Raw) -> None:
        for one in policies:
            self.replace(namespace, one)

    def replace(self, namespace: str, changed: Raw) -> None:
        name = changed["metadata"]["name"]
        self.policies[namespace, name] = {**changed, "metadata": {"name": name, "namespace": namespace}}

    def delete_policies(self) -> None:
        self.policies.clear()

    def label_namespace(self, namespace: str, **added: str) -> None:
        self.namespaces[namespace]["metadata"]["labels"].update(added)

    def label_pod(self, pod: str, **added: str) -> None:
        self.pods[pod]["metadata"]["labels"].update(added)

    def address(self, pod: str) -> str:
        found: str = self.pods[pod]["status"]["podIP"]
        return found

    def expect(self, port: int, table: Table, protocol: str = TCP) -> None:
        self.asked.append(table)
        nodes = map(node, (1, 2, 3))
        oracle = Oracle([*nodes, *self.namespaces.values(), *self.pods.values(), *self.policies.values()])
        for source in PODS:
            for target in PODS:
                said = oracle.verdict(place(source), place(target), port, protocol).allowed
                assert said == (table.expected(source, target) == ANSWERED), f"{source} -> {target}:{port}/{protocol}"


def place(pod: str) -> PodPlace:
    return PodPlace(*pod.split("/"))


@pytest.mark.parametrize(("context", "name"), SCENARIOS, ids=[f"{one.name}: {name}" for one, name in SCENARIOS])
def test_table_and_oracle_agree(context: Context, name: str) -> None:
    cluster = Imagined()
    context.scenarios[name](cluster)
    assert cluster.asked


def test_there_are_as_many_as_kubernetes_has() -> None:
    assert [len(context.scenarios) for context in CONTEXTS] == [42, 3, 3]


def test_a_table_says_what_was_said_last() -> None:
    table = ALL.deny("*", "x/*").allow("y/*", "x/a")
    assert table.expected("y/b", "x/a") == ANSWERED
    assert table.expected("z/b", "x/a") != ANSWERED
    assert table.expected("y/b", "x/b") != ANSWERED
    assert table.expected("x/b", "x/b") == ANSWERED  # itself
    assert table.expected("x/b", "z/b") == ANSWERED
