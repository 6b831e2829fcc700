"""The API over real HTTP and TLS: access, discovery, Status errors, watches, bodies that are none."""

from __future__ import annotations

import json
import ssl
from typing import Any

import pytest
from api_process import MERGE, STRATEGIC, ApiProcess, wait_until

pytestmark = pytest.mark.contract

PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def pod(name: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "registry.example/app:1"}]
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": {"containers": containers, **spec}}


def test_nobody_without_credentials_is_served(api_server: ApiProcess) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        for path in ("/api/v1/pods", "/version", "/healthz", "/nowhere"):
            code, status = api_server.request("GET", path, headers=headers)
            assert (code, status["kind"], status["reason"]) == (401, "Status", "Unauthorized")


def test_a_client_certificate_is_as_good_as_the_token(api_server: ApiProcess) -> None:
    connection = api_server.connection(client_certificate=True)
    connection.request("GET", "/version")
    assert json.loads(connection.getresponse().read())["gitVersion"].endswith("+podwire")
    connection.close()


def test_another_authoritys_certificate_is_refused(api_server: ApiProcess, tmp_path: Any) -> None:
    (tmp_path / "other").mkdir()
    other = ApiProcess(tmp_path / "other")
    context = ssl.create_default_context(cafile=str(api_server.pki / "ca.crt"))
    context.load_cert_chain(other.pki / "client.crt", other.pki / "client.key")
    connection = api_server.connection()
    connection._context = context  # type: ignore[attr-defined]
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connection.request("GET", "/version")
        connection.getresponse()
    other.close()


def test_discovery_leads_to_every_resource(api_server: ApiProcess) -> None:
    groups = api_server.ok("GET", "/apis")["groups"]
    paths = ["/api/v1", *(f"/apis/{v['groupVersion']}" for group in groups for v in group["versions"])]
    told = api_server.ok("GET", "/")["paths"]
    assert {*paths, "/apis/apps", "/healthz", "/openapi/v3"} <= set(told) and told == sorted(told)
    for path in paths:
        listed = api_server.ok("GET", path)
        assert listed["groupVersion"] == path.split("/", 2)[2]
        for resource in listed["resources"]:
            if "list" in resource["verbs"]:
                answer = api_server.ok("GET", f"{path}/{resource['name']}")
                assert answer["kind"] == f"{resource['kind']}List"
    assert {"apps", "podwire.dev", "networking.k8s.io"} <= {group["name"] for group in groups}
    assert api_server.ok("GET", "/apis/apps")["preferredVersion"]["groupVersion"] == "apps/v1"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "code", "reason"),
    [
        ("GET", f"{PODS}/absent", None, {}, 404, "NotFound"),
        ("GET", "/api/v1/widgets", None, {}, 404, "NotFound"),
        ("GET", "/nowhere", None, {}, 404, "NotFound"),
        ("PUT", PODS, {}, {}, 405, "MethodNotAllowed"),
        ("POST", "/version", {}, {}, 405, "MethodNotAllowed"),
        ("POST", PODS, b"{nonsense", {}, 400, "BadRequest"),
        ("POST", PODS, b'{"a":"\xff"}', {}, 400, "BadRequest"),
        ("POST", PODS, [], {}, 400, "BadRequest"),
        ("POST", PODS, {"metadata": []}, {}, 400, "BadRequest"),
        ("POST", PODS, b"x" * (3 * 1024 * 1024 + 1), {}, 413, "RequestEntityTooLarge"),
        ("POST", PODS, b"k8s\0", {"Content-Type": "application/vnd.kubernetes.protobuf"}, 400, "BadRequest"),
        ("POST", PODS, {"metadata": {"name": "a"}, "spec": {"containers": 7}}, {}, 400, "BadRequest"),
        ("POST", PODS, {"metadata": {"name": "a"}, "spec": {"containers": []}}, {}, 422, "Invalid"),
        ("POST", "/api/v1/namespaces/absent/pods", {"metadata": {"name": "a"}}, {}, 404, "NotFound"),
        ("PATCH", "/api/v1/namespaces/default", {}, {"Content-Type": "text/plain"}, 415, "UnsupportedMediaType"),
        ("PATCH", "/api/v1/namespaces/default", [], {"Content-Type": MERGE}, 400, "BadRequest"),
        ("PATCH", "/api/v1/namespaces/default", {"metadata": 1}, {"Content-Type": MERGE}, 400, "BadRequest"),
        ("GET", "/api/v1/pods?watch=1&resourceVersion=soon", None, {}, 400, "BadRequest"),
        ("GET", "/api/v1/pods?fieldSelector=spec.colour%3Dred", None, {}, 400, "BadRequest"),
        ("DELETE", "/api/v1/namespaces/kube-system", None, {}, 403, "Forbidden"),
        ("DELETE", PODS, {"propagationPolicy": "Sideways"}, {}, 400, "BadRequest"),
    ],
)
def test_what_cannot_be_is_told_in_a_status(
    shared_api_server: ApiProcess, method: str, path: str, body: Any, headers: dict[str, str], code: int, reason: str
) -> None:
    given, status = shared_api_server.request(method, path, body, headers)
    assert (given, status["kind"], status["status"], status["code"]) == (code, "Status", "Failure", code)
    assert status["reason"] == reason
    assert status["message"]
    assert "Traceback" not in shared_api_server.log.read_text()


