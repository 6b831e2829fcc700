"""Server-side apply: who owns which fields, conflicts, and what goes when nobody wants it any more.

Expectations are those of https://kubernetes.io/docs/reference/using-api/server-side-apply/.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from api_world import World, target, workload

from k8sshim.objects import Raw
from k8sshim.server.field_sets import from_fields, to_fields
from k8sshim.server.status import ApiError

pytestmark = pytest.mark.unit


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def wanted(replicas: int | None = None, image: str = "x:1", **labels: str) -> Raw:
    raw = workload("web", replicas)
    raw["spec"]["template"]["spec"] = {"containers": [{"name": "main", "image": image}]}
    raw["metadata"] |= {"labels": labels} if labels else {}
    return raw


def apply(world: World, raw: Raw, manager: str = "one", *, force: bool = False) -> Raw:
    where = target("Deployment", "web")
    record, _ = world.writer.apply(where, copy.deepcopy(raw), manager=manager, force=force, dry_run=False)
    return record.decode()


def owned(raw: Raw, manager: str) -> set[str]:
    [entry] = [each for each in raw["metadata"]["managedFields"] if each["manager"] == manager]
    return {"/".join(path) for path in from_fields(entry["fieldsV1"])}


def test_the_first_apply_makes_the_object_and_the_same_again_writes_nothing(world: World) -> None:
    first = apply(world, wanted(2, a="b"))
    assert first["spec"]["replicas"] == 2 and first["spec"]["revisionHistoryLimit"] == 10
    assert {"f:spec/f:replicas", "f:metadata/f:labels/f:a"} <= owned(first, "one")
    assert not any("revisionHistoryLimit" in path for path in owned(first, "one"))
    assert apply(world, wanted(2, a="b")) == first


def test_another_value_of_anothers_field_is_a_conflict_unless_it_is_forced(world: World) -> None:
    apply(world, wanted(2))
    with pytest.raises(ApiError) as conflict:
        apply(world, wanted(5), "two")
    assert conflict.value.code == 409
    assert conflict.value.status["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "one" using apps/v1',
            "field": ".spec.replicas",
        }
    ]
    forced = apply(world, wanted(5), "two", force=True)
    assert forced["spec"]["replicas"] == 5
    assert "f:spec/f:replicas" in owned(forced, "two") and "f:spec/f:replicas" not in owned(forced, "one")


def test_a_field_goes_when_its_last_owner_wants_it_no_more(world: World) -> None:
    apply(world, wanted(2, a="b"))
    apply(world, wanted(2, a="b"), "two")
    kept = apply(world, wanted(2))
    assert kept["metadata"]["labels"] == {"a": "b"}
    gone = apply(world, wanted(2), "two")
    assert "labels" not in gone["metadata"]


def test_lists_with_keys_merge_item_by_item(world: World) -> None:
    apply(world, wanted(2))
    other: dict[str, Any] = wanted()
    other["spec"]["template"]["spec"]["containers"] = [{"name": "more", "image": "y:1"}]
    both = apply(world, other, "two")
    assert [each["name"] for each in both["spec"]["template"]["spec"]["containers"]] == ["main", "more"]
    other["spec"]["template"]["spec"]["containers"] = [{"name": "main", "env": [{"name": "A", "value": "1"}]}]
    changed = apply(world, other, "two")
    [main] = changed["spec"]["template"]["spec"]["containers"]
    assert (main["image"], main["env"]) == ("x:1", [{"name": "A", "value": "1"}])


def test_what_others_write_is_theirs(world: World) -> None:
    raw = apply(world, wanted(2))
    raw["spec"]["replicas"] = 7
    scaled = world.writer.update(target("Deployment", "web"), raw, manager="scaler").decode()
    assert "f:spec/f:replicas" in owned(scaled, "scaler") and "f:spec/f:replicas" not in owned(scaled, "one")
    with pytest.raises(ApiError, match=r'conflict with "scaler" using apps/v1: \.spec\.replicas'):
        apply(world, wanted(2))
    released = apply(world, wanted())
    assert released["spec"]["replicas"] == 7


def test_an_object_that_nobody_has_applied_belongs_to_before_first_apply(world: World) -> None:
    world.create("Deployment", wanted(2))
    with pytest.raises(ApiError, match=r'conflict with "before-first-apply" using apps/v1: \.spec\.replicas'):
        apply(world, wanted(3))
    same = apply(world, wanted(2))
    assert {each["manager"] for each in same["metadata"]["managedFields"]} == {"one", "before-first-apply"}


def test_what_a_named_manager_creates_is_its_own(world: World) -> None:
    """ "kubectl create" names itself; a later "kubectl apply --server-side" of another value conflicts with it."""
    made = world.create("Deployment", wanted(2), manager="kubectl-create")
    assert {"f:spec/f:replicas", "f:spec/f:strategy/f:type"} <= owned(made, "kubectl-create")
    assert not any(path.startswith("f:status") for path in owned(made, "kubectl-create"))
    with pytest.raises(ApiError, match=r'1 conflict: conflict with "kubectl-create" using apps/v1: \.spec\.replicas'):
        apply(world, wanted(3))
    patched = world.patch("Deployment", "web", {"spec": {"replicas": 5}})
    assert "f:spec/f:replicas" not in owned(patched, "kubectl-create")
    for each in patched["metadata"]["managedFields"]:
        each["time"] = each["time"].replace("Z", "+00:00")  # as Python's client writes it again
    patched["metadata"]["labels"] = {"a": "b"}
    assert "f:metadata/f:labels/f:a" in owned(world.update("Deployment", patched), "unknown")


def test_accounts_can_be_cleared(world: World) -> None:
    raw = apply(world, wanted(2))
    raw["metadata"]["managedFields"] = [{}]
    assert "managedFields" not in world.update("Deployment", raw)["metadata"]


def test_paths_as_fields_and_back() -> None:
    paths = {("f:a",), ("f:b", 'k:{"name":"x"}'), ("f:b", 'k:{"name":"x"}', "f:c"), ("f:s", 'v:"1"')}
    fields = to_fields(paths)
    assert fields == {"f:a": {}, "f:b": {'k:{"name":"x"}': {".": {}, "f:c": {}}}, "f:s": {'v:"1"': {}}}
    assert from_fields(fields) == paths
