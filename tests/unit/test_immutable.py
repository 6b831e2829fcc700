"""What an update may not change, in the words of Kubernetes' validation of each kind."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from k8sshim.kinds import find
from k8sshim.server.immutable import changed

pytestmark = pytest.mark.unit
RBAC = "rbac.authorization.k8s.io"
TEMPLATE = {"spec": {"containers": [{"name": "main", "image": "x:1"}]}}
ROLE = {"apiGroup": RBAC, "kind": "Role", "name": "a"}
FORBIDDEN = "Forbidden: field is immutable when `immutable` is set"


def said(api_version: str, name: str, old: dict[str, Any], **fields: Any) -> list[str]:
    """What is said of an object in which these fields are others; a field is taken away by None."""
    kind = find(api_version, name)
    assert kind is not None
    new = {key: value for key, value in {**copy.deepcopy(old), **fields}.items() if value is not None}
    return [f"{problem.field}: {problem.message}" for problem in changed(kind, old, new)]


def test_a_binding_keeps_its_role() -> None:
    other = {**ROLE, "name": "b"}
    (why,) = said(f"{RBAC}/v1", "RoleBinding", {"roleRef": ROLE}, roleRef=other)
    assert why.startswith('roleRef: Invalid value: {"apiGroup"') and why.endswith(": cannot change roleRef")
    assert said(f"{RBAC}/v1", "RoleBinding", {"roleRef": ROLE}, subjects=[]) == []


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_what_is_immutable_stays_so(kind: str) -> None:
    old = {"immutable": True, "data": {"a": "YQ=="}}
    assert said("v1", kind, old, data={"a": "Yg=="}) == [f"data: {FORBIDDEN}"]
    assert said("v1", kind, old, immutable=None) == [f"immutable: {FORBIDDEN}"]
    assert said("v1", kind, old, metadata={"labels": {"a": "b"}}) == []
    assert said("v1", kind, {**old, "immutable": False}, data={}) == []


def test_a_secrets_type() -> None:
    assert said("v1", "Secret", {"type": "Opaque"}, type=None) == []
    assert said("v1", "Secret", {"type": "Opaque"}, type="x/y") == ['type: Invalid value: "x/y": field is immutable']


def test_stateful_sets() -> None:
    old = {"spec": {"serviceName": "web", "replicas": 1, "template": TEMPLATE}}
    assert said("apps/v1", "StatefulSet", old, spec={**old["spec"], "replicas": 3, "minReadySeconds": 1}) == []
    (why,) = said("apps/v1", "StatefulSet", old, spec={**old["spec"], "serviceName": "other"})
    assert why.startswith("spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals',")


def test_jobs() -> None:
    old: dict[str, Any] = {"spec": {"completions": 2, "parallelism": 2, "template": TEMPLATE}}
    other = {"spec": {"containers": [{"name": "main", "image": "x:2"}]}}
    (why,) = said("batch/v1", "Job", old, spec={**old["spec"], "template": other})
    assert why.startswith("spec.template: Invalid value: ") and why.endswith(": field is immutable")
    waiting = {"spec": {**old["spec"], "suspend": True}}
    assert said("batch/v1", "Job", waiting, spec={**waiting["spec"], "template": other}) == []
    assert said("batch/v1", "Job", old, spec={**old["spec"], "completions": 3}) == [
        "spec.completions: Invalid value: 3: field is immutable"
    ]
    indexed = {"spec": {**old["spec"], "completionMode": "Indexed"}}
    assert said("batch/v1", "Job", indexed, spec={**indexed["spec"], "completions": 3, "parallelism": 3}) == []


def test_claims() -> None:
    old: dict[str, Any] = {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    assert said("v1", "PersistentVolumeClaim", old, spec={**old["spec"], "volumeName": "v"}) == []
    larger = {"resources": {"requests": {"storage": "2Gi"}}}
    (why,) = said("v1", "PersistentVolumeClaim", old, spec=larger)
    assert why.startswith("spec: Forbidden: spec is immutable after creation except resources.requests")
    bound = {"spec": {**old["spec"], "volumeName": "v"}}
    assert said("v1", "PersistentVolumeClaim", bound, spec={**bound["spec"], **larger}) == []


@pytest.mark.parametrize(
    ("api_version", "kind", "old", "new", "why"),
    [
        ("scheduling.k8s.io/v1", "PriorityClass", {"value": 1}, {"value": 2}, "value: Forbidden: may not be changed"),
        ("storage.k8s.io/v1", "StorageClass", {"provisioner": "a"}, {"provisioner": "b"}, "provisioner: Forbidden: up"),
        ("storage.k8s.io/v1", "StorageClass", {}, {"reclaimPolicy": "Delete"}, ""),
        ("networking.k8s.io/v1", "IngressClass", {"spec": {"controller": "a"}}, {"spec": {}}, "spec.controller: Inval"),
        ("apps/v1", "ControllerRevision", {"data": {"a": 1}}, {"data": {"a": 2}}, "data: Invalid value"),
        ("discovery.k8s.io/v1", "EndpointSlice", {"addressType": "IPv4"}, {"addressType": "IPv6"}, "addressType: Inv"),
    ],
)
def test_others(api_version: str, kind: str, old: dict[str, Any], new: dict[str, Any], why: str) -> None:
    found = said(api_version, kind, old, **new)
    assert len(found) == bool(why) and all(each.startswith(why) for each in found), found


POD: dict[str, Any] = {
    "containers": [{"name": "main", "image": "x:1", "resources": {}, "env": [{"name": "A", "value": ""}]}],
    "restartPolicy": "Always",
    "tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 30}],
}
OTHERS = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"


def said_of_pod(**fields: Any) -> list[str]:
    return said("v1", "Pod", {"spec": POD}, spec={**POD, **fields})


def test_what_may_change_of_a_pod() -> None:
    """`ValidatePodUpdate`: images, a deadline that comes or comes nearer, more tolerations and their seconds."""
    container = {"name": "main", "image": "x:2", "env": [{"name": "A"}]}  # as a Go client writes it again
    assert said_of_pod(containers=[container], hostNetwork=False, nodeName="node1", activeDeadlineSeconds=5) == []
    (first,) = POD["containers"]
    loaded = {"spec": {**POD, "containers": [{**first, "resources": {"requests": {"cpu": "0.5", "memory": "1Gi"}}}]}}
    again = [{**first, "resources": {"requests": {"cpu": "500m", "memory": "1024Mi"}}}]
    assert said("v1", "Pod", loaded, spec={**POD, "containers": again}) == []
    less = [{**first, "resources": {"requests": {"cpu": "500m", "memory": "1000Mi"}}}]
    assert len(said("v1", "Pod", loaded, spec={**POD, "containers": less})) == 1
    later = [{"key": "b"}, {"key": "a", "operator": "Exists", "tolerationSeconds": 60}]
    assert said_of_pod(tolerations=later) == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"restartPolicy": "Never"}, "changed: restartPolicy"),
        ({"containers": [{**POD["containers"][0], "command": ["sh"]}]}, "changed: containers"),
        ({"hostname": "a", "volumes": [{"name": "v"}]}, "changed: hostname, volumes"),
    ],
)
def test_what_may_not_change_of_a_pod(fields: dict[str, Any], why: str) -> None:
    (message,) = said_of_pod(**fields)
    assert message.startswith(OTHERS) and message.endswith(why)


def test_what_else_of_a_pod_stays() -> None:
    more = [*POD["containers"], {"name": "b", "image": "x"}]
    assert said_of_pod(containers=more) == ["spec.containers: Forbidden: pod updates may not add or remove containers"]
    no_image = [{**POD["containers"][0], "image": ""}]
    assert said_of_pod(containers=no_image) == ["spec.containers[0].image: Required value"]
    (why,) = said_of_pod(tolerations=[])
    assert why == "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
    sooner = {"spec": {**POD, "activeDeadlineSeconds": 5}}
    assert said("v1", "Pod", sooner, spec={**POD, "activeDeadlineSeconds": 4}) == []
    for seconds, why in ((9, "must be less than or equal to 5"), (None, "must not update from a positive integer")):
        (told,) = said("v1", "Pod", sooner, spec={**POD, "activeDeadlineSeconds": seconds})
        assert told.startswith("spec.activeDeadlineSeconds: Invalid value: ") and why in told
