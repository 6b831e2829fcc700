"""StatefulSets on a cluster in memory: names, order, scaling, updates."""

from __future__ import annotations

from typing import Any

import pytest
from fake_api import Cluster, pod, template, workload

from k8sshim.client import PODS, STATEFUL_SETS
from k8sshim.controllers.stateful import CLAIMS
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.unit
WEB = Key("default", "web")


def started(**spec: Any) -> Cluster:
    cluster = Cluster()
    cluster.apply(STATEFUL_SETS, workload(STATEFUL_SETS, serviceName="db", **spec))
    cluster.run()
    return cluster


def names(cluster: Cluster) -> list[str]:
    return [each["metadata"]["name"] for each in cluster.pods(app="web")]


def status(cluster: Cluster) -> Raw:
    raw: Raw = cluster.api.objects[STATEFUL_SETS, WEB]["status"]
    return raw


def test_names_labels_and_status() -> None:
    cluster = started(replicas=3)
    assert names(cluster) == ["web-0", "web-1", "web-2"]
    made = cluster.pods()[1]
    labels = made["metadata"]["labels"]
    assert labels["statefulset.kubernetes.io/pod-name"] == "web-1"
    assert labels["apps.kubernetes.io/pod-index"] == "1"
    assert (made["spec"]["hostname"], made["spec"]["subdomain"]) == ("web-1", "db")
    counts = {name: value for name, value in status(cluster).items() if name.endswith("Replicas") or name == "replicas"}
    assert set(counts.values()) == {3} and len(counts) == 5
    assert status(cluster)["currentRevision"] == status(cluster)["updateRevision"] == labels["controller-revision-hash"]


def test_each_waits_until_the_one_before_is_ready() -> None:
    cluster = Cluster()
    cluster.starts = lambda each: each["metadata"]["name"] != "web-1"
    cluster.apply(STATEFUL_SETS, workload(STATEFUL_SETS, replicas=3))
    cluster.run()
    assert names(cluster) == ["web-0", "web-1"]
    cluster.starts = lambda each: True
    cluster.run()
    assert names(cluster) == ["web-0", "web-1", "web-2"]


def test_parallel_waits_for_none() -> None:
    cluster = Cluster()
    cluster.starts = lambda each: False
    cluster.apply(STATEFUL_SETS, workload(STATEFUL_SETS, replicas=3, podManagementPolicy="Parallel"))
    cluster.run()
    assert names(cluster) == ["web-0", "web-1", "web-2"]


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
def test_scales_down_from_the_top(policy: str) -> None:
    cluster = started(replicas=4, podManagementPolicy=policy)
    cluster.apply(STATEFUL_SETS, workload(STATEFUL_SETS), replicas=1)
    while cluster.step():
        pass
    ending = [each["metadata"]["name"] for each in cluster.pods() if each["metadata"].get("deletionTimestamp")]
    assert ending == (["web-3"] if policy == "OrderedReady" else ["web-1", "web-2", "web-3"])
    cluster.run()
    assert names(cluster) == ["web-0"]


@pytest.mark.parametrize("end", ["delete", "Failed"])
def test_a_pod_that_ended_comes_back_under_its_name(end: str) -> None:
    cluster = started(replicas=2)
    first = cluster.pods()[0]
    if end == "delete":
        cluster.api.delete(PODS, Key.of(first))
    else:
        cluster.start(first, phase="Failed", ready=False)
    cluster.run()
    assert names(cluster) == ["web-0", "web-1"]
    assert cluster.pods()[0]["metadata"]["uid"] != first["metadata"]["uid"]


def test_ordinals_may_start_elsewhere() -> None:
    assert names(started(replicas=2, ordinals={"start": 5})) == ["web-5", "web-6"]


def test_an_update_goes_from_the_last_to_the_first_each_when_the_one_behind_is_ready() -> None:
    cluster = started(replicas=3)
    cluster.starts = lambda each: each["metadata"]["name"] != "web-1"
    cluster.apply(STATEFUL_SETS, workload(STATEFUL_SETS), template=template("nginx:2"))
    cluster.run()
    images = [each["spec"]["containers"][0]["image"] for each in cluster.pods()]
    assert images == ["nginx", "nginx:2", "nginx:2"]
    assert (status(cluster)["currentReplicas"], status(cluster)["updatedReplicas"]) == (1, 2)
    cluster.starts = lambda each: True
    cluster.run()
    assert {each["spec"]["containers"][0]["image"] for each in cluster.pods()} == {"nginx:2"}
    assert status(cluster)["currentRevision"] == status(cluster)["updateRevision"]


@pytest.mark.parametrize(
    ("strategy", "updated"),
    [
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}, ["web-2"]),
        ({"type": "OnDelete"}, []),
    ],
)
def test_partition_and_on_delete_hold_back(strategy: Raw, updated: list[str]) -> None:
    cluster = started(replicas=3, updateStrategy=strategy)
    cluster.apply(STATEFUL_SETS, workload(STATEFUL_SETS), template=template("nginx:2"))
    cluster.run()
    found = [each["metadata"]["name"] for each in cluster.pods() if each["spec"]["containers"][0]["image"] == "nginx:2"]
    assert found == updated


def test_claims_are_stored_and_outlive_their_pods() -> None:
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    cluster = started(replicas=2, volumeClaimTemplates=[claim])
    claims = {each["metadata"]["name"]: each for each in cluster.api.list(CLAIMS)[0]}
    assert sorted(claims) == ["data-web-0", "data-web-1"]
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}}
    assert cluster.pods()[0]["spec"]["volumes"] == [volume]
    cluster.api.delete(PODS, Key("default", "web-0"))
    cluster.run()
    again = {each["metadata"]["name"]: each for each in cluster.api.list(CLAIMS)[0]}
    assert names(cluster) == ["web-0", "web-1"] and again == claims


def test_a_stranger_of_that_name_is_left_alone_and_waited_for() -> None:
    cluster = Cluster()
    cluster.api.create(PODS, pod("web-0", {"app": "stranger"}))
    cluster.apply(STATEFUL_SETS, workload(STATEFUL_SETS, replicas=1))
    cluster.run()
    assert names(cluster) == []
    cluster.api.delete(PODS, Key("default", "web-0"))
    cluster.run()
    cluster.restart()
    cluster.run()
    assert names(cluster) == ["web-0"]
