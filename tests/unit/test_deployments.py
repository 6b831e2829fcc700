"""Deployments on a cluster in memory: rollouts, history, status."""

from __future__ import annotations

from typing import Any

import pytest
from fake_api import Cluster, template, workload

from k8sshim.client import DEPLOYMENTS, PODS, REPLICA_SETS
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.unit
WEB = Key("default", "web")
REVISION = "deployment.kubernetes.io/revision"


def deployed(**spec: Any) -> Cluster:
    cluster = Cluster()
    cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS, **spec))
    cluster.run()
    return cluster


def status(cluster: Cluster) -> Raw:
    raw: Raw = cluster.api.objects[DEPLOYMENTS, WEB]["status"]
    return raw


def condition(cluster: Cluster, kind: str) -> tuple[str, str]:
    return next((c["status"], c["reason"]) for c in status(cluster)["conditions"] if c["type"] == kind)


def sets(cluster: Cluster) -> dict[str, Raw]:
    """ReplicaSets by revision."""
    return {each["metadata"]["annotations"][REVISION]: each for each in cluster.api.list(REPLICA_SETS)[0]}


def images(cluster: Cluster) -> list[str]:
    return sorted(each["spec"]["containers"][0]["image"] for each in cluster.pods(app="web"))


def test_a_deployment_has_a_replica_set_with_the_hash_of_its_template() -> None:
    cluster = deployed(replicas=3)
    (made,) = cluster.api.list(REPLICA_SETS)[0]
    digest = made["metadata"]["labels"]["pod-template-hash"]
    assert made["metadata"]["name"] == f"web-{digest}"
    assert made["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": digest}
    assert made["metadata"]["annotations"] == {
        REVISION: "1",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    pods = cluster.pods(app="web")
    assert {each["metadata"]["labels"]["pod-template-hash"] for each in pods} == {digest}
    assert all(each["metadata"]["name"].startswith(f"web-{digest}-") for each in pods)


def test_status_when_all_is_well() -> None:
    cluster = deployed(replicas=3)
    counts = {name: value for name, value in status(cluster).items() if name != "conditions"}
    assert counts == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
    }
    assert condition(cluster, "Available") == ("True", "MinimumReplicasAvailable")
    assert condition(cluster, "Progressing") == ("True", "NewReplicaSetAvailable")
    assert cluster.api.objects[DEPLOYMENTS, WEB]["metadata"]["annotations"][REVISION] == "1"


@pytest.mark.parametrize("strategy", [{"type": "RollingUpdate"}, {"type": "Recreate"}])
def test_a_new_template_replaces_all_pods(strategy: Raw) -> None:
    cluster = deployed(replicas=4, strategy=strategy)
    cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS), template=template("nginx:2"))
    cluster.run()
    assert images(cluster) == ["nginx:2"] * 4
    assert {revision: each["spec"]["replicas"] for revision, each in sets(cluster).items()} == {"1": 0, "2": 4}
    assert condition(cluster, "Progressing") == ("True", "NewReplicaSetAvailable")
    assert status(cluster)["updatedReplicas"] == 4


def test_a_rolling_update_keeps_its_bounds_at_every_step() -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
    cluster = deployed(replicas=5, strategy=rolling)
    cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS), template=template("nginx:2"))
    for _ in range(100):
        busy = cluster.step()
        ready = [each for each in cluster.pods() if each["status"]["phase"] == "Running" and not _ends(each)]
        alive = [each for each in cluster.pods() if not _ends(each)]
        assert len(ready) >= 4 and len(alive) <= 6
        if not (cluster.agent() | busy):
            break
    assert images(cluster) == ["nginx:2"] * 5


def _ends(pod: Raw) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def test_recreate_begins_when_the_last_old_pod_is_gone() -> None:
    cluster = deployed(replicas=3, strategy={"type": "Recreate"})
    cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS), template=template("nginx:2"))
    for _ in range(100):
        busy = cluster.step()
        assert len(set(images(cluster))) <= 1
        if not (cluster.agent() | busy):
            break
    assert images(cluster) == ["nginx:2"] * 3


def test_a_template_that_never_gets_ready_leaves_the_old_pods_serving() -> None:
    cluster = deployed(replicas=4)
    cluster.starts = lambda pod: pod["spec"]["containers"][0]["image"] != "broken"
    cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS), template=template("broken"))
    cluster.run()
    assert images(cluster) == ["broken"] * 2 + ["nginx"] * 3
    assert status(cluster)["unavailableReplicas"] == 2
    assert condition(cluster, "Available") == ("True", "MinimumReplicasAvailable")
    assert condition(cluster, "Progressing")[0] == "True"
    cluster.pass_time(601)
    cluster.restart()
    cluster.run()
    assert condition(cluster, "Progressing") == ("False", "ProgressDeadlineExceeded")


