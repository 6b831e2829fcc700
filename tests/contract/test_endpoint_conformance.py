"""What Kubernetes' conformance tests ask of endpoints and host ports, named as they are: real server and controllers.

Source: test/e2e/network/{endpointslice,endpointslicemirroring,hostport}.go of kubernetes/kubernetes. What their packets
show is for the tests of the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_process import ApiProcess, wait_until
from controllers_process import Controllers
from fake_agent import FakeAgent

from k8sshim.client import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    NAMESPACES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Client,
    token_of,
)
from k8sshim.objects import EndpointSlice, Key, Raw

pytestmark = pytest.mark.contract


class Cluster:
    """API server, controllers and agent, and the questions that the tests ask."""

    def __init__(self, server: ApiProcess) -> None:
        self.client = Client(server.kubeconfig)
        self.agent = FakeAgent(self.client, 1)

    def slices(self, service: str) -> list[Raw]:
        return self.client.list(ENDPOINT_SLICES, "default", f"kubernetes.io/service-name={service}")[0]

    def served(self, service: str) -> dict[tuple[str, str, int], bool]:
        """Ready, by pod (or address), port name and number."""
        views = map(EndpointSlice.parse, self.slices(service))
        return {
            (endpoint.target.name if endpoint.target else endpoint.addresses[0], port.name, port.port): endpoint.ready
            for view in views
            for endpoint in view.endpoints
            for port in view.ports
        }

    def subsets(self, name: str) -> list[Raw] | None:
        found = self.client.get(ENDPOINTS, Key("default", name))
        return None if found is None else found.get("subsets") or []

    def node_of(self, pod: str) -> str:
        return str(((self.client.get(PODS, Key("default", pod)) or {})["spec"]).get("nodeName") or "")

    def unschedulable(self, pod: str) -> str:
        conditions = (self.client.get(PODS, Key("default", pod)) or {})["status"].get("conditions") or ()
        return next((each["message"] for each in conditions if each.get("reason") == "Unschedulable"), "")


@pytest.fixture
def cluster(api_server: ApiProcess) -> Iterator[Cluster]:
    cluster = Cluster(api_server)
    controllers = Controllers(api_server)
    try:
        with cluster.agent:
            yield cluster
        assert controllers.stop() == 0
        assert "Traceback" not in controllers.log.read_text()
    finally:
        controllers.kill()


def service(name: str, *ports: Raw, **spec: Any) -> Raw:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": list(ports), **spec}}


def pod(name: str, *ports: Raw, **labels: str) -> Raw:
    metadata = {"name": name, "namespace": "default", "labels": labels}
    containers = [{"name": "main", "image": "app", "ports": list(ports)}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def port(name: str, number: int, protocol: str = "TCP", **more: Any) -> Raw:
    return {"name": name, "containerPort": number, "protocol": protocol, **more}


def test_should_create_and_delete_endpoints_and_endpointslices_for_a_service_with_a_selector_specified(
    cluster: Cluster,
) -> None:
    cluster.client.create(SERVICES, service("empty", {"name": "http", "port": 80}, selector={"does-not-match": "any"}))
    wait_until(lambda: cluster.subsets("empty") == [] and len(cluster.slices("empty")) == 1)
    (only,) = cluster.slices("empty")
    assert only["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert only["endpoints"] == []
    cluster.client.delete(SERVICES, Key("default", "empty"))
    wait_until(lambda: cluster.subsets("empty") is None and not cluster.slices("empty"))


def test_should_create_endpoints_and_endpointslices_for_pods_matching_a_service(cluster: Cluster) -> None:
    cluster.client.create(PODS, pod("pod1", port("example", 3000), port("other", 3001, "UDP"), foo="bar"))
    cluster.client.create(PODS, pod("pod2", port("example", 3001), port("other", 3002, "UDP"), foo="bar", only="two"))
    example = {"name": "example", "port": 80, "targetPort": "example", "protocol": "TCP"}
    other = {"name": "other", "port": 80, "targetPort": "other", "protocol": "UDP"}
    cluster.client.create(SERVICES, service("one", example, selector={"only": "two"}))
    cluster.client.create(SERVICES, service("both", example, other, selector={"foo": "bar"}))
    wait_until(lambda: cluster.served("one") == {("pod2", "example", 3001): True})
    both = {("pod1", "example", 3000), ("pod1", "other", 3001), ("pod2", "example", 3001), ("pod2", "other", 3002)}
    wait_until(lambda: cluster.served("both") == dict.fromkeys(both, True))
    assert len(cluster.slices("both")) == 2
    wait_until(lambda: len(cluster.subsets("both") or ()) == 2 and len(cluster.subsets("one") or ()) == 1)
    cluster.client.delete(PODS, Key("default", "pod2"))
    wait_until(lambda: not cluster.served("one") and {each[0] for each in cluster.served("both")} == {"pod1"})


def test_should_mirror_a_custom_endpoints_resource_through_create_update_and_delete(cluster: Cluster) -> None:
    cluster.client.create(SERVICES, service("custom", {"name": "example", "port": 80, "protocol": "TCP"}))

    def by_hand(address: str, number: int) -> Raw:
        subset = {"addresses": [{"ip": address}], "ports": [{"name": "example", "port": number}]}
        metadata = {"name": "custom", "namespace": "default"}
        return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}

    made = cluster.client.create(ENDPOINTS, by_hand("10.1.2.3", 80))
    wait_until(lambda: cluster.served("custom") == {("10.1.2.3", "example", 80): True})
    (only,) = cluster.slices("custom")
    manager = only["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]
    assert manager == "endpointslicemirroring-controller.k8s.io"
    cluster.client.update(ENDPOINTS, {**made, "subsets": by_hand("10.2.3.4", 8080)["subsets"]})
    wait_until(lambda: cluster.served("custom") == {("10.2.3.4", "example", 8080): True})
    wait_until(lambda: len(cluster.slices("custom")) == 1)
    cluster.client.delete(ENDPOINTS, Key("default", "custom"))
    wait_until(lambda: not cluster.slices("custom"))


def test_validates_that_there_is_no_conflict_between_pods_with_same_hostport_but_different_hostip_and_protocol(
    cluster: Cluster,
) -> None:
    for name, address, protocol in (("a", "127.0.0.1", "TCP"), ("b", "172.18.0.2", "TCP"), ("c", "172.18.0.2", "UDP")):
        cluster.client.create(PODS, pod(name, port("p", 80, protocol, hostPort=54323, hostIP=address)))
        wait_until(lambda name=name: cluster.node_of(name) == "n1")  # type: ignore[misc]
    cluster.client.create(PODS, pod("d", port("p", 80, "UDP", hostPort=54323)))
    refused = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
    wait_until(lambda: cluster.unschedulable("d") == refused)
    cluster.client.delete(PODS, Key("default", "c"))
    wait_until(lambda: cluster.node_of("d") == "n1")


def test_every_namespace_has_a_service_account_default_which_has_tokens(cluster: Cluster) -> None:
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    cluster.client.create(NAMESPACES, shop)
    wait_until(lambda: cluster.client.get(SERVICE_ACCOUNTS, Key("shop", "default")) is not None)
    made = cluster.client.create(token_of("default"), {"metadata": {"name": "default", "namespace": "shop"}})
    assert made["status"]["token"].count(".") == 2
