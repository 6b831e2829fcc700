"""Paths to resources, and what field and label selectors select."""

from __future__ import annotations

from typing import Any

import pytest

from k8sshim.objects import Key
from k8sshim.records import Record
from k8sshim.server import routing
from k8sshim.server.resources import NODES, PODS
from k8sshim.server.selection import fields_of, parse
from k8sshim.server.status import ApiError

pytestmark = pytest.mark.unit


def record(resource: str = "pods", **raw: Any) -> Record:
    labels = raw.get("metadata", {}).get("labels", {})
    return Record(resource, Key("default", "web"), 1, "u", labels, fields_of(resource, raw), (), b"{}")


POD = record(spec={"nodeName": "n1", "hostNetwork": True}, status={"phase": "Running"}, metadata={"labels": {"a": "b"}})


@pytest.mark.parametrize(
    ("query", "selected"),
    [
        ({}, True),
        ({"fieldSelector": "spec.nodeName=n1"}, True),
        ({"fieldSelector": "spec.nodeName==n1,status.phase!=Failed"}, True),
        ({"fieldSelector": "spec.nodeName=n2"}, False),
        ({"fieldSelector": "spec.nodeName="}, False),
        ({"fieldSelector": "spec.nodeName!="}, True),
        ({"fieldSelector": "metadata.name=web,metadata.namespace=default"}, True),
        ({"fieldSelector": "metadata.name!=web"}, False),
        ({"fieldSelector": "spec.hostNetwork=true"}, True),
        ({"labelSelector": "a in (b, c)"}, True),
        ({"labelSelector": "a=b", "fieldSelector": "status.phase=Pending"}, False),
    ],
)
def test_selectors_of_fields_and_labels(query: dict[str, str], selected: bool) -> None:
    assert parse(PODS, "default", "", query).matches(POD) is selected
    assert not parse(PODS, "other", "", query).matches(POD)


def test_a_false_field_that_is_absent_is_false() -> None:
    assert parse(NODES, "", "", {"fieldSelector": "spec.unschedulable=false"}).matches(record("nodes", spec={}))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"fieldSelector": "spec.image=x"}, 'field label not supported: "spec.image"'),
        ({"fieldSelector": "nonsense"}, "expected FIELD=VALUE"),
        ({"labelSelector": "a in b"}, "bad label selector"),
    ],
)
def test_a_bad_selector_is_a_bad_request(query: dict[str, str], message: str) -> None:
    with pytest.raises(ApiError, match=message) as raised:
        parse(PODS, "", "", query)
    assert raised.value.code == 400


@pytest.mark.parametrize(
    ("group", "rest", "expected"),
    [
        ("", "pods", ("pods", "", "", "")),
        ("", "namespaces/a/pods", ("pods", "a", "", "")),
        ("", "namespaces/a/pods/web/status", ("pods", "a", "web", "status")),
        ("", "namespaces/a", ("namespaces", "", "a", "")),
        ("", "namespaces/a/status", ("namespaces", "", "a", "status")),
        ("apps", "namespaces/a/deployments/web/scale", ("deployments.apps", "a", "web", "scale")),
    ],
)
def test_paths_lead_to_resources(group: str, rest: str, expected: tuple[str, ...]) -> None:
    target = routing.parse(group, "v1", rest)
    assert (target.resource, target.namespace, target.name, target.subresource) == expected


@pytest.mark.parametrize(
    ("group", "rest"),
    [
        ("", "widgets"),
        ("", "pods/web"),
        ("", "namespaces/a/nodes"),
        ("", "namespaces/a/pods/web/scale"),
        ("", "namespaces/a/pods//status"),
        ("", "namespaces/a/pods/web/status/more"),
        ("", ""),
        ("apps", "pods"),
    ],
)
def test_other_paths_lead_nowhere(group: str, rest: str) -> None:
    with pytest.raises(ApiError) as raised:
        routing.parse(group, "v1", rest)
    assert raised.value.code == 404
