"""Kubernetes conformance, [sig-network] Services: each test by its name, with real packets.

What each demands is in Kubernetes' test/e2e/network/service.go and test/e2e/network/endpoints.go.
"""

from __future__ import annotations

import json

import pytest
from cluster import Namespace, eventually, node_addresses, pod, service

pytestmark = pytest.mark.e2e
HTTP = {"name": "http", "port": 80, "targetPort": 9376}
SERVE = ("serve", 9376, "TCP")
APP = {"app": "serve-hostname"}
AFFINE_TRIES = 15  # as many answers as Kubernetes' tests want from one endpoint


def servers(ns: Namespace, count: int = 3) -> list[str]:
    """Pods behind the selector `APP`, ready."""
    names = [f"server-{number}" for number in range(1, count + 1)]
    ns.create(*(pod(name, SERVE, labels=APP) for name in names))
    ns.ready(*names)
    return names


def reached(ns: Namespace, url: str, *, of: list[str], source: str = "execpod") -> None:
    """Every server answers at that address, and nobody else."""
    found: set[str] = set()

    def names() -> set[str]:
        found.update(ns.ask_often(source, f"{url}/hostname", 10))
        return found

    eventually(names, set(of), f"who answers at {url}")


def address_of(ns: Namespace, name: str) -> str:
    address: str = ns.get("service", name)["spec"]["clusterIP"]
    return address


def endpoints_of(ns: Namespace, name: str) -> dict[str, list[int]]:
    """Address -> ports, as Endpoints tell."""
    subsets = ns.get("endpoints", name).get("subsets") or []
    return {
        each["ip"]: sorted(port["port"] for port in subset["ports"])
        for subset in subsets
        for each in subset.get("addresses") or []
    }


def test_should_be_able_to_change_the_type_from_ClusterIP_to_ExternalName(ns: Namespace) -> None:
    ns.create(service("clusterip-service", APP, HTTP), service("externalsvc", APP, HTTP))
    of = servers(ns)
    reached(ns, address_of(ns, "clusterip-service"), of=of)
    name = f"externalsvc.{ns.name}.svc.cluster.local"
    change = {"type": "ExternalName", "externalName": name, "clusterIP": None, "clusterIPs": None}
    ns.patch("service", "clusterip-service", {"spec": change})
    assert "clusterIP" not in ns.get("service", "clusterip-service")["spec"]
    eventually(lambda: cname(ns, "clusterip-service"), name)
    reached(ns, "clusterip-service", of=of)


def cname(ns: Namespace, name: str) -> str:
    done = ns.run("execpod", "dig", "+short", "+search", name, "CNAME")
    return done.stdout.strip().rstrip(".")


def test_should_be_able_to_change_the_type_from_ExternalName_to_ClusterIP(ns: Namespace) -> None:
    ns.create(service("externalname-service", None, type="ExternalName", externalName="foo.example.com"))
    assert "clusterIP" not in ns.get("service", "externalname-service")["spec"]
    of = servers(ns, 2)
    change = {"type": "ClusterIP", "externalName": None, "selector": APP, "ports": [HTTP]}
    ns.patch("service", "externalname-service", {"spec": change})
    reached(ns, address_of(ns, "externalname-service"), of=of)
    reached(ns, "externalname-service", of=of)


def test_should_be_able_to_change_the_type_from_ExternalName_to_NodePort(ns: Namespace) -> None:
    ns.create(service("externalname-service", None, type="ExternalName", externalName="foo.example.com"))
    of = servers(ns, 2)
    change = {"type": "NodePort", "externalName": None, "selector": APP, "ports": [HTTP]}
    ns.patch("service", "externalname-service", {"spec": change})
    node_port = ns.get("service", "externalname-service")["spec"]["ports"][0]["nodePort"]
    reached(ns, "externalname-service", of=of)
    for address in node_addresses(ns.lab).values():
        reached(ns, f"{address}:{node_port}", of=of)


def test_should_be_able_to_change_the_type_from_NodePort_to_ExternalName(ns: Namespace) -> None:
    ns.create(service("nodeport-service", APP, HTTP, type="NodePort"), service("externalsvc", APP, HTTP))
    of = servers(ns, 2)
    node_port = ns.get("service", "nodeport-service")["spec"]["ports"][0]["nodePort"]
    address = node_addresses(ns.lab)["node1"]
    reached(ns, f"{address}:{node_port}", of=of)
    name = f"externalsvc.{ns.name}.svc.cluster.local"
    change = {"type": "ExternalName", "externalName": name, "clusterIP": None, "clusterIPs": None, "ports": None}
    ns.patch("service", "nodeport-service", {"spec": change})
    assert "nodePort" not in json.dumps(ns.get("service", "nodeport-service"))
    eventually(lambda: cname(ns, "nodeport-service"), name)
    eventually(lambda: ns.ask("execpod", f"{address}:{node_port}/hostname"), "", "the node port of an ExternalName")
    reached(ns, "nodeport-service", of=of)


