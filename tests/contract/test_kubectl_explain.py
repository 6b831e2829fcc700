"""What clients learn of the API from the API: OpenAPI v2 and v3, and discovery."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from api_process import ApiProcess
from kubectl_process import Kubectl, kubectls
from test_api_kubectl import deployment

pytestmark = pytest.mark.contract


@pytest.fixture(params=kubectls() or [pytest.param("", marks=pytest.mark.skip(reason="kubectl is not installed"))])
def kubectl(request: pytest.FixtureRequest, shared_api_server: ApiProcess, tmp_path: Path) -> Kubectl:
    return Kubectl(request.param, shared_api_server, tmp_path)


def test_explain_describes_fields(kubectl: Kubectl) -> None:
    """kubectl explains from OpenAPI v3 since 1.27, from v2 before that."""
    assert "List of ports to expose from the container" in kubectl("explain", "pod.spec.containers.ports")
    assert "rollingUpdate" in kubectl("explain", "deployment", "--recursive")
    assert "networking.k8s.io" in kubectl("explain", "netpol.spec.ingress")
    assert kubectl.run("explain", "pod.spec.nothing").returncode == 1


def test_a_misspelt_field_is_refused_before_it_is_stored(kubectl: Kubectl) -> None:
    """`kubectl apply --validate` is true by default: on the server where that can, on the client by OpenAPI else."""
    raw = deployment("misspelt")
    container = raw["spec"]["template"]["spec"]["containers"][0]
    container["imag"] = container.pop("image")
    refused = kubectl.run("apply", "-f", "-", given=yaml.safe_dump(raw))
    assert refused.returncode == 1
    assert 'unknown field "' in refused.stderr


def test_the_index_names_documents_by_what_they_depend_on(shared_api_server: ApiProcess) -> None:
    """https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3: "The relative URLs are pointing to
    immutable OpenAPI descriptions, in order to improve client-side caching"."""
    paths = shared_api_server.ok("GET", "/openapi/v3")["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/podwire.dev/v1alpha1"} <= set(paths)
    url = paths["apis/batch/v1"]["serverRelativeURL"]
    assert url.startswith("/openapi/v3/apis/batch/v1?hash=")
    document = shared_api_server.ok("GET", url)
    schema = document["components"]["schemas"]["io.k8s.api.batch.v1.Job"]
    assert schema["x-kubernetes-group-version-kind"] == [{"group": "batch", "version": "v1", "kind": "Job"}]
    text = json.dumps(document)
    known = document["components"]["schemas"]
    assert all(part.split('"')[0] in known for part in text.split("#/components/schemas/")[1:])
    assert {part.get("type") for part in known.values()} == {"object", "string", None}
    assert shared_api_server.request("GET", "/openapi/v3/apis/nothing/v1")[0] == 404
