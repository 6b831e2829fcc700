"""Kubernetes conformance, [sig-network] Networking, HostPort, EndpointSlice and EndpointSliceMirroring, by name.

What each demands is in Kubernetes' test/e2e/common/network/networking.go and test/e2e/network/{hostport,endpointslice,
endpointslicemirroring}.go.
"""

from __future__ import annotations

import json

import pytest
from cluster import Namespace, Raw, eventually, node_addresses, pod, service

pytestmark = pytest.mark.e2e
HTTP_PORT, UDP_PORT = 8083, 8081
SERVES = (("http", HTTP_PORT, "TCP"), ("udp", UDP_PORT, "UDP"))


def netserver_pods(ns: Namespace) -> dict[str, str]:
    """A server on every node; name -> address."""
    nodes = node_addresses(ns.lab)
    names = {node: f"netserver-{node}" for node in nodes}
    ns.create(*(pod(name, *SERVES, nodeName=node) for node, name in names.items()))
    ns.ready(*names.values())
    return {name: ns.get("pod", name)["status"]["podIP"] for name in names.values()}


def test_granular_checks_pods_should_function_for_intra_pod_communication_http(ns: Namespace) -> None:
    for name, address in netserver_pods(ns).items():
        assert ns.ask("execpod", f"{address}:{HTTP_PORT}/hostname") == name


def test_granular_checks_pods_should_function_for_intra_pod_communication_udp(ns: Namespace) -> None:
    for name, address in netserver_pods(ns).items():
        assert ns.ask_udp("execpod", address, UDP_PORT) == name


def test_granular_checks_pods_should_function_for_node_pod_communication_http(ns: Namespace) -> None:
    pods = netserver_pods(ns)
    ns.create(pod("host-test-container-pod", hostNetwork=True))
    ns.ready("host-test-container-pod")
    for place in ("host-test-container-pod", *node_addresses(ns.lab)):
        for name, address in pods.items():
            assert ns.ask(place, f"{address}:{HTTP_PORT}/hostname") == name


def test_granular_checks_pods_should_function_for_node_pod_communication_udp(ns: Namespace) -> None:
    pods = netserver_pods(ns)
    for place in node_addresses(ns.lab):
        for name, address in pods.items():
            assert ns.ask_udp(place, address, UDP_PORT) == name


def host_port_pod(name: str, host_ip: str, protocol: str) -> Raw:
    one = pod(name, ("serve", 8080, protocol), nodeName="node1")
    one["spec"]["containers"][0]["ports"][0] |= {"hostPort": 54323, "hostIP": host_ip}
    return one


def test_validates_that_there_is_no_conflict_between_pods_with_same_hostport_but_different_hostip_and_protocol(
    ns: Namespace,
) -> None:
    address = node_addresses(ns.lab)["node1"]
    ns.create(
        host_port_pod("pod1", "127.0.0.1", "TCP"),
        host_port_pod("pod2", address, "TCP"),
        host_port_pod("pod3", address, "UDP"),
        pod("e2e-host-exec", hostNetwork=True, nodeName="node1"),
    )
    ns.ready("pod1", "pod2", "pod3", "e2e-host-exec")
    local = ("--interface", address)
    assert ns.ask("e2e-host-exec", "127.0.0.1:54323/hostname", *local) == "pod1"
    assert ns.ask("e2e-host-exec", f"{address}:54323/hostname") == "pod2"
    assert ns.ask_udp("e2e-host-exec", address, 54323) == "pod3"
    assert ns.ask("execpod", f"{address}:54323/hostname") == "pod2"
    assert ns.ask("HOST", f"{address}:54323/hostname") == "pod2"
    assert ns.ask_udp("HOST", address, 54323) == "pod3"


def slices_of(ns: Namespace, name: str) -> list[Raw]:
    found: list[Raw] = ns.get("endpointslices", "-l", f"kubernetes.io/service-name={name}")["items"]
    return found


def served(ns: Namespace, name: str) -> set[tuple[str, str, int]]:
    """Pod, name of port and number of everything that a Service's slices hold."""
    return {
        (endpoint["targetRef"]["name"], port["name"], port["port"])
        for one in slices_of(ns, name)
        for endpoint in one.get("endpoints") or []
        for port in one["ports"] or []
        if endpoint["conditions"]["ready"]
    }


