"""Services, Endpoints and EndpointSlices by every verb of the API, as Kubernetes' conformance tests go through them.

Named after the tests of `[sig-network]`: "should complete a service status lifecycle", "should delete a collection of
services", "should find a service from listing all namespaces", "should test the lifecycle of an Endpoint", "should
have Endpoints and EndpointSlices pointing to API Server".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_process import MERGE, STRATEGIC, ApiProcess, wait_until

from k8sshim.cluster import Cluster, Host

pytestmark = pytest.mark.contract

SERVICES = "/api/v1/namespaces/default/services"
ENDPOINTS = "/api/v1/namespaces/default/endpoints"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
HOST = Host("control-plane", "border", 2, "0a:58:ac:1e:00:fe", ("172.30.0.254",), "172.30.0.0/24", "172.30.0.1")
CLUSTER = {
    "apiVersion": "podwire.dev/v1alpha1",
    "kind": "Cluster",
    "metadata": {"name": "lab"},
    "status": Cluster("lab", (), ("10.96.0.0/16",), (), 1500, (), (), hosts=(HOST,)).status,
}


def service(name: str, label: str = "", **spec: Any) -> dict[str, Any]:
    labels = {"e2e": label} if label else {}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"ports": [{"port": 80}]} | spec}


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


def next_event(events: Iterator[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """The object of the next event of that type and name."""
    found: dict[str, Any] = next(
        event["object"] for event in events if (event["type"], event["object"]["metadata"]["name"]) == (kind, name)
    )
    return found


def test_a_service_status_lifecycle(api_server: ApiProcess) -> None:
    path = f"{SERVICES}/web"
    with api_server.watch(f"{SERVICES}?watch=1&labelSelector=e2e%3Dstatus") as events:
        created = api_server.ok(
            "POST",
            SERVICES,
            service("web", "status", type="LoadBalancer", loadBalancerClass="example.com/internal-vip"),
        )
        assert next_event(events, "ADDED", "web")["spec"]["loadBalancerClass"] == "example.com/internal-vip"

        change = {
            "metadata": {"annotations": {"patchedstatus": "true"}},
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}},
        }
        patched = api_server.ok("PATCH", f"{path}/status", change, {"Content-Type": MERGE})
        assert patched["status"]["loadBalancer"] == {"ingress": [{"ip": "203.0.113.1", "ipMode": "VIP"}]}
        assert next_event(events, "MODIFIED", "web")["metadata"]["annotations"] == {"patchedstatus": "true"}

        current = api_server.ok("GET", f"{path}/status")
        assert current == patched
        assert current["spec"] == created["spec"]
        condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
        condition["lastTransitionTime"] = "2024-05-06T07:08:09Z"
        current["status"]["conditions"] = [condition]
        assert api_server.ok("PUT", f"{path}/status", current)["status"]["conditions"] == [condition]
        assert next_event(events, "MODIFIED", "web")["status"]["conditions"] == [condition]
        assert api_server.request("PUT", f"{path}/status", current)[0] == 409

        labels = {"metadata": {"labels": {"test-service": "patched"}}}
        api_server.ok("PATCH", path, labels, {"Content-Type": STRATEGIC})
        assert next_event(events, "MODIFIED", "web")["status"]["conditions"] == [condition]
        api_server.ok("DELETE", path)
        assert next_event(events, "DELETED", "web")


def test_a_collection_of_services_is_deleted(api_server: ApiProcess) -> None:
    for name, label in (("a", "yes"), ("b", "yes"), ("c", "no")):
        api_server.ok("POST", SERVICES, service(name, label, type="NodePort", ports=[{"port": 80}]))
    addresses = {item["spec"]["clusterIP"] for item in api_server.ok("GET", SERVICES)["items"]}
    assert len(addresses) == 3
    assert names(api_server.ok("DELETE", f"{SERVICES}?labelSelector=e2e%3Dyes")["items"]) == ["a", "b"]
    assert names(api_server.ok("GET", SERVICES)["items"]) == ["c"]
    left = api_server.ok("GET", f"{SERVICES}/c")["spec"]["clusterIP"]
    for number, address in enumerate(sorted(addresses - {left})):
        api_server.ok("POST", SERVICES, service(f"again-{number}", clusterIP=address))


def test_a_service_is_found_from_listing_all_namespaces(api_server: ApiProcess) -> None:
    api_server.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
    api_server.ok("POST", "/api/v1/namespaces/team/services", service("web"))
    items = api_server.ok("GET", "/api/v1/services")["items"]
    assert [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items] == [("team", "web")]


def test_the_lifecycle_of_an_endpoint(api_server: ApiProcess) -> None:
    raw = {"metadata": {"name": "testservice", "labels": {"e2e": "endpoint"}}}
    port = {"name": "http", "port": 80, "protocol": "TCP"}
    raw |= {"subsets": [{"addresses": [{"ip": "10.0.0.24"}], "ports": [port]}]}
    with api_server.watch(f"{ENDPOINTS}?watch=1&labelSelector=e2e%3Dendpoint") as events:
        api_server.ok("POST", ENDPOINTS, raw)
        assert next_event(events, "ADDED", "testservice")
        assert names(api_server.ok("GET", "/api/v1/endpoints?labelSelector=e2e%3Dendpoint")["items"]) == ["testservice"]

        current = api_server.ok("GET", f"{ENDPOINTS}/testservice")
        current["metadata"]["labels"]["updated"] = "yes"
        api_server.ok("PUT", f"{ENDPOINTS}/testservice", current)
        assert next_event(events, "MODIFIED", "testservice")["metadata"]["labels"]["updated"] == "yes"

        changed = {"subsets": [{"addresses": [{"ip": "10.0.0.25"}], "ports": [port | {"port": 8080}]}]}
        api_server.ok("PATCH", f"{ENDPOINTS}/testservice", changed, {"Content-Type": STRATEGIC})
        assert next_event(events, "MODIFIED", "testservice")["subsets"] == changed["subsets"]

        api_server.ok("DELETE", f"{ENDPOINTS}?labelSelector=e2e%3Dendpoint")
        assert next_event(events, "DELETED", "testservice")
    assert api_server.request("GET", f"{ENDPOINTS}/testservice")[0] == 404


def test_endpoint_slices_by_every_verb(api_server: ApiProcess) -> None:
    metadata = {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}
    raw = {"metadata": metadata, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.24"]}]}
    api_server.ok("POST", SLICES, raw | {"ports": [{"name": "http", "port": 80}]})
    stored = api_server.ok("GET", f"{SLICES}/web-1")
    assert stored["ports"] == [{"name": "http", "port": 80, "protocol": "TCP"}]
    change = {"endpoints": [{"addresses": ["10.0.0.25"], "conditions": {"ready": False}}]}
    api_server.ok("PATCH", f"{SLICES}/web-1", change, {"Content-Type": MERGE})
    other = {"addressType": "IPv6", "endpoints": [{"addresses": ["fd00::1"]}]}
    code, status = api_server.request("PATCH", f"{SLICES}/web-1", other, {"Content-Type": MERGE})
    assert (code, status["details"]["causes"][0]["field"]) == (422, "addressType")
    api_server.ok("DELETE", f"{SLICES}?labelSelector=kubernetes.io%2Fservice-name%3Dweb")
    assert api_server.ok("GET", SLICES)["items"] == []


def test_a_refusal_has_a_cause_for_each_mistake(api_server: ApiProcess) -> None:
    ports = [{"name": "a", "port": 80}, {"name": "a", "port": 0, "protocol": "IP"}, {"port": 81}]
    code, status = api_server.request("POST", SERVICES, service("web", ports=ports))
    assert (code, status["reason"], status["details"]["kind"]) == (422, "Invalid", "Service")
    assert [(cause["field"], cause["reason"]) for cause in status["details"]["causes"]] == [
        ("spec.ports[1].name", "FieldValueDuplicate"),
        ("spec.ports[1].port", "FieldValueInvalid"),
        ("spec.ports[1].protocol", "FieldValueNotSupported"),
        ("spec.ports[1].targetPort", "FieldValueInvalid"),
        ("spec.ports[2].name", "FieldValueRequired"),
    ]
    assert status["message"].startswith('Service "web" is invalid: [spec.ports[1].name: Duplicate value: "a", ')


@pytest.fixture
def lab_server(tmp_path: Path) -> Iterator[ApiProcess]:
    server = ApiProcess(tmp_path, bootstrap=[CLUSTER])
    try:
        server.start()
        yield server
    finally:
        server.close()


def test_endpoints_and_slices_point_to_the_api_server(lab_server: ApiProcess) -> None:
    stored = lab_server.ok("GET", f"{SERVICES}/kubernetes")
    assert (stored["spec"]["clusterIP"], stored["spec"]["ports"][0]["port"]) == ("10.96.0.1", 443)
    [subset] = lab_server.ok("GET", f"{ENDPOINTS}/kubernetes")["subsets"]
    assert (subset["addresses"], subset["ports"][0]["port"]) == ([{"ip": "172.30.0.254"}], 6443)
    [of_slice] = lab_server.ok("GET", f"{SLICES}?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes")["items"]
    assert of_slice["endpoints"][0]["addresses"] == ["172.30.0.254"]
    lab_server.restart()
    assert lab_server.ok("GET", f"{SERVICES}/kubernetes") == stored


def test_the_service_kubernetes_comes_back(lab_server: ApiProcess) -> None:
    before = lab_server.ok("GET", f"{SERVICES}/kubernetes")
    lab_server.ok("DELETE", f"{SERVICES}/kubernetes")
    wait_until(lambda: lab_server.request("GET", f"{SERVICES}/kubernetes")[0] == 200)
    after = lab_server.ok("GET", f"{SERVICES}/kubernetes")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"] == before["spec"]
