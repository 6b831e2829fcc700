"""How far a cluster has come, from its objects."""

from __future__ import annotations

from typing import Any

import pytest

from k8sshim.objects import Key, Raw
from lab.readiness import pod_reason, pods_described, survey, within

pytestmark = pytest.mark.unit


def pod(name: str, *, ready: bool = True, owner: str = "", **status: Any) -> Raw:
    metadata: Raw = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    if owner:
        metadata["ownerReferences"] = [{"uid": owner, "controller": True}]
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": conditions, **status}}


def workload(kind: str, name: str, replicas: int | None, owner: str = "", status: Raw | None = None) -> Raw:
    metadata: Raw = {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1}
    if owner:
        metadata["ownerReferences"] = [{"uid": owner, "controller": True}]
    spec = {} if replicas is None else {"replicas": replicas}
    return {"kind": kind, "metadata": metadata, "spec": spec, "status": status or {}}


def deployment(name: str, replicas: int, ready: int, generation: int = 1) -> Raw:
    counts = {"replicas": replicas, "updatedReplicas": replicas, "readyReplicas": ready}
    return workload("Deployment", name, replicas, status={"observedGeneration": generation, **counts})


def node(name: str, ready: bool) -> Raw:
    return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}


def test_an_empty_cluster_waits_for_its_nodes_alone() -> None:
    now = survey({"Node": [node("a", True), node("b", False)]})
    assert (now.nodes_ready, now.pods_expected) == (1, 0)
    assert now.complete(1)
    assert not now.complete(2)


def test_pods_of_a_deployment_are_expected_before_they_exist() -> None:
    now = survey({"Deployment": [deployment("web", 3, 0)]})
    assert (now.pods_ready, now.pods_expected, now.complete(0)) == (0, 3, False)


def test_a_deployment_is_complete_when_its_status_says_so_for_its_generation() -> None:
    pods = [pod(f"p{number}", owner="rs") for number in range(2)]
    assert survey({"Deployment": [deployment("web", 2, 2)], "Pod": pods}).complete(0)
    assert not survey({"Deployment": [deployment("web", 2, 2, generation=0)], "Pod": pods}).complete(0)
    assert not survey({"Deployment": [deployment("web", 2, 1)], "Pod": pods}).complete(0)


def test_a_deployment_in_the_middle_of_a_rollout_is_not_complete() -> None:
    rolling = deployment("web", 2, 2)
    rolling["status"] |= {"updatedReplicas": 1, "replicas": 3}
    assert not survey({"Deployment": [rolling], "Pod": [pod(f"p{n}", owner="rs") for n in range(3)]}).complete(0)


def test_replicas_default_to_one_and_zero_is_zero() -> None:
    settled = {"observedGeneration": 1, "replicas": 0, "readyReplicas": 0}
    assert survey({"ReplicaSet": [workload("ReplicaSet", "a", None)]}).pods_expected == 1
    none = survey({"ReplicaSet": [workload("ReplicaSet", "a", 0, status=settled)]})
    assert (none.pods_expected, none.complete(0)) == (0, True)


def test_a_daemon_set_expects_what_its_controller_counted() -> None:
    status = {"observedGeneration": 1, "desiredNumberScheduled": 3, "numberReady": 2}
    now = survey({"DaemonSet": [workload("DaemonSet", "d", None, status=status)]})
    assert (now.pods_expected, now.unsettled) == (3, 1)


def test_a_pod_that_did_its_work_counts_as_ready_and_one_on_its_way_out_not_at_all() -> None:
    leaving = pod("leaving", ready=False)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    now = survey({"Pod": [pod("done", ready=False, phase="Succeeded"), leaving]})
    assert (now.pods_ready, now.pods_expected, now.complete(0)) == (1, 1, True)


def test_within_keeps_what_was_applied_and_what_that_owns() -> None:
    objects = {
        "Deployment": [deployment("web", 1, 1), deployment("other", 1, 0)],
        "ReplicaSet": [workload("ReplicaSet", "web-1", 1, owner="uid-web")],
        "Pod": [pod("web-1-a", owner="uid-web-1"), pod("stray"), pod("wanted")],
    }
    kept = within(objects, {("Deployment", Key("default", "web")), ("Pod", Key("default", "wanted"))})
    names = {kind: [raw["metadata"]["name"] for raw in raws] for kind, raws in kept.items() if raws}
    assert names == {"Deployment": ["web"], "ReplicaSet": ["web-1"], "Pod": ["web-1-a", "wanted"]}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3\n x"}
                ]
            },
            "Unschedulable: 0/3 x",
        ),
        (
            {
                "containerStatuses": [
                    {"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "m"}}}
                ]
            },
            "container c: CrashLoopBackOff: m",
        ),
        (
            {
                "initContainerStatuses": [
                    {"name": "i", "ready": True, "state": {"terminated": {"reason": "Completed"}}}
                ],
                "containerStatuses": [{"name": "c", "state": {"terminated": {"reason": "Error"}}}],
            },
            "container c: Error",
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "gone"}, "Evicted: gone"),
        ({"conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]}, "ContainersNotReady"),
        ({}, "pending"),
    ],
)
def test_why_a_pod_is_not_ready(status: Raw, reason: str) -> None:
    assert pod_reason({"metadata": {"name": "p"}, "status": status}) == reason


def test_manifests_tell_how_many_pods_there_will_be() -> None:
    objects = [
        {"kind": "Pod"},
        {"kind": "Deployment", "spec": {"replicas": 4}},
        {"kind": "StatefulSet", "spec": {}},
        {"kind": "DaemonSet", "spec": {}},
        {"kind": "Service", "spec": {"replicas": 9}},
    ]
    assert pods_described(objects, nodes=3) == 1 + 4 + 1 + 3
