"""CustomResourceDefinitions: their kinds are served, checked, filled in and shown as any other.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml
from api_process import ApiProcess, wait_until
from kubectl_process import Kubectl

pytestmark = pytest.mark.contract

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PATH = "/apis/example.com/v1/namespaces/default/widgets"
SPEC = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1},
        "replicas": {"type": "integer", "default": 2},
        "colour": {"type": "string", "enum": ["red", "blue"], "description": "what it looks like"},
        "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": SPEC,
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}


def definition() -> dict[str, Any]:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": SCHEMA},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
        },
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    older = {**version, "name": "v1beta1", "storage": False}
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version, older]},
    }


def widget(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 3, **spec}}


@pytest.fixture
def server(shared_api_server: ApiProcess) -> Iterator[ApiProcess]:
    shared_api_server.ok("POST", CRDS, definition())
    yield shared_api_server
    shared_api_server.request("DELETE", f"{CRDS}/widgets.example.com")


def test_objects_are_filled_in_pruned_and_judged_by_the_schema(server: ApiProcess) -> None:
    made = server.ok("POST", PATH, widget("one", odd=1, anything={"goes": True}))
    assert made["spec"] == {"size": 3, "replicas": 2, "anything": {"goes": True}}
    assert made["metadata"]["generation"] == 1
    for spec, field, message in (
        ({"size": 0}, "spec.size", "Invalid value: 0: spec.size in body should be greater than or equal to 1"),
        ({"size": "big"}, "spec.size", 'Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"colour": "green"}, "spec.colour", 'Unsupported value: "green": supported values: "red", "blue"'),
    ):
        code, status = server.request("POST", PATH, widget("bad", **spec))
        assert (code, status["reason"], status["details"]["causes"][0]["field"]) == (422, "Invalid", field)
        assert message in status["message"]
    assert server.request("POST", f"{PATH}?fieldValidation=Strict", widget("two", odd=1))[0] == 400
    strategic = {"Content-Type": "application/strategic-merge-patch+json"}
    assert server.request("PATCH", f"{PATH}/one", {}, strategic)[0] == 415


def test_status_scale_and_other_versions(server: ApiProcess) -> None:
    server.ok("POST", PATH, widget("one"))
    merge = {"Content-Type": "application/merge-patch+json"}
    server.ok("PATCH", f"{PATH}/one/status", {"status": {"replicas": 1}}, merge)
    scaled = server.ok("PATCH", f"{PATH}/one/scale", {"spec": {"replicas": 5}}, merge)
    assert (scaled["spec"]["replicas"], scaled["status"]["replicas"]) == (5, 1)
    older = server.ok("GET", PATH.replace("/v1/", "/v1beta1/"))
    assert (older["items"][0]["apiVersion"], older["items"][0]["spec"]["replicas"]) == ("example.com/v1beta1", 5)


def test_a_definition_takes_its_objects_with_it_and_survives_a_restart(server: ApiProcess) -> None:
    server.ok("POST", PATH, widget("one"))
    server.restart()
    assert server.ok("GET", PATH)["items"][0]["metadata"]["name"] == "one"
    server.ok("DELETE", f"{CRDS}/widgets.example.com")
    assert server.request("GET", PATH)[0] == 404
    server.ok("POST", CRDS, definition())
    wait_until(lambda: server.ok("GET", PATH)["items"] == [])


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_knows_the_kind(shared_api_server: ApiProcess, tmp_path: Path) -> None:
    kubectl = Kubectl("kubectl", shared_api_server, tmp_path)
    kubectl("apply", "-f", "-", given=yaml.safe_dump(definition()))
    kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=20s")
    kubectl("apply", "-f", "-", given=yaml.safe_dump(widget("one")))
    assert kubectl.rows("get", "wd")[0] == ["NAME", "SIZE", "READY", "AGE"]
    assert "what it looks like" in kubectl("explain", "widget.spec.colour")
    assert "unchanged" in kubectl("apply", "-f", "-", given=yaml.safe_dump(widget("one")))
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=yaml.safe_dump(widget("one", size=4)))
    assert kubectl("get", "widget", "one", "-o", "jsonpath={.spec.size}") == "4"
    kubectl("delete", "crd", "widgets.example.com")


def test_the_python_client_knows_the_kind(server: ApiProcess) -> None:
    api = kubernetes.config.new_client_from_config(str(server.kubeconfig))
    custom = kubernetes.client.CustomObjectsApi(api)
    custom.create_namespaced_custom_object("example.com", "v1", "default", "widgets", widget("two"))
    found = custom.list_namespaced_custom_object("example.com", "v1", "default", "widgets")
    assert (found["kind"], [each["metadata"]["name"] for each in found["items"]]) == ("WidgetList", ["two"])