def test_should_create_and_delete_endpoints_and_endpointslices_for_a_service_with_a_selector_specified(
    ns: Namespace,
) -> None:
    nobody = {"does-not-match-anything": "endpoints-and-endpoint-slices-should-still"}
    ns.create(service("example-empty-selector", nobody, {"name": "example", "port": 80}))
    eventually(lambda: len(slices_of(ns, "example-empty-selector")), 1)
    eventually(lambda: ns.tries("get", "endpoints", "example-empty-selector").returncode, 0)
    ns.kubectl("delete", "service", "example-empty-selector")
    eventually(lambda: len(slices_of(ns, "example-empty-selector")), 0)
    eventually(lambda: ns.tries("get", "endpoints", "example-empty-selector").returncode, 1)


def test_should_create_endpoints_and_endpointslices_for_pods_matching_a_service(ns: Namespace) -> None:
    first = pod("pod1", ("example-name", 3000, "TCP"), labels={"foo": "bar", "both": "yes"})
    second = pod("pod2", ("example-name", 3001, "TCP"), ("other-port", 3002, "TCP"), labels={"both": "yes"})
    ns.create(first, second)
    ns.ready("pod1", "pod2")
    ns.create(
        service("example-int-port", {"foo": "bar"}, {"name": "example", "port": 80, "targetPort": 3000}),
        service(
            "example-named-port",
            {"both": "yes"},
            {"name": "http", "port": 80, "targetPort": "example-name"},
            {"name": "other", "port": 81, "targetPort": "other-port"},
        ),
        service("example-no-match", {"never": "matches"}, {"name": "example", "port": 80}),
    )
    eventually(lambda: served(ns, "example-int-port"), {("pod1", "example", 3000)})
    named = {("pod1", "http", 3000), ("pod2", "http", 3001), ("pod2", "other", 3002)}
    eventually(lambda: served(ns, "example-named-port"), named)
    eventually(lambda: len(slices_of(ns, "example-no-match")), 1)
    assert served(ns, "example-no-match") == set()
    ns.kubectl("delete", "pod", "pod2")
    eventually(lambda: served(ns, "example-named-port"), {("pod1", "http", 3000)})


def test_should_mirror_a_custom_endpoints_resource_through_create_update_and_delete(ns: Namespace) -> None:
    ns.create(service("example-custom-endpoints", None, {"name": "example", "port": 80}))
    raw: Raw = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "example-custom-endpoints"}}
    subset = {"ports": [{"port": 80}], "addresses": [{"ip": "10.1.2.3"}]}
    ns.create({**raw, "subsets": [subset]})

    def mirrored() -> list[tuple[list[str], int]]:
        return [
            (endpoint["addresses"], one["ports"][0]["port"])
            for one in slices_of(ns, "example-custom-endpoints")
            for endpoint in one.get("endpoints") or []
        ]

    eventually(mirrored, [(["10.1.2.3"], 80)])
    label = slices_of(ns, "example-custom-endpoints")[0]["metadata"]["labels"]
    assert label["endpointslice.kubernetes.io/managed-by"] == "endpointslicemirroring-controller.k8s.io"
    ns.patch(
        "endpoints",
        raw["metadata"]["name"],
        {"subsets": [{"ports": [{"port": 81}], "addresses": [{"ip": "10.2.3.4"}]}]},
    )
    eventually(mirrored, [(["10.2.3.4"], 81)])
    ns.kubectl("delete", "endpoints", "example-custom-endpoints")
    eventually(lambda: slices_of(ns, "example-custom-endpoints"), [])


def test_the_mirror_is_what_packets_follow(ns: Namespace) -> None:
    """Beyond conformance: a Service without a selector reaches what its hand-made Endpoints name."""
    ns.create(pod("server", ("serve", 9376, "TCP")), service("custom", None, {"name": "http", "port": 80}))
    ns.ready("server")
    address = ns.get("pod", "server")["status"]["podIP"]
    raw: Raw = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "custom"}}
    ports = [{"name": "http", "port": 9376}]
    ns.create({**raw, "subsets": [{"ports": ports, "addresses": [{"ip": address}]}]})
    url = f"{ns.get('service', 'custom')['spec']['clusterIP']}/hostname"
    eventually(lambda: ns.ask("execpod", url), "server")
    assert json.loads(ns.lab.kubectl("get", "endpoints", "custom", "-n", ns.name, "-o", "json"))["subsets"]