def test_should_be_able_to_create_a_functioning_NodePort_service(ns: Namespace) -> None:
    ns.create(service("nodeport-test", APP, HTTP, type="NodePort"))
    of = servers(ns, 2)
    node_port = ns.get("service", "nodeport-test")["spec"]["ports"][0]["nodePort"]
    reached(ns, address_of(ns, "nodeport-test"), of=of)
    for address in node_addresses(ns.lab).values():
        reached(ns, f"{address}:{node_port}", of=of)
        reached(ns, f"{address}:{node_port}", of=of, source="HOST")
        reached(ns, f"{address}:{node_port}", of=of, source="node1")


def sticks(ns: Namespace, url: str) -> bool:
    """Whether many connections reach one endpoint."""
    return len(set(ns.ask_often("execpod", f"{url}/hostname", AFFINE_TRIES))) == 1


def affinity(kind: str, name: str) -> dict[str, object]:
    return service(name, APP, HTTP, type=kind, sessionAffinity="ClientIP")


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort"])
def test_should_have_session_affinity_work_for_service_with_type(ns: Namespace, kind: str) -> None:
    ns.create(affinity(kind, "affinity"))
    servers(ns)
    for url in urls(ns, "affinity"):
        eventually(lambda url=url: sticks(ns, url), True, f"affinity at {url}")
        assert sticks(ns, url)


def urls(ns: Namespace, name: str) -> list[str]:
    """The Service's address, and its node ports where it has any."""
    node_port = ns.get("service", name)["spec"]["ports"][0].get("nodePort")
    ports = [f"{address}:{node_port}" for address in node_addresses(ns.lab).values()] if node_port else []
    return [address_of(ns, name), *ports]


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort"])
def test_should_be_able_to_switch_session_affinity_for_service_with_type(ns: Namespace, kind: str) -> None:
    ns.create(affinity(kind, "transition"))
    servers(ns)
    for url in urls(ns, "transition"):
        eventually(lambda url=url: sticks(ns, url), True, f"affinity at {url}")
    ns.patch("service", "transition", {"spec": {"sessionAffinity": "None", "sessionAffinityConfig": None}})
    for url in urls(ns, "transition"):
        eventually(lambda url=url: sticks(ns, url), False, f"no affinity at {url}")
    ns.patch("service", "transition", {"spec": {"sessionAffinity": "ClientIP"}})
    for url in urls(ns, "transition"):
        eventually(lambda url=url: sticks(ns, url), True, f"affinity again at {url}")


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort"])
def test_should_have_session_affinity_timeout_work_for_service_with_type(ns: Namespace, kind: str) -> None:
    """Not conformance, but of the same file: two seconds after its last connection a client may go elsewhere."""
    config = {"clientIP": {"timeoutSeconds": 2}}
    ns.create(service("timeout", APP, HTTP, type=kind, sessionAffinity="ClientIP", sessionAffinityConfig=config))
    servers(ns)
    url = urls(ns, "timeout")[-1]
    eventually(lambda: sticks(ns, url), True, "affinity")
    seen: set[str] = set()

    def moved() -> bool:
        ns.run("execpod", "sleep", "3.5")
        seen.add(ns.ask("execpod", f"{url}/hostname"))
        return len(seen) > 1

    eventually(moved, True, "affinity ends", 180)


