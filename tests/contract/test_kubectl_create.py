"""kubectl's generators, which send protobuf where it is new, and how fields that a kind does not have are told of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from api_process import ApiProcess
from kubectl_process import Kubectl, kubectls
from test_api_kubectl import deployment

pytestmark = pytest.mark.contract


@pytest.fixture(params=kubectls() or [pytest.param("", marks=pytest.mark.skip(reason="kubectl is not installed"))])
def kubectl(request: pytest.FixtureRequest, shared_api_server: ApiProcess, tmp_path: Path) -> Kubectl:
    return Kubectl(request.param, shared_api_server, tmp_path)


def test_create_without_a_manifest(kubectl: Kubectl) -> None:
    """client-go's typed clients prefer protobuf since 1.32 (`gentype.PrefersProtobuf`) and have no way back to JSON.

    kubectl before 1.21 asks for CronJobs and budgets in versions that Kubernetes has not served since 1.25.
    """
    created = [
        ("namespace", "made"),
        ("deployment", "web", "--image=x:1", "--port=80"),
        ("configmap", "cm", "--from-literal=a=b"),
        ("secret", "generic", "token", "--from-literal=a=b"),
        ("service", "clusterip", "svc", "--tcp=80:8080"),
        ("service", "nodeport", "np", "--tcp=80:http"),
        ("job", "once", "--image=x:1", "--", "true"),
        ("cronjob", "often", "--image=x:1", "--schedule=*/5 * * * *", "--", "true"),
        ("serviceaccount", "sa"),
        ("role", "reader", "--verb=get,list", "--resource=pods"),
        ("rolebinding", "reader", "--role=reader", "--serviceaccount=default:sa"),
        ("clusterrole", "reader", "--verb=get", "--resource=nodes"),
        ("clusterrolebinding", "reader", "--clusterrole=reader", "--group=all"),
        ("quota", "few", "--hard=pods=10"),
        ("poddisruptionbudget", "pdb", "--selector=app=web", "--min-available=1"),
        ("ingress", "in", "--rule=example.com/*=svc:80"),
        ("priorityclass", "high", "--value=1000"),
    ]
    if kubectl.minor < 21:
        created = [one for one in created if one[0] not in ("cronjob", "poddisruptionbudget")]
    try:
        for arguments in created:
            assert "created" in kubectl("create", *arguments), arguments
        stored = json.loads(kubectl("get", "deploy", "web", "-o", "json"))
        assert stored["spec"]["template"]["spec"]["containers"][0]["ports"] == [
            {"containerPort": 80, "protocol": "TCP"}
        ]
        assert kubectl("get", "svc", "np", "-o", "jsonpath={.spec.ports[0].targetPort}") == "http"
        assert kubectl("get", "secret", "token", "-o", "jsonpath={.data.a}") == "Yg=="
        if kubectl.minor >= 21:
            assert kubectl("get", "pdb", "pdb", "-o", "jsonpath={.spec.minAvailable}") == "1"
    finally:
        for arguments in created:
            name = next(word for word in arguments[2:] if word[0] != "-") if arguments[1] in _GROUPS else arguments[1]
            kubectl("delete", arguments[0], name, "--ignore-not-found", "--wait=false")


_GROUPS = ("generic", "clusterip", "nodeport")


def test_unknown_fields_are_warned_of_refused_or_ignored(shared_api_server: ApiProcess) -> None:
    """https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation: "Warn ... each unknown field
    produces a warning"; "Strict: the API server rejects the request with a 400 Bad Request error"."""
    path = "/apis/apps/v1/namespaces/default/deployments"
    raw: dict[str, Any] = deployment("odd")
    raw["spec"]["template"]["spec"]["containers"][0]["colour"] = "red"
    code, answer = shared_api_server.request("POST", f"{path}?fieldValidation=Strict", raw)
    assert (code, answer["reason"]) == (400, "BadRequest")
    assert 'strict decoding error: unknown field "spec.template.spec.containers[0].colour"' in answer["message"]
    connection = shared_api_server.connection()
    connection.request("POST", path, json.dumps(raw), shared_api_server.headers())
    response = connection.getresponse()
    stored = json.loads(response.read())
    connection.close()
    warning = '299 - "unknown field \\"spec.template.spec.containers[0].colour\\""'
    assert (response.status, response.headers.get("Warning")) == (201, warning)
    assert "colour" not in stored["spec"]["template"]["spec"]["containers"][0]
    shared_api_server.ok("DELETE", f"{path}/odd")
    assert shared_api_server.request("POST", f"{path}?fieldValidation=Perhaps", raw)[0] == 422
