"""JSON patch, merge patch, strategic merge patch."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from k8sshim.server.merge_keys import merge_key
from k8sshim.server.patches import (
    JSON_PATCH,
    STRATEGIC_MERGE_PATCH,
    json_patch,
    merge_patch,
    prepare,
    strategic_merge_patch,
)
from k8sshim.server.status import ApiError

pytestmark = pytest.mark.unit


# The examples of RFC 7386, appendix A
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_does_what_the_rfc_says(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy(target)
    assert merge_patch(target, patch) == result
    assert target == before


# The examples of RFC 6902, appendix A
@pytest.mark.parametrize(
    ("document", "operations", "result"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "q"}], {"baz": "q", "foo": "bar"}),
        ({"f": ["a", "c"]}, [{"op": "add", "path": "/f/1", "value": "b"}], {"f": ["a", "b", "c"]}),
        ({"f": ["a"]}, [{"op": "add", "path": "/f/-", "value": ["b"]}], {"f": ["a", ["b"]]}),
        ({"f": ["a", "b"]}, [{"op": "remove", "path": "/f/0"}], {"f": ["b"]}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}], {"a": 2}),
        ({"a": {"x": 1}, "b": {}}, [{"op": "move", "from": "/a/x", "path": "/b/y"}], {"a": {}, "b": {"y": 1}}),
        ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
        ({"a/b": 1, "m~n": 2}, [{"op": "remove", "path": "/a~1b"}, {"op": "remove", "path": "/m~0n"}], {}),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": 1}, {"op": "remove", "path": "/a"}], {}),
    ],
)
def test_json_patch_does_what_the_rfc_says(document: Any, operations: Any, result: Any) -> None:
    before = copy.deepcopy(document)
    assert json_patch(document, operations) == result
    assert document == before


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "remove", "path": "/b"},
        {"op": "replace", "path": "/b", "value": 1},
        {"op": "add", "path": "/x/y", "value": 1},
        {"op": "add", "path": "/l/9", "value": 1},
        {"op": "remove", "path": "/l/-1"},
        {"op": "add", "path": "/a/deeper", "value": 1},
        {"op": "jump", "path": "/a"},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add"},
        "no operation",
    ],
)
def test_a_json_patch_that_does_not_apply_is_refused(operation: Any) -> None:
    with pytest.raises(ApiError, match="operation 0 of the JSON patch does not apply") as raised:
        json_patch({"a": 1, "l": [1]}, [operation])
    assert raised.value.code == 422


def container(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **fields}


def deployment(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers)}}}}


def merged(target: Any, patch: Any, kind: str = "Deployment") -> Any:
    before = copy.deepcopy(target)
    result = strategic_merge_patch(target, patch, kind)
    assert target == before
    return result


def test_containers_merge_by_name() -> None:
    target = deployment(container("a", image="1", tty=True), container("b", image="1"))
    result = merged(target, deployment(container("b", image="2"), container("c", image="3")))
    assert result == deployment(
        container("a", image="1", tty=True), container("b", image="2"), container("c", image="3")
    )


def test_ports_merge_by_the_key_of_their_place() -> None:
    target = deployment(container("a", ports=[{"containerPort": 80, "name": "x"}]))
    result = merged(target, deployment(container("a", ports=[{"containerPort": 80, "protocol": "TCP"}])))
    assert result == deployment(container("a", ports=[{"containerPort": 80, "name": "x", "protocol": "TCP"}]))
    service = {"spec": {"ports": [{"port": 80, "name": "http"}]}}
    result = merged(service, {"spec": {"ports": [{"port": 443, "name": "https"}]}}, "Service")
    assert [port["port"] for port in result["spec"]["ports"]] == [80, 443]
    policy = {"spec": {"ingress": [{"ports": [{"port": 80}]}]}}
    assert merged(policy, {"spec": {"ingress": [{"ports": []}]}}, "NetworkPolicy")["spec"]["ingress"] == [{"ports": []}]


def test_items_and_maps_can_be_deleted_and_replaced() -> None:
    target = deployment(container("a", env=[{"name": "X", "value": "1"}]), container("b"))
    result = merged(target, deployment({"name": "b", "$patch": "delete"}))
    assert result == deployment(container("a", env=[{"name": "X", "value": "1"}]))
    result = merged(target, deployment({"$patch": "replace"}, container("c")))
    assert result == deployment(container("c"))
    strategy = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    result = merged(strategy, {"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}})
    assert result == {"spec": {"strategy": {"type": "Recreate"}}}
    assert merged({"a": {"b": 1}}, {"a": {"$patch": "delete"}}) == {}


def test_retain_keys_drops_what_is_not_named() -> None:
    target = {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}
    patch = {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}}
    assert merged(target, patch, "Pod") == {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}}


def test_lists_of_plain_values_merge_as_sets_where_they_are_sets() -> None:
    target = {"metadata": {"finalizers": ["a", "b"]}, "spec": {"args": ["x"]}}
    result = merged(target, {"metadata": {"finalizers": ["c", "a"]}, "spec": {"args": ["y"]}})
    assert result == {"metadata": {"finalizers": ["a", "b", "c"]}, "spec": {"args": ["y"]}}
    result = merged(target, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}})
    assert result["metadata"] == {"finalizers": ["b"]}


def test_set_element_order_puts_items_in_order() -> None:
    target = deployment(container("a"), container("b"), container("mine"))
    order = [{"name": "c"}, {"name": "b"}, {"name": "a"}]
    patch: dict[str, Any] = deployment(container("c"))
    patch["spec"]["template"]["spec"]["$setElementOrder/containers"] = order
    names = [c["name"] for c in merged(target, patch)["spec"]["template"]["spec"]["containers"]]
    assert [name for name in names if name != "mine"] == ["c", "b", "a"]
    assert "mine" in names


def test_an_item_without_its_merge_key_is_refused() -> None:
    with pytest.raises(ApiError, match="does not contain declared merge key: name"):
        merged(deployment(container("a")), deployment({"image": "2"}))


@pytest.mark.parametrize(
    ("kind", "path", "key"),
    [
        ("Pod", "spec.containers.ports", "containerPort"),
        ("Service", "spec.ports", "port"),
        ("EndpointSlice", "ports", ""),
        ("Node", "status.addresses", "type"),
        ("Endpoints", "subsets.addresses", ""),
        ("Pod", "spec.tolerations", ""),
        ("Pod", "spec.containers.resources.claims", ""),
    ],
)
def test_merge_keys_are_those_of_the_published_schemas(kind: str, path: str, key: str) -> None:
    assert merge_key(kind, tuple(path.split("."))) == key


def test_what_is_no_patch_is_refused() -> None:
    for media_type, body, strategic, code in (
        ("application/json", {}, True, 415),
        (STRATEGIC_MERGE_PATCH, {}, False, 415),
        (JSON_PATCH, {}, True, 400),
        (STRATEGIC_MERGE_PATCH, [], True, 400),
    ):
        with pytest.raises(ApiError) as raised:
            prepare(media_type, body, kind="Pod", strategic=strategic)
        assert raised.value.code == code


@pytest.mark.parametrize(
    ("patch", "what"),
    [
        ({"$retainKeys": 5}, "retainKeys"),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}}, "primitive list"),
        ({"spec": {"$setElementOrder/containers": {"name": "main"}}}, "setElementOrder list"),
        ({"spec": {"$setElementOrder/containers": ["main"]}}, "setElementOrder list"),
    ],
)
def test_directives_of_a_wrong_type_are_refused(patch: dict[str, Any], what: str) -> None:
    raw = {"metadata": {"finalizers": ["a"]}, "spec": {"containers": [{"name": "main"}]}}
    with pytest.raises(ApiError, match=f"invalid patch format of {what}"):
        strategic_merge_patch(raw, patch, "Pod")


@pytest.mark.parametrize("operation", [5, {"op": "add"}, {"op": "remove", "path": 7}, {"op": "copy", "path": "/a"}])
def test_operations_of_a_wrong_type_do_not_apply(operation: object) -> None:
    with pytest.raises(ApiError, match="operation 0 of the JSON patch does not apply"):
        json_patch({"a": 1}, [operation])