def test_an_old_template_that_comes_back_is_its_old_replica_set_with_a_new_revision() -> None:
    cluster = deployed(replicas=2)
    for image in ("nginx:2", "nginx"):
        cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS), template=template(image))
        cluster.run()
    assert {revision: each["spec"]["replicas"] for revision, each in sets(cluster).items()} == {"2": 0, "3": 2}
    assert cluster.api.objects[DEPLOYMENTS, WEB]["metadata"]["annotations"][REVISION] == "3"


def test_a_roll_back_as_kubectl_writes_it_finds_the_old_replica_set() -> None:
    """Its types write `creationTimestamp: null` into the template (`kubectl rollout undo`)."""
    cluster = deployed(replicas=1)
    cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS), template=template("nginx:2"))
    cluster.run()
    undone = template("nginx")
    undone["metadata"]["creationTimestamp"] = None
    cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS), template=undone)
    cluster.run()
    assert {revision: each["spec"]["replicas"] for revision, each in sets(cluster).items()} == {"2": 0, "3": 1}


@pytest.mark.parametrize(("limit", "kept"), [(None, 11), (2, 3), (0, 1)])
def test_history_is_kept_to_its_limit(limit: int | None, kept: int) -> None:
    cluster = deployed(replicas=1, **({} if limit is None else {"revisionHistoryLimit": limit}))
    for number in range(12):
        cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS), template=template(f"nginx:{number}"))
        cluster.run()
    assert sorted(sets(cluster), key=int) == [str(number) for number in range(14 - kept, 14)]


@pytest.mark.parametrize("sizes", [(1, 6, 2), (3, 0, 3)])
def test_scales_without_a_rollout(sizes: tuple[int, ...]) -> None:
    cluster = deployed(replicas=sizes[0])
    for size in sizes[1:]:
        cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS), replicas=size)
        cluster.run()
        assert len(cluster.pods(app="web")) == size
        assert status(cluster)["observedGeneration"] == cluster.api.objects[DEPLOYMENTS, WEB]["metadata"]["generation"]
    assert list(sets(cluster)) == ["1"]


def test_a_paused_deployment_scales_and_does_not_roll_out() -> None:
    cluster = deployed(replicas=2)
    cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS), paused=True, replicas=3, template=template("nginx:2"))
    cluster.run()
    assert images(cluster) == ["nginx"] * 3
    assert condition(cluster, "Progressing") == ("Unknown", "DeploymentPaused")
    cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS), paused=False)
    cluster.run()
    assert images(cluster) == ["nginx:2"] * 3


def test_a_pod_that_fails_later_is_no_rollout() -> None:
    cluster = deployed(replicas=2)
    cluster.start(cluster.pods(app="web")[0], ready=False)
    cluster.pass_time(1000)
    cluster.run()
    assert condition(cluster, "Progressing") == ("True", "NewReplicaSetAvailable")
    assert status(cluster)["readyReplicas"] == 1


def test_a_name_that_is_taken_is_passed_over() -> None:
    other = deployed(replicas=1)
    (twin,) = other.api.list(REPLICA_SETS)[0]
    cluster = Cluster()
    cluster.api.create(REPLICA_SETS, {**twin, "metadata": {"name": twin["metadata"]["name"], "namespace": "default"}})
    cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS, replicas=2))
    cluster.run()
    assert status(cluster)["availableReplicas"] == 2
    assert len(cluster.api.list(REPLICA_SETS)[0]) == 2


def test_what_is_deleted_stays_deleted() -> None:
    cluster = deployed(replicas=2)
    cluster.api.delete(DEPLOYMENTS, WEB)
    cluster.run()
    assert not cluster.api.list(REPLICA_SETS)[0] and not cluster.api.list(PODS)[0]


def test_what_an_orphaning_deletion_left_is_adopted_by_the_next_deployment() -> None:
    """ "kubectl delete --cascade=orphan", and the manifest applied again: the pods stay, and so does the history."""
    cluster = deployed(replicas=2)
    cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS), template=template("nginx:2"))
    cluster.run()
    before = sets(cluster)
    pods = {each["metadata"]["name"] for each in cluster.pods(app="web")}
    for each in before.values():
        cluster.api.patch(REPLICA_SETS, Key.of(each), {"metadata": {"ownerReferences": []}})
    cluster.api.delete(DEPLOYMENTS, WEB)
    cluster.apply(DEPLOYMENTS, workload(DEPLOYMENTS, replicas=2, template=template("nginx:2")))
    cluster.run()
    uid = cluster.api.objects[DEPLOYMENTS, WEB]["metadata"]["uid"]
    after = sets(cluster)
    assert {key: each["metadata"]["name"] for key, each in after.items()} == {
        key: each["metadata"]["name"] for key, each in before.items()
    }
    assert {owner["uid"] for each in after.values() for owner in each["metadata"]["ownerReferences"]} == {uid}
    assert {each["metadata"]["name"] for each in cluster.pods(app="web")} == pods
