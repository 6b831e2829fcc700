"""Validation: real manifests pass, whatever comes in gets an answer, and the rules that golden cases do not show."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sshim import kinds
from k8sshim.manifests import load
from k8sshim.objects import Raw
from k8sshim.validation import problems, status_problems
from k8sshim.validation.schema import object_schema

pytestmark = pytest.mark.unit

MANIFESTS = Path(__file__).parents[3] / "shared" / "manifests"
CONTAINER = {
    "name": "web",
    "image": "nginx",
    "ports": [{"name": "http", "containerPort": 80}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}],
    "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5},
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": 1, "memory": "1e3"}},
    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
}
DEPLOYMENT: Raw = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "annotations": {"Example.com/A": "b"}},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
        "template": {
            "metadata": {"labels": {"app": "web", "tier": ""}},
            "spec": {
                "containers": [CONTAINER],
                "initContainers": [{"name": "wait", "command": ["true"]}],
                "nodeSelector": {"zone": "a"},
                "tolerations": [{"key": "a", "operator": "Exists"}, {"operator": "Exists", "effect": "NoSchedule"}],
                "volumes": [{"name": "data", "emptyDir": {}}],
            },
        },
    },
}
SERVICE: Raw = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {
        "selector": {"app": "web"},
        "clusterIP": "10.96.0.10",
        "clusterIPs": ["10.96.0.10"],
        "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"},
            {"name": "dns-tcp", "port": 53, "targetPort": 53},
        ],
    },
}
SLICE: Raw = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
    "addressType": "IPv6",
    "endpoints": [{"addresses": ["fd00::1"], "conditions": {"ready": True}, "nodeName": "n1"}],
    "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
}


@pytest.mark.parametrize(
    "folder", ["cassandra", "guestbook", "guestbook-legacy", "network-policy-recipes", "online-boutique"]
)
def test_real_manifests_pass_unmodified(folder: str) -> None:
    files = sorted((MANIFESTS / folder).glob("*.yaml"))
    if not files:
        pytest.skip(f"there are no manifests beside the checkout: {MANIFESTS / folder}")
    assert all(load([str(file)]) for file in files)


@pytest.mark.parametrize("raw", [DEPLOYMENT, SERVICE, SLICE], ids=lambda raw: raw["kind"])
def test_good_object_has_no_problems(raw: Raw) -> None:
    assert problems(raw) == []


def changed(raw: Raw, path: str, value: Any) -> Raw:
    """A copy with another value at a path; `...` for deletion."""
    result = copy.deepcopy(raw)
    place: Any = result
    *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return result


POD_SPEC = "spec/template/spec"


@pytest.mark.parametrize(
    ("raw", "path", "value", "said"),
    [
        (DEPLOYMENT, "spec/template/spec", ..., "spec.template.spec: Required value"),
        (
            DEPLOYMENT,
            "spec/strategy/type",
            "Replace",
            '"Replace": supported values: "Recreate", "RollingUpdate"',
        ),
        (DEPLOYMENT, "spec/replicas", -1, "Invalid value: -1: must be greater than or equal to 0"),
        (DEPLOYMENT, f"{POD_SPEC}/nodeName", "n_1", '"n_1": a lowercase RFC 1123 subdomain must consist of'),
        (DEPLOYMENT, f"{POD_SPEC}/nodeSelector/zone", "a b", '.nodeSelector: Invalid value: "a b": a valid label must'),
        (DEPLOYMENT, f"{POD_SPEC}/tolerations/0/key", "a b", '.key: Invalid value: "a b": name part must consist of'),
        (DEPLOYMENT, f"{POD_SPEC}/volumes/0/name", "A", '.name: Invalid value: "A": a lowercase RFC 1123 label must'),
        (DEPLOYMENT, f"{POD_SPEC}/volumes/0/name", "", "spec.template.spec.volumes[0].name: Required value"),
        (DEPLOYMENT, f"{POD_SPEC}/containers/0/name", "", "spec.template.spec.containers[0].name: Required value"),
        (
            DEPLOYMENT,
            f"{POD_SPEC}/containers/0/name",
            "a.b",
            'containers[0].name: Invalid value: "a.b": must not contain dots',
        ),
        (
            DEPLOYMENT,
            "metadata/name",
            "Web",
            'metadata.name: Invalid value: "Web": a lowercase RFC 1123 subdomain must',
        ),
        (DEPLOYMENT, "metadata/namespace", "a.b", 'metadata.namespace: Invalid value: "a.b": must not contain dots'),
        (DEPLOYMENT, "metadata/labels/app", "-", 'metadata.labels: Invalid value: "-": a valid label must be an empty'),
        (DEPLOYMENT, "metadata/annotations/A b", "", 'metadata.annotations: Invalid value: "A b": name part must'),
        (
            DEPLOYMENT,
            "metadata/annotations/a",
            "x" * 2**18,
            "metadata.annotations: Too long: may not be more than 262144",
        ),
        (
            DEPLOYMENT,
            "spec/selector/matchExpressions/0/key",
            "a/b/c",
            'spec.selector.matchExpressions[0].key: Invalid value: "a/b/c": a qualified name must consist of',
        ),
        (DEPLOYMENT, f"{POD_SPEC}/tolerations/0/value", "x", "must be empty with the operator Exists"),
        (DEPLOYMENT, f"{POD_SPEC}/tolerations/1/operator", "Equal", "must be Exists where there is no key"),
        (DEPLOYMENT, f"{POD_SPEC}/initContainers/0/name", "web", 'Duplicate value: "web"'),
        (DEPLOYMENT, f"{POD_SPEC}/volumes", [], "the pod has no volume 'data'"),
        (DEPLOYMENT, f"{POD_SPEC}/containers/0/ports/1/name", "http", 'Duplicate value: "http"'),
        (
            DEPLOYMENT,
            f"{POD_SPEC}/containers/0/ports/0/containerPort",
            0,
            "0: must be between 1 and 65535, inclusive",
        ),
        (DEPLOYMENT, f"{POD_SPEC}/containers/0/readinessProbe/exec", {"command": ["true"]}, "has exec and httpGet"),
        (
            DEPLOYMENT,
            f"{POD_SPEC}/containers/0/readinessProbe/httpGet/port",
            70000,
            "70000: must be between 1 and 65535",
        ),
        (DEPLOYMENT, f"{POD_SPEC}/containers/0/image", 5, "is an integer, expected a string"),
        (SERVICE, "spec/type", "Cluster", 'supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'),
        (SERVICE, "spec/ports/1/protocol", "UDP", 'Duplicate value: {"Name":"","Protocol":"UDP"'),
        (SERVICE, "spec/ports/0/nodePort", 30000, "Forbidden: may not be used when `type` is 'ClusterIP'"),
        (SERVICE, "spec/clusterIPs", ["10.96.0.11"], "first value must match `clusterIP`"),
        (SERVICE, "spec/ports/0/port", 1e30, "spec.ports[0].port: is a number, expected an integer"),
        (SERVICE, "spec/ports/0/targetPort", 80.0, "is a number, expected a string or an integer"),
        (SERVICE, "spec/selector/app", None, "is null, expected a string"),
        (SLICE, "endpoints/0/addresses/0", "10.0.0.1", "must be an IPv6 address"),
        (SLICE, "endpoints/0/addresses/0", "fe80::1", "link-local"),
        (SLICE, "addressType", "IPX", '"IPX": supported values: "FQDN", "IPv4", "IPv6"'),
    ],
)
def test_rule(raw: Raw, path: str, value: Any, said: str) -> None:
    found = problems(changed(raw, path, value))
    assert said in str(found[0]), found
    assert all(problem.object.startswith(raw["kind"]) for problem in found)


def test_host_network_ports_must_agree() -> None:
    pod = {**DEPLOYMENT["spec"]["template"]["spec"], "hostNetwork": True}
    raw = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": pod}
    assert problems(raw) == []
    found = problems(changed(raw, "spec/containers/0/ports/0/hostPort", 8080))
    assert [str(each) for each in found] == [
        "Pod default/web: spec.containers[0].ports[0].hostPort: must equal containerPort in a pod with hostNetwork"
    ]


def test_several_ports_each_need_a_name() -> None:
    found = problems(changed(SERVICE, "spec/ports/1/name", ...))
    assert [problem.field for problem in found] == ["spec.ports[1].name"]


@pytest.mark.parametrize("kind", [kind for kind in kinds.KINDS if kind.stored], ids=lambda kind: kind.kind)
def test_every_kind_is_answered_for(kind: kinds.Kind) -> None:
    raw = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": "x", "labels": {"a": "-"}},
        "nope": 1,
    }
    fields = [problem.field for problem in problems(raw)]
    assert "metadata.labels" in fields
    assert ("" in fields) is bool(object_schema(kind))  # `nope` is unknown, where there is a schema


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})
VALUES = JUNK | st.lists(JUNK, max_size=2) | st.dictionaries(st.text(max_size=5), JUNK, max_size=2)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for step, below in entries for place in places(below, (*path, step)))]


@given(st.sampled_from([DEPLOYMENT, SERVICE, SLICE]), st.data())
def test_any_value_at_any_place_gets_an_answer(raw: Raw, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(places(raw)[1:]))
    result = copy.deepcopy(raw)
    place: Any = result
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = data.draw(VALUES)
    for problem in problems(result):
        assert problem.message and "\n" not in str(problem)


@given(VALUES)
def test_any_value_is_judged(value: Any) -> None:
    assert problems(value)


@pytest.mark.parametrize(
    ("status", "field"),
    [
        ({"conditions": "x"}, "status.conditions"),
        ({"conditions": [None]}, "status.conditions[0]"),
        ({"addresses": [{"type": "InternalIP", "address": 5}]}, "status.addresses[0].address"),
        ({"capacity": {"cpu": {}}}, "status.capacity.cpu"),
    ],
)
def test_a_status_has_the_types_that_its_schema_says(status: dict[str, Any], field: str) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "status": status}
    assert [problem.field for problem in status_problems(node)] == [field]


def test_a_part_of_a_status_is_enough() -> None:
    status = {"containerStatuses": [{"name": "main", "ready": True}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "status": status}
    assert status_problems(pod) == []


def test_metadata_is_judged_where_the_kind_has_no_schema() -> None:
    raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "a", "ownerReferences": ["b"]}}
    assert [problem.field for problem in problems(raw)] == ["metadata.ownerReferences[0]"]
