"""Nodes that fall silent, on a cluster in memory: what becomes of them, of their pods, and of Services."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fake_api import Cluster, template, workload

from k8sshim.client import CLUSTERS, DAEMON_SETS, DEPLOYMENTS, ENDPOINT_SLICES, LEASES, NODES, SERVICES, STATEFUL_SETS
from k8sshim.cluster import CLUSTER_API_VERSION
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.unit
LEASE_S, EVICT_S = 4, 10
TAINT = "node.kubernetes.io/unreachable"


class Silence:
    """A cluster of nodes with leases, and a clock."""

    def __init__(self, nodes: int = 2) -> None:
        self.cluster = Cluster(nodes)
        spec = {"nodeLease": {"durationSeconds": LEASE_S, "renewSeconds": 1, "evictAfterSeconds": EVICT_S}}
        metadata = {"name": "lab"}
        self.cluster.api.create(
            CLUSTERS, {"apiVersion": CLUSTER_API_VERSION, "kind": "Cluster", "metadata": metadata, "spec": spec}
        )
        self.names = [f"n{number}" for number in range(1, nodes + 1)]
        for name in self.names:
            metadata = {"namespace": "kube-node-lease", "name": name}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
            self.cluster.api.create(LEASES, {**lease, "spec": self.renewed()})
        self.cluster.run()

    def renewed(self) -> Raw:
        now = self.cluster.api.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"leaseDurationSeconds": LEASE_S, "renewTime": now}

    def renew(self, *names: str) -> None:
        for name in names:
            self.cluster.api.patch(LEASES, Key("kube-node-lease", name), {"spec": self.renewed()})
        self.cluster.run()

    def pass_s(self, seconds: float, *renewing: str) -> None:
        """Time passes a bit at a time, each node's deadline is looked at, and these renew their leases."""
        end = self.cluster.api.now + timedelta(seconds=seconds)
        while self.cluster.api.now < end:
            self.cluster.pass_time(0.5)
            self.renew(*renewing)
            self.look()

    def look(self) -> None:
        """As the loop does at the time that a plan asked for."""
        for name in self.names:
            stamp = {"metadata": {"annotations": {"looked": str(self.cluster.api.now)}}}
            self.cluster.api.patch(NODES, Key("", name), stamp)
        self.cluster.run()

    def node(self, name: str) -> Raw:
        return self.cluster.api.objects[NODES, Key("", name)]

    def ready(self, name: str) -> str:
        return condition(self.node(name))

    def taints(self, name: str) -> list[tuple[str, str]]:
        return [(taint["key"], taint["effect"]) for taint in self.node(name)["spec"].get("taints") or ()]

    def apply(self, resource: Any, **spec: Any) -> None:
        self.cluster.apply(resource, workload(resource, **spec))
        self.cluster.run()

    def places(self) -> list[tuple[str, str]]:
        """Where pods are, and whether they are ready."""
        return sorted((pod["spec"].get("nodeName", ""), condition(pod)) for pod in self.cluster.pods(app="web"))


def condition(raw: Raw) -> str:
    return next(one["status"] for one in raw["status"]["conditions"] if one["type"] == "Ready")


def test_a_node_whose_lease_runs_out_is_not_ready_and_comes_back_with_it() -> None:
    silence = Silence()
    silence.pass_s(LEASE_S - 0.5, "n1")
    assert [silence.ready(name) for name in silence.names] == ["True", "True"]
    silence.pass_s(0.5, "n1")
    assert [silence.ready(name) for name in silence.names] == ["True", "Unknown"]
    assert silence.taints("n2") == [(TAINT, "NoSchedule"), (TAINT, "NoExecute")]
    assert silence.taints("n1") == []
    silence.renew("n2")
    assert (silence.ready("n2"), silence.taints("n2")) == ("True", [])


def test_a_node_without_a_lease_is_nobodys() -> None:
    cluster = Cluster(1)
    cluster.run()
    cluster.pass_time(1000)
    cluster.api.patch(NODES, Key("", "n1"), {"metadata": {"annotations": {"a": "b"}}})
    cluster.run()
    assert condition(cluster.api.objects[NODES, Key("", "n1")]) == "True"


