"""Kubernetes' own NetworkPolicy tests by SCTP, where the kernel has it and Open vSwitch its datapath there.

By UDP they run on every machine, so that nothing of this file waits for a machine with SCTP to be tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from handmade import Handmade, Host, host_mac
from netpol import USING_SCTP, USING_UDP
from netpol.model import (
    NAME_LABEL,
    NAMESPACES,
    PODS,
    PORTS,
    SCTP,
    TCP,
    UDP,
    Attempt,
    Raw,
    Table,
    told,
)
from netpol.probing import Probe, attempt
from netpol.serving import serving
from netpol.settling import Patience, settle

pytestmark = pytest.mark.netns
PATIENCE = Patience(quick=0.3, sure=2.0, in_all=60)  # a machine that is emulated is slow
NODES = 3


@dataclass
class HandmadeCluster:
    """The cluster that the scenarios ask for, of objects that nobody but the controller sees."""

    lab: Handmade
    hosts: dict[str, Host] = field(default_factory=dict)
    policies: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def build(cls, lab: Handmade) -> HandmadeCluster:
        one = cls(lab)
        for namespace in NAMESPACES:
            one.label_namespace(namespace)
        for number, pod in enumerate(PODS):
            name = pod.replace("/", "-")
            one.hosts[pod] = lab.pod(name, number % NODES + 1, 2 + number // NODES)
            lab.api.delete("Pod", name, "default")  # it is in another namespace, with labels
            one.label_pod(pod)
        return one

    def create(self, namespace: str, *policies: Raw) -> None:
        for one in policies:
            self.policies.append((one["metadata"]["name"], namespace))
            self.replace(namespace, one)

    def replace(self, namespace: str, changed: Raw) -> None:
        self.lab.api.put({**changed, "metadata": {**changed["metadata"], "namespace": namespace}})

    def delete_policies(self) -> None:
        while self.policies:
            self.lab.api.delete("NetworkPolicy", *self.policies.pop())

    def label_namespace(self, namespace: str, **added: str) -> None:
        labels = {NAME_LABEL: namespace, **added}
        self.lab.api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})

    def label_pod(self, pod: str, **added: str) -> None:
        host, (namespace, _, name) = self.hosts[pod], pod.partition("/")
        network = {"addresses": [host.address], "mac": host_mac(host.address), "port": host.port}
        metadata = {"name": name, "namespace": namespace, "uid": host.name, "labels": {"pod": name, **added},
                    "annotations": {"podwire.dev/pod-network": json.dumps(network)}}  # fmt: skip
        spec = {"nodeName": f"node{host.node}", "containers": [{"name": "main"}]}
        self.lab.api.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec,
                          "status": {"phase": "Running", "podIP": host.address}})  # fmt: skip

    def address(self, pod: str) -> str:
        return self.hosts[pod].address

    def expect(self, port: int, table: Table, protocol: str = TCP) -> None:
        settle(lambda timeout_s: told(table, self._tried(port, protocol, timeout_s)), PATIENCE)

    def _tried(self, port: int, protocol: str, timeout_s: float) -> list[Attempt]:
        pairs = [(source, target) for source in PODS for target in PODS]
        probes = [Probe(self.hosts[one].netns, self.address(other), port, protocol) for one, other in pairs]
        outcomes = attempt(probes, timeout_s)
        return [Attempt(*pair, "address", outcome) for pair, outcome in zip(pairs, outcomes, strict=True)]


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> HandmadeCluster:
    handmade = Handmade(tmp_path_factory.mktemp("lab"), NODES).begun(request)
    one = HandmadeCluster.build(handmade)
    handmade.programmed()
    return one


@pytest.fixture
def cluster(built: HandmadeCluster) -> Iterator[HandmadeCluster]:
    """The lab, with no policy in it."""
    yield built
    built.delete_policies()


@pytest.mark.parametrize("name", USING_UDP.scenarios, ids=list(USING_UDP.scenarios))
def test_between_server_and_client_using_udp(cluster: HandmadeCluster, name: str) -> None:
    with serving([host.netns for host in cluster.hosts.values()], PORTS, UDP):
        USING_UDP.scenarios[name](cluster)


@pytest.mark.parametrize("name", USING_SCTP.scenarios, ids=list(USING_SCTP.scenarios))
@pytest.mark.usefixtures("sctp_through_switches")
def test_between_server_and_client_using_sctp(cluster: HandmadeCluster, name: str) -> None:
    with serving([host.netns for host in cluster.hosts.values()], PORTS, SCTP):
        USING_SCTP.scenarios[name](cluster)