def test_a_watch_streams_what_is_written(api_server: ApiProcess) -> None:
    api_server.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    version = api_server.ok("GET", PODS)["metadata"]["resourceVersion"]
    with api_server.watch(f"{PODS}?watch=1&resourceVersion={version}&fieldSelector=spec.nodeName%3Dn1") as events:
        api_server.ok("POST", PODS, pod("a"))
        api_server.ok("POST", f"{PODS}/a/binding", {"target": {"kind": "Node", "name": "n1"}})
        api_server.ok("PATCH", f"{PODS}/a/status", {"status": {"phase": "Running"}}, {"Content-Type": MERGE})
        api_server.ok("DELETE", f"{PODS}/a")
        api_server.ok("DELETE", f"{PODS}/a?gracePeriodSeconds=0")
        seen = [next(events) for _ in range(4)]
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    assert seen[2]["object"]["metadata"]["deletionGracePeriodSeconds"] == 30
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))


def test_a_watch_ends_after_its_timeout(api_server: ApiProcess) -> None:
    with api_server.watch("/api/v1/namespaces?watch=1&timeoutSeconds=1") as events:
        assert [event["type"] for event in events] == ["ADDED"] * 4


def test_collections_are_deleted_by_selector(api_server: ApiProcess) -> None:
    for name in ("a", "b"):
        api_server.ok("POST", CONFIG_MAPS, {"metadata": {"name": name, "labels": {"app": name}}})
    deleted = api_server.ok("DELETE", f"{CONFIG_MAPS}?labelSelector=app%3Da")
    assert [item["metadata"]["name"] for item in deleted["items"]] == ["a"]
    assert [item["metadata"]["name"] for item in api_server.ok("GET", CONFIG_MAPS)["items"]] == ["b"]


def test_deletion_answers_with_a_status_or_the_object_that_stays(api_server: ApiProcess) -> None:
    made = api_server.ok("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    status = api_server.ok("DELETE", f"{CONFIG_MAPS}/a")
    assert (status["kind"], status["status"]) == ("Status", "Success")
    assert status["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    api_server.ok("POST", CONFIG_MAPS, {"metadata": {"name": "b", "finalizers": ["example.com/hold"]}})
    assert api_server.ok("DELETE", f"{CONFIG_MAPS}/b")["metadata"]["deletionTimestamp"]


def test_a_namespace_empties_itself_after_the_answer(api_server: ApiProcess) -> None:
    api_server.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
    api_server.ok("POST", "/api/v1/namespaces/team/configmaps", {"metadata": {"name": "c"}})
    assert api_server.ok("DELETE", "/api/v1/namespaces/team")["status"]["phase"] == "Terminating"
    wait_until(lambda: api_server.request("GET", "/api/v1/namespaces/team")[0] == 404)
    assert api_server.ok("GET", "/api/v1/configmaps")["items"] == []


def test_the_cluster_object_is_patched_by_merge_and_has_its_own_status(api_server: ApiProcess) -> None:
    path = "/apis/podwire.dev/v1alpha1/clusters"
    body = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "lab"}, "spec": {"nodes": 2}}
    api_server.ok("POST", path, body)
    patch = {"status": {"podCIDRs": ["10.244.0.0/16"]}}
    assert api_server.ok("PATCH", f"{path}/lab/status", patch, {"Content-Type": MERGE})["status"] == patch["status"]
    assert api_server.request("PATCH", f"{path}/lab", {}, {"Content-Type": STRATEGIC})[0] == 415
    assert api_server.ok("GET", f"{path}/lab")["spec"] == {"nodes": 2}


def test_values_of_another_type_are_no_object_of_the_kind(api_server: ApiProcess) -> None:
    """What Kubernetes cannot decode is a bad request; of what a patch makes of an object it says that it is invalid."""
    wrong = {"metadata": {"name": "a"}, "data": {"a": True}}
    code, status = api_server.request("POST", CONFIG_MAPS, wrong)
    assert (code, status["reason"]) == (400, "BadRequest")
    assert status["message"].startswith('ConfigMap in version "v1" cannot be handled as a ConfigMap: data.a: is a bool')
    api_server.ok("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    assert api_server.request("PUT", f"{CONFIG_MAPS}/a", wrong)[0] == 400
    code, status = api_server.request(
        "PATCH", f"{CONFIG_MAPS}/a", {"data": {"a": True}}, headers={"Content-Type": MERGE}
    )
    assert (code, status["reason"]) == (422, "Invalid")


@pytest.mark.parametrize(("method", "options"), [("POST", "CreateOptions"), ("DELETE", "DeleteOptions")])
def test_an_unknown_kind_of_dry_run_does_nothing(api_server: ApiProcess, method: str, options: str) -> None:
    path = CONFIG_MAPS
    if method == "DELETE":
        api_server.ok("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
        path = f"{CONFIG_MAPS}/a"
    before = api_server.ok("GET", CONFIG_MAPS)["items"]
    body = {"metadata": {"name": "a"}} if method == "POST" else None
    code, status = api_server.request(method, f"{path}?dryRun=Some", body)
    assert code == 422
    why = 'dryRun: Unsupported value: "Some": supported values: "All"'
    assert status["message"] == f'{options}.meta.k8s.io "" is invalid: {why}'
    assert api_server.ok("GET", CONFIG_MAPS)["items"] == before