def test_should_complete_a_service_status_lifecycle(ns: Namespace) -> None:
    ns.create(service("status", None, HTTP, type="LoadBalancer", loadBalancerClass="example.com/none"))
    base = f"/api/v1/namespaces/{ns.name}/services/status/status"
    assert json.loads(ns.kubectl("get", "--raw", base))["kind"] == "Service"
    ingress = {"loadBalancer": {"ingress": [{"ip": "203.0.113.77"}]}}
    ns.patch("service", "status", {"metadata": {"annotations": {"patched": "true"}}, "status": ingress},
             "--subresource=status")  # fmt: skip
    one = ns.get("service", "status")
    assert one["metadata"]["annotations"]["patched"] == "true"
    assert one["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.77"
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
    one["status"]["conditions"] = [condition]
    ns.kubectl("replace", "--raw", base, "-f", "-", text=json.dumps(one))
    assert ns.get("service", "status")["status"]["conditions"] == [condition]
    ns.patch("service", "status", {"metadata": {"labels": {"test-service": "patched"}}})
    assert ns.get("service", "status")["metadata"]["labels"]["test-service"] == "patched"
    ns.kubectl("delete", "service", "status")
    assert ns.tries("get", "service", "status").returncode == 1


def test_should_delete_a_collection_of_services(ns: Namespace) -> None:
    ns.create(*(service(f"e2e-svc-{letter}", None, {**HTTP, "port": 8000 + at}) for at, letter in enumerate("abc")))
    ns.kubectl("label", "service", "e2e-svc-a", "e2e-svc-b", "keep=no")
    ns.kubectl("delete", "--raw", f"/api/v1/namespaces/{ns.name}/services?labelSelector=keep%3Dno")
    assert ns.kubectl("get", "services", "-o", "name").split() == ["service/e2e-svc-c"]


def test_should_find_a_service_from_listing_all_namespaces(ns: Namespace) -> None:
    ns.create(service("findme", None, HTTP))
    found = json.loads(ns.kubectl("get", "services", "--all-namespaces", "-o", "json"))["items"]
    assert (ns.name, "findme") in {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found}
    assert ("default", "kubernetes") in {(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found}


def test_should_provide_secure_master_service(ns: Namespace) -> None:
    one = json.loads(ns.lab.kubectl("get", "service", "kubernetes", "-n", "default", "-o", "json"))
    assert [(port["port"], port["protocol"]) for port in one["spec"]["ports"]] == [(443, "TCP")]
    url = f"https://{one['spec']['clusterIP']}/readyz"
    done = ns.run("execpod", "curl", "-sk", "--max-time", "3", "-o", "/dev/null", "-w", "%{http_code}", url)
    assert done.stdout == "401"  # it is the API server, and nobody is served without credentials


def test_should_serve_a_basic_endpoint_from_pods(ns: Namespace) -> None:
    ns.create(service("endpoint-test2", APP, HTTP))
    eventually(lambda: endpoints_of(ns, "endpoint-test2"), {})
    names = ["server-1", "server-2"]
    for name in names:
        ns.create(pod(name, SERVE, labels=APP))
    ns.ready(*names)
    addresses = {name: ns.get("pod", name)["status"]["podIP"] for name in names}
    eventually(lambda: endpoints_of(ns, "endpoint-test2"), {address: [9376] for address in addresses.values()})
    reached(ns, "endpoint-test2", of=names)
    ns.kubectl("delete", "pod", "server-1")
    eventually(lambda: endpoints_of(ns, "endpoint-test2"), {addresses["server-2"]: [9376]})
    assert set(ns.ask_often("execpod", "endpoint-test2/hostname", 10)) == {"server-2"}
    ns.kubectl("delete", "pod", "server-2")
    eventually(lambda: endpoints_of(ns, "endpoint-test2"), {})


def test_should_serve_endpoints_on_same_port_and_different_protocols(ns: Namespace) -> None:
    tcp, udp = ({"name": name, "port": 80, "targetPort": 9376, "protocol": name.upper()} for name in ("tcp", "udp"))
    ns.create(service("multiprotocol", APP, tcp, udp))
    ns.create(pod("both", SERVE, ("serve-udp", 9376, "UDP"), labels=APP))
    ns.ready("both")
    address = address_of(ns, "multiprotocol")
    eventually(lambda: ns.ask("execpod", f"{address}/hostname"), "both")
    eventually(lambda: ns.ask_udp("execpod", address, 80), "both")
    ns.patch("service", "multiprotocol", {"spec": {"ports": [tcp]}})
    eventually(lambda: ns.ask_udp("execpod", address, 80), "refused", "UDP, which is not served any more")
    assert ns.ask("execpod", f"{address}/hostname") == "both"


def test_should_serve_multiport_endpoints_from_pods(ns: Namespace) -> None:
    one = {"name": "portname1", "port": 80, "targetPort": "portname1"}
    two = {"name": "portname2", "port": 81, "targetPort": "portname2"}
    ns.create(service("multi-endpoint-test", APP, one, two))
    ns.create(pod("pod1", ("portname1", 100, "TCP"), labels=APP), pod("pod2", ("portname2", 101, "TCP"), labels=APP))
    ns.ready("pod1", "pod2")
    addresses = {name: ns.get("pod", name)["status"]["podIP"] for name in ("pod1", "pod2")}
    eventually(lambda: endpoints_of(ns, "multi-endpoint-test"), {addresses["pod1"]: [100], addresses["pod2"]: [101]})
    eventually(lambda: ns.ask("execpod", "multi-endpoint-test:80/hostname"), "pod1")
    eventually(lambda: ns.ask("execpod", "multi-endpoint-test:81/hostname"), "pod2")
    ns.kubectl("delete", "pod", "pod1")
    eventually(lambda: endpoints_of(ns, "multi-endpoint-test"), {addresses["pod2"]: [101]})


def test_should_test_the_lifecycle_of_an_Endpoint(ns: Namespace) -> None:
    subset = {"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    raw = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "testservice", "labels": {"test": "life"}}}
    ns.create({**raw, "subsets": [subset]})
    listed = json.loads(ns.kubectl("get", "endpoints", "-A", "-l", "test=life", "-o", "json"))["items"]
    assert [each["metadata"]["name"] for each in listed] == ["testservice"]
    one = ns.get("endpoints", "testservice")
    one["metadata"]["labels"]["test-updated"] = "yes"
    ns.kubectl("replace", "-f", "-", text=json.dumps(one))
    ns.patch("endpoints", "testservice", {"subsets": [{**subset, "addresses": [{"ip": "10.0.0.25"}]}]})
    one = ns.get("endpoints", "testservice")
    assert one["metadata"]["labels"] == {"test": "life", "test-updated": "yes"}
    assert one["subsets"][0]["addresses"][0]["ip"] == "10.0.0.25"
    ns.kubectl("delete", "endpoints", "-l", "test=life")
    assert ns.tries("get", "endpoints", "testservice").returncode == 1
