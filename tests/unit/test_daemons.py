"""DaemonSets on a cluster in memory: which nodes, and one pod a node."""

from __future__ import annotations

from typing import Any

import pytest
from fake_api import Cluster, node, template, workload

from k8sshim.client import DAEMON_SETS, NODES, PODS
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.unit
WEB = Key("default", "web")


def running(cluster: Cluster) -> list[str]:
    """The nodes that have a pod, one entry a pod."""
    return sorted(each["spec"].get("nodeName", "") for each in cluster.pods(app="web"))


def started(nodes: int = 3, **spec: Any) -> Cluster:
    cluster = Cluster(nodes)
    cluster.apply(DAEMON_SETS, workload(DAEMON_SETS, **spec))
    cluster.run()
    return cluster


def with_pod_spec(**spec: object) -> Raw:
    made = template()
    made["spec"].update(spec)
    return made


def change(cluster: Cluster, name: str, **spec: object) -> None:
    raw = cluster.api.objects[NODES, Key("", name)]
    cluster.api.update(NODES, {**raw, "spec": {**raw["spec"], **spec}})
    cluster.run()


def test_one_pod_on_every_node_and_on_those_that_come() -> None:
    cluster = started()
    assert running(cluster) == ["n1", "n2", "n3"]
    assert cluster.api.objects[DAEMON_SETS, WEB]["status"] == {
        "currentNumberScheduled": 3,
        "desiredNumberScheduled": 3,
        "numberMisscheduled": 0,
        "numberReady": 3,
        "numberAvailable": 3,
        "updatedNumberScheduled": 3,
        "observedGeneration": 1,
    }
    cluster.api.create(NODES, node(4))
    cluster.run()
    assert running(cluster) == ["n1", "n2", "n3", "n4"]


def test_the_scheduler_binds_by_an_affinity_for_one_node() -> None:
    (made,) = started(nodes=1).pods(app="web")
    required = made["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    field = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    assert required == {"nodeSelectorTerms": [{"matchFields": [field]}]}
    assert {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"} in made["spec"][
        "tolerations"
    ]
    assert made["metadata"]["labels"]["controller-revision-hash"]


@pytest.mark.parametrize(
    ("spec", "nodes"),
    [
        ({"nodeSelector": {"kubernetes.io/hostname": "n2"}}, ["n2"]),
        ({"nodeSelector": {"no": "where"}}, []),
        ({"nodeName": "n3"}, ["n3"]),
    ],
)
def test_only_nodes_that_the_template_allows(spec: Raw, nodes: list[str]) -> None:
    assert running(started(template=with_pod_spec(**spec))) == nodes


def test_taints_keep_pods_away_or_drive_them_out() -> None:
    cluster = started()
    change(cluster, "n1", taints=[{"key": "k", "effect": "NoSchedule"}])
    assert running(cluster) == ["n1", "n2", "n3"]  # it was there before
    assert cluster.api.objects[DAEMON_SETS, WEB]["status"]["numberMisscheduled"] == 1
    cluster.api.delete(PODS, Key.of(next(each for each in cluster.pods() if each["spec"]["nodeName"] == "n1")))
    cluster.run()
    assert running(cluster) == ["n2", "n3"]
    change(cluster, "n2", taints=[{"key": "k", "effect": "NoExecute"}])
    assert running(cluster) == ["n3"]
    change(cluster, "n2", taints=[])
    assert running(cluster) == ["n2", "n3"]


def test_a_cordoned_node_keeps_and_gets_its_daemon() -> None:
    cluster = started()
    change(cluster, "n1", unschedulable=True)
    cluster.api.delete(PODS, Key.of(cluster.pods()[0]))
    cluster.run()
    assert running(cluster) == ["n1", "n2", "n3"]


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_pods_that_ended_make_room_for_others(phase: str) -> None:
    cluster = started()
    cluster.start(cluster.pods()[0], phase=phase, ready=False)
    cluster.run()
    assert running(cluster) == ["n1", "n2", "n3"]
    assert {each["status"]["phase"] for each in cluster.pods()} == {"Running"}


def test_a_new_template_replaces_one_pod_at_a_time() -> None:
    cluster = started()
    cluster.apply(DAEMON_SETS, workload(DAEMON_SETS), template=template("nginx:2"))
    for _ in range(100):
        busy = cluster.step()
        ready = [
            p
            for p in cluster.pods()
            if p["status"]["phase"] == "Running" and not p["metadata"].get("deletionTimestamp")
        ]
        assert len(ready) >= 2
        if not (cluster.agent() | busy):
            break
    assert {each["spec"]["containers"][0]["image"] for each in cluster.pods()} == {"nginx:2"}
    assert running(cluster) == ["n1", "n2", "n3"]


def test_on_delete_waits_for_somebody_to_delete() -> None:
    cluster = started(updateStrategy={"type": "OnDelete"})
    cluster.apply(DAEMON_SETS, workload(DAEMON_SETS), template=template("nginx:2"))
    cluster.run()
    assert {each["spec"]["containers"][0]["image"] for each in cluster.pods()} == {"nginx"}
    assert "updatedNumberScheduled" not in cluster.api.objects[DAEMON_SETS, WEB]["status"]


def test_a_restart_makes_no_second_pod() -> None:
    cluster = started()
    cluster.restart()
    written = len(cluster.writes)
    cluster.run()
    assert running(cluster) == ["n1", "n2", "n3"] and len(cluster.writes) == written