def test_endpoints_leave_at_once_and_pods_in_time() -> None:
    silence = Silence()
    silence.apply(DEPLOYMENTS, replicas=2)
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "default", "name": "web"}}
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}], "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"]}
    silence.cluster.api.create(SERVICES, {**service, "spec": {**spec, "ipFamilies": ["IPv4"]}})
    silence.cluster.run()
    silence.cluster.starts = lambda pod: True
    silence.cluster.agent = lambda: False  # type: ignore[method-assign]
    silence.pass_s(LEASE_S, "n1")
    assert silence.places() == [("n1", "True"), ("n2", "False")]
    (made,) = (raw for (kind, _), raw in silence.cluster.api.objects.items() if kind == ENDPOINT_SLICES)
    assert sorted((one["nodeName"], one["conditions"]["ready"]) for one in made["endpoints"]) == [
        ("n1", True),
        ("n2", False),
    ]
    silence.pass_s(EVICT_S - 0.5, "n1")
    assert [pod["metadata"].get("deletionTimestamp") for pod in silence.cluster.pods(app="web")] == [None, None]
    silence.pass_s(1, "n1")
    leaving = [pod["spec"]["nodeName"] for pod in silence.cluster.pods() if pod["metadata"].get("deletionTimestamp")]
    assert leaving == ["n2"]
    staying = [pod for pod in silence.cluster.pods(app="web") if not pod["metadata"].get("deletionTimestamp")]
    assert [pod["spec"].get("nodeName") for pod in staying] == ["n1", "n1"]


@pytest.mark.parametrize(
    ("tolerations", "leaves_after_s"),
    [
        ([], EVICT_S),
        ([{"key": TAINT, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3}], 3),
        ([{"key": TAINT, "operator": "Exists", "effect": "NoExecute"}], None),
        ([{"operator": "Exists"}], None),
        ([{"operator": "Exists"}, {"key": TAINT, "operator": "Exists", "tolerationSeconds": 6}], 6),
        ([{"key": TAINT, "operator": "Exists", "effect": "NoSchedule"}], EVICT_S),
        ([{"key": "other", "operator": "Exists"}], EVICT_S),
    ],
    ids=str,
)
def test_a_pod_leaves_as_its_tolerations_say(tolerations: list[Raw], leaves_after_s: int | None) -> None:
    silence = Silence()
    made = template()
    made["spec"]["tolerations"] = tolerations
    silence.apply(STATEFUL_SETS, replicas=1, serviceName="web", template=made)
    silence.cluster.agent = lambda: False  # type: ignore[method-assign]

    def leaves() -> bool:
        (found,) = silence.cluster.pods(app="web")
        assert found["spec"]["nodeName"] == "n1"
        return bool(found["metadata"].get("deletionTimestamp"))

    silence.pass_s(LEASE_S, "n2")
    assert not leaves()
    if leaves_after_s is None:
        silence.pass_s(3 * EVICT_S, "n2")
        assert not leaves()
        return
    silence.pass_s(leaves_after_s - 0.5, "n2")
    assert not leaves()
    silence.pass_s(1, "n2")
    assert leaves()


def test_where_no_node_is_ready_no_pod_leaves() -> None:
    """One process is the agent of all nodes: it is away, and they are not."""
    silence = Silence()
    silence.apply(DEPLOYMENTS, replicas=2)
    silence.cluster.agent = lambda: False  # type: ignore[method-assign]
    silence.pass_s(LEASE_S + 3 * EVICT_S)
    assert [silence.ready(name) for name in silence.names] == ["Unknown", "Unknown"]
    assert not any(pod["metadata"].get("deletionTimestamp") for pod in silence.cluster.pods())


def test_daemons_stay_where_they_are() -> None:
    silence = Silence()
    silence.apply(DAEMON_SETS)
    silence.cluster.agent = lambda: False  # type: ignore[method-assign]
    silence.pass_s(LEASE_S + EVICT_S + 1, "n1")
    assert silence.places() == [("n1", "True"), ("n2", "False")]
    assert not any(pod["metadata"].get("deletionTimestamp") for pod in silence.cluster.pods())


def test_a_machine_that_was_held_up_kills_no_node() -> None:
    """Nobody looked while the lease ran out: the agent was perhaps as late, and is given time to say so."""
    silence = Silence()
    silence.cluster.pass_time(LEASE_S + 10)
    silence.look()
    assert [silence.ready(name) for name in silence.names] == ["True", "True"]
    silence.renew("n1")
    silence.look()
    assert [silence.ready(name) for name in silence.names] == ["True", "Unknown"]
