"""Create, update, patch: identity, metadata, conflicts, status, scale, binding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from api_world import World, pod, target, workload

from k8sshim.server.status import ApiError

pytestmark = pytest.mark.unit


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@contextmanager
def refused(code: int, reason: str, message: str = ".") -> Iterator[None]:
    with pytest.raises(ApiError, match=message) as raised:
        yield
    assert (raised.value.code, raised.value.status["reason"]) == (code, reason)


def test_a_new_object_gets_its_metadata_and_status(world: World) -> None:
    raw = world.create("Pod", pod("web") | {"status": {"phase": "Running"}})
    metadata = raw["metadata"]
    assert metadata["creationTimestamp"] == "2024-05-06T07:08:09Z"
    assert (metadata["namespace"], metadata["generation"]) == ("default", 1)
    assert metadata["uid"]
    assert metadata["resourceVersion"] == str(world.store.version)
    assert raw["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


def test_a_node_registers_with_its_status(world: World) -> None:
    raw = world.create("Node", {"metadata": {"name": "n1"}, "status": {"addresses": []}})
    assert raw["status"] == {"addresses": []}


def test_generate_name(world: World) -> None:
    named = [world.create("Pod", {**pod(""), "metadata": {"generateName": "web-"}}) for _ in range(2)]
    assert [raw["metadata"]["name"] for raw in named] == ["web-00001", "web-00002"]


def test_what_cannot_be_created(world: World) -> None:
    world.create("Pod", pod("web"))
    with refused(409, "AlreadyExists", 'pods "web" already exists'):
        world.create("Pod", pod("web"))
    with refused(404, "NotFound", 'namespaces "absent" not found'):
        world.create("Pod", pod("web"), namespace="absent")
    with refused(400, "BadRequest", "does not match the namespace"):
        world.create("Pod", {"metadata": {"name": "a", "namespace": "other"}})
    with refused(400, "BadRequest", "kind in the data"):
        world.create("Pod", pod("b") | {"kind": "Service"})
    with refused(400, "BadRequest", "resourceVersion should not be set"):
        world.create("Pod", {"metadata": {"name": "a", "resourceVersion": "1"}})
    with refused(405, "MethodNotAllowed"):
        world.writer.create(target("TokenReview", version="authentication.k8s.io/v1"), {})


def test_an_invalid_object_is_refused_with_a_cause_for_every_problem(world: World) -> None:
    with pytest.raises(ApiError) as raised:
        world.create("Pod", {"metadata": {"name": "Web"}, "spec": {"containers": [{"ports": [{"containerPort": 0}]}]}})
    status = raised.value.status
    assert (status["code"], status["reason"], status["details"]["kind"]) == (422, "Invalid", "Pod")
    fields = {cause["field"] for cause in status["details"]["causes"]}
    assert {"metadata.name", "spec.containers[0].ports[0].containerPort", "spec.containers[0].name"} <= fields
    assert not world.exists("Pod", "Web")


def test_a_dry_run_stores_nothing(world: World) -> None:
    before = world.store.version
    assert world.create("Pod", pod("web"), dry_run=True)["spec"]["restartPolicy"] == "Always"
    assert not world.exists("Pod", "web")
    assert world.store.version == before


def test_a_stale_update_is_a_conflict(world: World) -> None:
    raw = world.create("Deployment", workload("web"))
    world.patch("Deployment", "web", {"metadata": {"labels": {"a": "b"}}})
    with refused(409, "Conflict", 'deployments.apps "web": the object has been modified'):
        world.update("Deployment", raw)
    del raw["metadata"]["resourceVersion"]
    assert world.update("Deployment", raw)["metadata"].get("labels") is None
    with refused(409, "Conflict", "UID in precondition"):
        world.update("Deployment", raw | {"metadata": {"name": "web", "uid": "other"}})
    with refused(404, "NotFound", 'deployments.apps "other" not found'):
        world.update("Deployment", workload("other"))


def test_generation_counts_changes_of_what_is_wanted(world: World) -> None:
    world.create("Deployment", workload("web"))
    assert world.patch("Deployment", "web", {"metadata": {"labels": {"a": "b"}}})["metadata"]["generation"] == 1
    assert world.patch("Deployment", "web", {"spec": {"replicas": 5}})["metadata"]["generation"] == 2
    status = world.patch("Deployment", "web", {"status": {"replicas": 5}}, "status")
    assert (status["metadata"]["generation"], status["status"]) == (2, {"replicas": 5})


def test_a_write_that_changes_nothing_is_no_write(world: World) -> None:
    raw = world.create("Deployment", workload("web"))
    assert world.update("Deployment", workload("web")) == raw
    assert world.patch("Deployment", "web", {}) == raw
    assert world.update("Deployment", raw | {"status": {"replicas": 3}}) == raw


def test_status_and_the_rest_are_written_apart(world: World) -> None:
    raw = world.create("Pod", pod("web"))
    changed = raw | {"status": {"phase": "Running"}, "spec": {}, "metadata": raw["metadata"] | {"labels": {"a": "b"}}}
    stored = world.update("Pod", changed, "status")
    assert (stored["status"], stored["spec"]) == ({"phase": "Running"}, raw["spec"])
    assert "labels" not in stored["metadata"]
    stored = world.update("Pod", stored | {"status": {"phase": "Failed"}})
    assert stored["status"] == {"phase": "Running"}


def test_what_the_server_wrote_into_metadata_stays(world: World) -> None:
    raw = world.create("Pod", pod("web"))
    owned = {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 9, "deletionTimestamp": "2001-01-01T00:00:00Z"}
    stored = world.patch("Pod", "web", {"metadata": owned | {"labels": {"a": "b"}}})
    assert stored["metadata"] == raw["metadata"] | {"labels": {"a": "b"}, "resourceVersion": str(world.store.version)}


def test_immutable_fields(world: World) -> None:
    world.create("Deployment", workload("web"))
    patch = {"selector": {"matchLabels": {"app": "b"}}, "template": {"metadata": {"labels": {"app": "b"}}}}
    with refused(422, "Invalid", "spec.selector: .*field is immutable"):
        world.patch("Deployment", "web", {"spec": patch})
    world.create("Pod", pod("web"))
    world.bind("web", "n1")
    with refused(422, "Invalid", "pod updates may not change fields other than .*; changed: nodeName"):
        world.patch("Pod", "web", {"spec": {"nodeName": "n2"}})


def test_scale_is_a_view_of_the_replicas(world: World) -> None:
    world.create("Deployment", workload("web"))
    stored = world.patch("Deployment", "web", {"spec": {"replicas": 7}}, "scale")
    assert (stored["spec"]["replicas"], stored["metadata"]["generation"]) == (7, 2)
    with refused(422, "Invalid", "spec.replicas: Invalid value: -1"):
        world.patch("Deployment", "web", {"spec": {"replicas": -1}}, "scale")
    with refused(409, "Conflict"):
        world.patch("Deployment", "web", {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}}, "scale")


def test_a_new_pod_brings_no_place_in_the_network_along(world: World) -> None:
    forged = {"podwire.dev/pod-network": '{"addresses": ["10.244.0.2"], "mac": "0a:58:0a:f4:00:02", "port": 18}'}
    metadata = {"name": "web", "annotations": {"note": "mine", **forged}}
    assert world.create("Pod", pod("web") | {"metadata": metadata})["metadata"]["annotations"] == {"note": "mine"}
    metadata = {"name": "bare", "annotations": None}
    assert world.create("Pod", pod("bare") | {"metadata": metadata})


def test_a_binding_brings_node_and_annotations_in_one_write(world: World) -> None:
    world.create("Pod", pod("web"))
    before = world.store.version
    body = {"metadata": {"annotations": {"podwire.dev/pod-network": "{}"}}, "target": {"kind": "Node", "name": "n1"}}
    world.writer.bind(target("Pod", "web"), body)
    bound = world.get("Pod", "web")
    assert world.store.version == before + 1
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["metadata"]["annotations"] == {"podwire.dev/pod-network": "{}"}
    assert [(c["type"], c["status"]) for c in bound["status"]["conditions"]] == [("PodScheduled", "True")]
    with refused(409, "Conflict", 'already assigned to node "n1"'):
        world.bind("web", "n2")
    with refused(404, "NotFound"):
        world.bind("absent")


def test_an_event_is_served_in_both_of_its_versions(world: World) -> None:
    regarding = {"kind": "Pod", "name": "web", "namespace": "default"}
    raw = {"metadata": {"name": "e1"}, "regarding": regarding, "note": "pulled", "reason": "Pulled", "type": "Normal"}
    raw |= {
        "eventTime": "2024-05-06T07:08:09.000000Z",
        "reportingController": "x",
        "reportingInstance": "y",
        "action": "z",
    }
    world.writer.create(target("Event", version="events.k8s.io/v1"), raw)
    stored = world.get("Event", "e1")
    assert (stored["apiVersion"], stored["involvedObject"], stored["message"]) == ("v1", regarding, "pulled")
