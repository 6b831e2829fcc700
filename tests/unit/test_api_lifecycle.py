"""How objects end: graceful deletion, finalizers, dependants, namespaces; and going on after a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from api_world import World, pod, target, workload

from k8sshim.server.status import ApiError

pytestmark = pytest.mark.unit


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.create("Node", {"metadata": {"name": "n1"}})
    return world


def owned_pod(name: str, *owners: dict[str, Any]) -> dict[str, Any]:
    raw = pod(name)
    raw["metadata"]["ownerReferences"] = [
        {"apiVersion": o["apiVersion"], "kind": o["kind"], "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]}
        for o in owners
    ]
    return raw


def test_a_pod_that_runs_is_given_time_and_goes_when_its_agent_says_so(world: World) -> None:
    world.create("Pod", pod("web"))
    world.bind("web")
    world.delete("Pod", "web")
    metadata = world.get("Pod", "web")["metadata"]
    assert metadata["deletionTimestamp"] == "2024-05-06T07:08:39Z"
    assert metadata["deletionGracePeriodSeconds"] == 30
    version = world.store.version
    world.delete("Pod", "web")
    assert world.store.version == version, "a second deletion changes nothing"
    world.delete("Pod", "web", grace_period_s=5)
    assert world.get("Pod", "web")["metadata"]["deletionTimestamp"] == "2024-05-06T07:08:14Z"
    world.patch("Pod", "web", {"status": {"phase": "Running"}}, "status")
    assert world.exists("Pod", "web"), "a status written meanwhile does not end it"
    world.delete("Pod", "web", grace_period_s=0)
    assert not world.exists("Pod", "web")


def test_a_grace_beyond_the_calendar_is_told_as_a_far_moment(world: World) -> None:
    world.create("Pod", pod("web"))
    world.bind("web")
    world.delete("Pod", "web", grace_period_s=2**62)
    metadata = world.get("Pod", "web")["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == 2**62 and metadata["deletionTimestamp"].startswith("2092-")


@pytest.mark.parametrize("phase", ["unscheduled", "Succeeded", "Failed"])
def test_a_pod_that_does_not_run_goes_at_once(world: World, phase: str) -> None:
    world.create("Pod", pod("web"))
    if phase != "unscheduled":
        world.bind("web")
        world.patch("Pod", "web", {"status": {"phase": phase}}, "status")
    world.delete("Pod", "web")
    assert not world.exists("Pod", "web")


def test_a_pod_on_a_node_that_does_not_exist_goes_at_once(world: World) -> None:
    world.create("Pod", pod("web"))
    world.bind("web", "no-such-node")
    world.delete("Pod", "web")
    assert not world.exists("Pod", "web")


def test_the_time_is_what_the_pod_or_the_client_says(world: World) -> None:
    for name, grace in (("a", 7), ("b", 0)):
        world.create("Pod", pod(name, terminationGracePeriodSeconds=grace))
        world.bind(name)
        world.delete("Pod", name)
    assert world.get("Pod", "a")["metadata"]["deletionGracePeriodSeconds"] == 7
    assert not world.exists("Pod", "b")


def test_finalizers_hold_an_object(world: World) -> None:
    world.create("ConfigMap", {"metadata": {"name": "c", "finalizers": ["example.com/hold"]}})
    world.delete("ConfigMap", "c")
    assert world.get("ConfigMap", "c")["metadata"]["deletionTimestamp"]
    world.patch("ConfigMap", "c", {"metadata": {"finalizers": None}})
    assert not world.exists("ConfigMap", "c")


def test_preconditions_of_a_deletion(world: World) -> None:
    world.create("ConfigMap", {"metadata": {"name": "c"}})
    for condition in ({"uid": "other"}, {"resource_version": "1"}):
        with pytest.raises(ApiError) as raised:
            world.delete("ConfigMap", "c", **condition)
        assert raised.value.code == 409
    world.delete("ConfigMap", "c", dry_run=True)
    assert world.exists("ConfigMap", "c")


def family(world: World) -> None:
    """A Deployment with a ReplicaSet with two pods, and one of these shared with another ReplicaSet."""
    deployment = world.create("Deployment", workload("web"))
    first = world.create("ReplicaSet", owned(workload("web-1"), deployment))
    other = world.create("ReplicaSet", workload("other"))
    world.create("Pod", owned_pod("mine", first))
    world.create("Pod", owned_pod("shared", first, other))
    world.run()


def owned(raw: dict[str, Any], owner: dict[str, Any]) -> dict[str, Any]:
    raw["metadata"]["ownerReferences"] = owned_pod("x", owner)["metadata"]["ownerReferences"]
    return raw


def left(world: World) -> set[str]:
    return {record.key.name for record in world.store.in_namespace("default")}


def test_background_deletion_takes_the_dependants_along(world: World) -> None:
    family(world)
    world.delete("Deployment", "web")
    assert left(world) == {"web-1", "other", "mine", "shared"}
    world.run()
    assert left(world) == {"other", "shared"}


def test_orphaned_dependants_stay_without_their_owner(world: World) -> None:
    family(world)
    world.delete("Deployment", "web", propagation="Orphan")
    world.run()
    assert left(world) == {"web-1", "other", "mine", "shared"}
    assert "ownerReferences" not in world.get("ReplicaSet", "web-1")["metadata"]


def test_foreground_deletion_takes_the_dependants_first(world: World) -> None:
    owner = world.create("ReplicaSet", workload("web"))
    world.create("Pod", owned_pod("runs", owner))
    world.bind("runs")
    world.delete("ReplicaSet", "web", propagation="Foreground")
    world.run()
    assert world.get("ReplicaSet", "web")["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert world.get("Pod", "runs")["metadata"]["deletionTimestamp"]
    world.delete("Pod", "runs", grace_period_s=0)
    world.run()
    assert left(world) == set()


def test_a_dependant_of_what_is_gone_already_follows_it(world: World) -> None:
    owner = world.create("ReplicaSet", workload("web"))
    world.delete("ReplicaSet", "web")
    world.create("Pod", owned_pod("late", owner))
    world.run()
    assert left(world) == set()


def test_a_namespace_goes_with_its_objects(world: World) -> None:
    world.create("Namespace", {"metadata": {"name": "team"}})
    world.create("ConfigMap", {"metadata": {"name": "c"}}, namespace="team")
    world.create("Pod", pod("runs"), namespace="team")
    world.writer.bind(target("Pod", "runs", "team"), {"target": {"name": "n1"}})
    world.delete("Namespace", "team", "")
    world.run()
    assert world.get("Namespace", "team")["status"]["phase"] == "Terminating"
    assert not world.exists("ConfigMap", "c", "team")
    with pytest.raises(ApiError, match="team is being terminated") as raised:
        world.create("ConfigMap", {"metadata": {"name": "late"}}, namespace="team")
    assert raised.value.code == 403
    world.delete("Pod", "runs", "team", grace_period_s=0)
    world.run()
    assert not world.exists("Namespace", "team")


def test_an_empty_namespace_goes_at_once_and_the_systems_own_never(world: World) -> None:
    world.create("Namespace", {"metadata": {"name": "empty"}})
    world.delete("Namespace", "empty", "")
    world.run()
    assert not world.exists("Namespace", "empty")
    with pytest.raises(ApiError, match="this namespace may not be deleted"):
        world.delete("Namespace", "default", "")


def test_a_server_that_was_killed_goes_on_with_what_it_had_begun(tmp_path: Path) -> None:
    world = World(tmp_path)
    family(world)
    world.create("Namespace", {"metadata": {"name": "team"}})
    world.create("ConfigMap", {"metadata": {"name": "c"}}, namespace="team")
    world.delete("Deployment", "web")
    world.delete("Namespace", "team", "")
    world.store.close()  # what was deferred is lost
    again = World(tmp_path)
    again.lifecycle.resume()
    again.run()
    assert left(again) == {"other", "shared"}
    assert not again.exists("Namespace", "team")
