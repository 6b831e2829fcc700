"""ReplicaSets and ReplicationControllers on a cluster in memory."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from fake_api import READY, START, Cluster, pod, template, workload

from k8sshim.client import PODS, REPLICA_SETS, REPLICATION_CONTROLLERS
from k8sshim.controllers.pods import format_time
from k8sshim.controllers.replicas import surplus
from k8sshim.controllers.writes import Create
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.unit
WEB = Key("default", "web")


def test_makes_as_many_pods_as_asked_for_and_says_so() -> None:
    cluster = Cluster()
    cluster.apply(REPLICA_SETS, workload(REPLICA_SETS, replicas=3))
    cluster.run()
    pods = cluster.pods(app="web")
    assert len(pods) == 3
    assert all(re.fullmatch("web-[bcdfghjklmnpqrstvwxz2456789]{5}", each["metadata"]["name"]) for each in pods)
    (owner,) = pods[0]["metadata"]["ownerReferences"]
    assert owner["kind"] == "ReplicaSet" and owner["name"] == "web" and owner["controller"] is True
    assert cluster.api.objects[REPLICA_SETS, WEB]["status"] == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "observedGeneration": 1,
    }


def test_a_replication_controller_works_the_same_with_its_label_map() -> None:
    cluster = Cluster()
    spec = {"selector": {"app": "web"}, "template": template(), "replicas": 2}
    cluster.apply(REPLICATION_CONTROLLERS, {**workload(REPLICATION_CONTROLLERS), "spec": spec})
    cluster.run()
    assert len(cluster.pods(app="web")) == 2
    assert cluster.api.objects[REPLICATION_CONTROLLERS, WEB]["status"]["readyReplicas"] == 2


@pytest.mark.parametrize("sizes", [(3, 5, 1), (1, 0, 2), (0, 40, 39)])
def test_scales_up_and_down(sizes: tuple[int, ...]) -> None:
    cluster = Cluster()
    for size in sizes:
        cluster.apply(REPLICA_SETS, workload(REPLICA_SETS), replicas=size)
        cluster.run()
        assert len(cluster.pods(app="web")) == size
        assert cluster.api.objects[REPLICA_SETS, WEB]["status"]["replicas"] == size


@pytest.mark.parametrize("end", ["delete", "Failed"])
def test_what_ended_is_replaced(end: str) -> None:
    cluster = Cluster()
    cluster.apply(REPLICA_SETS, workload(REPLICA_SETS, replicas=2))
    cluster.run()
    first = cluster.pods(app="web")[0]
    if end == "delete":
        cluster.api.delete(PODS, Key.of(first))
    else:
        cluster.start(first, phase="Failed", ready=False)
    cluster.run()
    running = [each for each in cluster.pods(app="web") if each["status"]["phase"] == "Running"]
    assert len(running) == 2 and first["metadata"]["name"] not in {each["metadata"]["name"] for each in running}


def test_a_pod_on_its_way_out_has_its_successor_before_it_is_gone() -> None:
    cluster = Cluster()
    cluster.apply(REPLICA_SETS, workload(REPLICA_SETS, replicas=1))
    cluster.run()
    cluster.api.delete(PODS, Key.of(cluster.pods(app="web")[0]))
    while cluster.step():  # the agent does nothing
        pass
    assert len(cluster.pods(app="web")) == 2


def test_adopts_what_matches_and_releases_what_does_not() -> None:
    cluster = Cluster()
    cluster.api.create(PODS, pod("orphan", {"app": "web"}))
    cluster.apply(REPLICA_SETS, workload(REPLICA_SETS, replicas=2))
    cluster.run()
    assert len(cluster.pods(app="web")) == 2
    orphan = cluster.api.objects[PODS, Key("default", "orphan")]
    assert [each["name"] for each in orphan["metadata"]["ownerReferences"]] == ["web"]
    cluster.api.patch(PODS, Key("default", "orphan"), {"metadata": {"labels": {"app": "debugged"}}})
    cluster.run()
    assert cluster.api.objects[PODS, Key("default", "orphan")]["metadata"]["ownerReferences"] == []
    assert len(cluster.pods(app="web")) == 2


def test_two_that_select_alike_do_not_steal_from_each_other() -> None:
    cluster = Cluster()
    for name in ("one", "two"):
        raw = workload(REPLICA_SETS, "web", replicas=2)
        raw["metadata"]["name"] = name
        cluster.apply(REPLICA_SETS, raw)
    cluster.run()
    owners = [each["metadata"]["ownerReferences"][0]["name"] for each in cluster.pods(app="web")]
    assert sorted(owners) == ["one", "one", "two", "two"]


def test_begins_anew_at_any_point_without_a_pod_too_many() -> None:
    """The process is killed after each single write of a scale-up, and each time begins with what the API says."""
    for stop_after in range(1, 12):
        cluster = Cluster(nodes=1)
        cluster.apply(REPLICA_SETS, workload(REPLICA_SETS, replicas=4))
        create, left = cluster.api.create, [stop_after]

        def dying(resource: object, raw: Raw, create=create, left=left) -> Raw:  # type: ignore[no-untyped-def]
            left[0] -= 1
            if left[0] < 0:
                raise SystemExit
            return create(resource, raw)  # type: ignore[no-any-return]

        cluster.api.create = dying  # type: ignore[method-assign]
        try:
            cluster.run()
        except SystemExit:
            cluster.api.create = create  # type: ignore[method-assign]
            cluster.restart()
            cluster.run()
        assert len(cluster.pods(app="web")) == 4
        assert len([each for each in cluster.writes if isinstance(each, Create) and each.resource == PODS]) <= 5


def test_min_ready_seconds_pass_before_a_pod_is_available() -> None:
    cluster = Cluster()
    cluster.apply(REPLICA_SETS, workload(REPLICA_SETS, replicas=1, minReadySeconds=30))
    cluster.run()
    assert "availableReplicas" not in cluster.api.objects[REPLICA_SETS, WEB]["status"]
    cluster.pass_time(30)
    cluster.restart()
    cluster.run()
    assert cluster.api.objects[REPLICA_SETS, WEB]["status"]["availableReplicas"] == 1


def of(
    name: str,
    node: str = "n1",
    phase: str = "Running",
    ready_for_s: float | None = 60,
    annotations: dict[str, str] | None = None,
) -> Raw:
    since = format_time(START - timedelta(seconds=ready_for_s or 0))
    conditions = [] if ready_for_s is None else [{**READY, "lastTransitionTime": since}]
    created = {"name": name, "creationTimestamp": format_time(START), "annotations": annotations or {}}
    return {"metadata": created, "spec": {"nodeName": node}, "status": {"phase": phase, "conditions": conditions}}


COST = {"controller.kubernetes.io/pod-deletion-cost": "-5"}


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (of("a", node=""), of("b", phase="Pending")),
        (of("a", phase="Pending", ready_for_s=None), of("b", ready_for_s=None)),
        (of("a", ready_for_s=None), of("b")),
        (of("a", annotations=COST), of("b")),
        (of("a", ready_for_s=10), of("b", ready_for_s=60)),
    ],
)
def test_pods_of_less_use_go_first(less: Raw, more: Raw) -> None:
    assert surplus([more, less], 1, START) == [less]


def test_of_equals_goes_one_where_most_are() -> None:
    pods = [of("a", "n1"), of("b", "n2"), of("c", "n2")]
    assert surplus(pods, 1, START)[0]["spec"]["nodeName"] == "n2"
