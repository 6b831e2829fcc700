"""The three-way merge, by its properties and by the cases that kubectl's documentation gives."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sshim.manifests.apply import LAST_APPLIED, annotated, last_applied
from k8sshim.manifests.merge import three_way
from k8sshim.manifests.shapes import Shape, shape_of
from k8sshim.objects import Raw

pytestmark = pytest.mark.unit

LEAVES = st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2)
OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), LEAVES),
    lambda below: st.dictionaries(st.sampled_from("abc"), LEAVES | below),
    max_leaves=8,
)


def contains(whole: Any, part: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and contains(whole[name], value) for name, value in part.items())
    return bool(whole == part)


@given(OBJECTS, OBJECTS, OBJECTS)
def test_properties(last: Raw, wanted: Raw, current: Raw) -> None:
    before = copy.deepcopy((last, wanted, current))
    merged = three_way(last, wanted, current, Shape())
    assert contains(merged, wanted)
    assert three_way(wanted, wanted, merged, Shape()) == merged
    assert {name: merged[name] for name in current.keys() - last.keys() - wanted.keys()}.items() <= current.items()
    assert not (last.keys() - wanted.keys()) & merged.keys()
    assert (last, wanted, current) == before


def merge(kind: str, last: Raw, wanted: Raw, current: Raw) -> Raw:
    api_version = "v1" if kind in ("Pod", "Service", "ServiceAccount") else "apps/v1"
    return three_way(last, wanted, current, shape_of(api_version, kind))


def test_what_others_set_stays_and_what_the_author_drops_goes() -> None:
    last = {"spec": {"replicas": 2, "minReadySeconds": 5}}
    current = {"spec": {"replicas": 7, "minReadySeconds": 5, "paused": True}}
    assert merge("Deployment", last, {"spec": {"paused": False}}, current) == {"spec": {"paused": False}}
    assert merge("Deployment", {}, {"spec": {}}, current) == current
    assert merge("Deployment", {}, {"spec": {"paused": None}}, current) == {
        "spec": {"replicas": 7, "minReadySeconds": 5}
    }


def containers(*each: Raw) -> Raw:
    return {"spec": {"template": {"spec": {"containers": list(each)}}}}


def test_containers_merge_by_name_and_keep_defaults() -> None:
    live = containers({"name": "a", "image": "x", "imagePullPolicy": "Always"}, {"name": "side", "image": "injected"})
    same = merge("Deployment", containers({"name": "a", "image": "x"}), containers({"name": "a", "image": "x"}), live)
    assert same == live
    newer = merge("Deployment", containers({"name": "a", "image": "x"}), containers({"name": "a", "image": "y"}), live)
    assert newer == containers(
        {"name": "a", "image": "y", "imagePullPolicy": "Always"}, {"name": "side", "image": "injected"}
    )
    other = merge("Deployment", containers({"name": "a", "image": "x"}), containers({"name": "b", "image": "y"}), live)
    assert other == containers({"name": "side", "image": "injected"}, {"name": "b", "image": "y"})


def test_order_follows_the_author_where_the_author_changes_it() -> None:
    a, b = {"name": "a"}, {"name": "b"}
    live = containers(a, {"name": "side"}, b)
    assert merge("Deployment", containers(a, b), containers(a, b), live) == live
    assert merge("Deployment", containers(a, b), containers(b, a), live) == containers(b, a, {"name": "side"})


def test_service_ports_of_one_number_and_two_protocols() -> None:
    wanted = {"spec": {"ports": [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]}}
    live = {
        "spec": {
            "ports": [
                {"name": "t", "port": 53, "protocol": "TCP", "targetPort": 53},
                {"name": "u", "port": 53, "protocol": "UDP", "targetPort": 53},
            ]
        }
    }
    assert merge("Service", wanted, wanted, live) == live


def test_lists_without_keys_are_replaced() -> None:
    last = {"spec": {"containers": [{"name": "a", "args": ["1", "2"]}]}}
    wanted = {"spec": {"containers": [{"name": "a", "args": ["2"]}]}}
    assert merge("Pod", last, wanted, last) == wanted


def test_elements_without_their_key_are_replaced_whole() -> None:
    wanted = {"spec": {"ports": [{"name": "a"}]}}
    assert merge("Service", {}, wanted, {"spec": {"ports": [{"port": 80}]}}) == wanted


def test_sets_of_plain_values_merge() -> None:
    last, wanted = ({"metadata": {"finalizers": names}} for names in (["a", "b"], ["b", "c"]))
    assert merge("Pod", last, wanted, {"metadata": {"finalizers": ["a", "b", "x"]}}) == {
        "metadata": {"finalizers": ["b", "x", "c"]}
    }


def test_alternatives_of_a_union_go_when_another_is_chosen() -> None:
    live = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}}}
    same = {"spec": {"strategy": {"type": "RollingUpdate"}}}
    assert merge("Deployment", same, same, live) == live
    other = {"spec": {"strategy": {"type": "Recreate"}}}
    assert merge("Deployment", same, other, live) == other
    volume = {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}
    secret = {"spec": {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}}
    assert merge("Pod", volume, secret, volume) == secret


def test_annotation_is_written_as_kubectl_writes_it() -> None:
    raw = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"namespace": "default", "name": "a", "annotations": {"note": "a<b & ü", LAST_APPLIED: "older"}},
    }
    annotations = annotated(raw)["metadata"]["annotations"]
    assert annotations[LAST_APPLIED] == (
        '{"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{"note":"a\\u003cb \\u0026 ü"},'
        '"name":"a","namespace":"default"}}\n'
    )
    assert annotations["note"] == "a<b & ü"


def test_annotation_reads_back_without_what_the_server_owns() -> None:
    raw = {"kind": "Pod", "metadata": {"name": "a", "uid": "1"}, "spec": {"x": 1}, "status": {"phase": "Running"}}
    assert last_applied(annotated(raw)) == {
        "kind": "Pod",
        "metadata": {"annotations": {}, "name": "a"},
        "spec": {"x": 1},
    }


@pytest.mark.parametrize("text", ["", "no json", "[]", "5"])
def test_annotation_that_says_nothing_deletes_nothing(text: str) -> None:
    assert last_applied({"metadata": {"annotations": {LAST_APPLIED: text}}}) == {}
