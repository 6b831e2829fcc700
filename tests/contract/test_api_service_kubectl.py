"""Services by kubectl: columns, descriptions, the commands that make and change them, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_process import ApiProcess, wait_until
from kubectl_process import Kubectl, kubectls

pytestmark = pytest.mark.contract

RANGE = "The range of valid ports is 30000-32767"


@pytest.fixture(params=kubectls() or [pytest.param("", marks=pytest.mark.skip(reason="kubectl is not installed"))])
def kubectl(request: pytest.FixtureRequest, shared_api_server: ApiProcess, tmp_path: Path) -> Iterator[Kubectl]:
    yield Kubectl(request.param, shared_api_server, tmp_path)
    for kind in ("services", "endpoints", "pods"):
        shared_api_server.ok("DELETE", f"/api/v1/namespaces/default/{kind}")


def service(name: str, **spec: Any) -> dict[str, Any]:
    plain = {"selector": {"app": name}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": plain | spec}


def applied(kubectl: Kubectl, *objects: dict[str, Any]) -> None:
    kubectl("apply", "-f", "-", given=yaml.safe_dump_all(objects))


def spec_of(kubectl: Kubectl, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(kubectl("get", "svc", name, "-o", "json"))["spec"]
    return spec


def test_columns(kubectl: Kubectl) -> None:
    ports = [{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 53, "protocol": "UDP"}]
    applied(
        kubectl,
        service("a-plain", clusterIP="10.96.1.1"),
        service("b-node", clusterIP="10.96.1.2", type="NodePort", ports=[ports[0], ports[1] | {"nodePort": 30053}]),
        service("c-balanced", clusterIP="10.96.1.3", type="LoadBalancer", ports=[{"port": 80, "nodePort": 30081}]),
        service("d-named", type="ExternalName", externalName="example.com", ports=None, selector=None),
        service("e-headless", clusterIP="None", selector=None),
        service("f-outside", clusterIP="10.96.1.6", externalIPs=["192.0.2.7"]),
    )
    header, *rows = kubectl.rows("get", "svc")
    assert header == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert [row[:5] for row in rows] == [
        ["a-plain", "ClusterIP", "10.96.1.1", "<none>", "80/TCP"],
        ["b-node", "NodePort", "10.96.1.2", "<none>", "80:30080/TCP,53:30053/UDP"],
        ["c-balanced", "LoadBalancer", "10.96.1.3", "<pending>", "80:30081/TCP"],
        ["d-named", "ExternalName", "<none>", "example.com", "<none>"],
        ["e-headless", "ClusterIP", "None", "<none>", "80/TCP"],
        ["f-outside", "ClusterIP", "10.96.1.6", "192.0.2.7", "80/TCP"],
    ]
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.1"}]}}}
    path = "/api/v1/namespaces/default/services/c-balanced/status"
    kubectl.server.ok("PATCH", path, status, {"Content-Type": "application/merge-patch+json"})
    assert kubectl.rows("get", "svc", "c-balanced")[1][3] == "198.51.100.1"
    header, *rows = kubectl.rows("get", "svc", "-o", "wide")
    assert (header[-1], rows[0][-1], rows[4][-1]) == ("SELECTOR", "app=a-plain", "<none>")
    assert len(kubectl.rows("get", "svc", "-A", "--field-selector", "spec.type=LoadBalancer")) == 2


def test_describe(kubectl: Kubectl) -> None:
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "loadBalancerSourceRanges": ["203.0.113.0/24"]}
    affinity = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}}
    applied(kubectl, service("web", clusterIP="10.96.1.1", **local, **affinity))
    lines = dict(line.split(":", 1) for line in kubectl("describe", "svc", "web").splitlines() if ":" in line)
    described = {name.strip(): value.strip() for name, value in lines.items()}
    spec = spec_of(kubectl, "web")
    assert (described["Type"], described["IP"], described["Selector"]) == ("LoadBalancer", "10.96.1.1", "app=web")
    assert described["NodePort"].split() == ["<unset>", f"{spec['ports'][0]['nodePort']}/TCP"]
    assert described["HealthCheck NodePort"] == str(spec["healthCheckNodePort"])
    assert (described["Session Affinity"], described["External Traffic Policy"]) == ("ClientIP", "Local")
    assert described["LoadBalancer Source Ranges"] == "203.0.113.0/24"


def test_expose_and_create(kubectl: Kubectl) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}}}
    applied(kubectl, pod | {"spec": {"containers": [{"name": "main", "image": "x:1"}]}})
    assert "exposed" in kubectl("expose", "pod", "web", "--port=80", "--target-port=8080", "--type=NodePort")
    spec = spec_of(kubectl, "web")
    assert (spec["type"], spec["selector"], spec["ports"][0]["targetPort"]) == ("NodePort", {"app": "web"}, 8080)
    for arguments, kind in (
        (("clusterip", "a", "--tcp=80:8080"), "ClusterIP"),
        (("nodeport", "b", "--tcp=80", "--node-port=30123"), "NodePort"),
        (("loadbalancer", "c", "--tcp=80"), "LoadBalancer"),
        (("externalname", "d", "--external-name", "example.com"), "ExternalName"),
        (("clusterip", "e", "--clusterip=None"), "ClusterIP"),
    ):
        made = kubectl("create", "service", *arguments, "--dry-run=client", "-o", "yaml")
        assert "created" in kubectl("create", "-f", "-", given=made)
        assert spec_of(kubectl, arguments[1])["type"] == kind
    assert spec_of(kubectl, "b")["ports"][0]["nodePort"] == 30123


def test_types_change_by_patch_apply_and_replace(kubectl: Kubectl) -> None:
    applied(kubectl, service("web"))
    named = {"spec": {"type": "ExternalName", "externalName": "example.com"}}
    kubectl("patch", "svc", "web", "-p", json.dumps(named))
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & set(spec_of(kubectl, "web"))
    applied(kubectl, service("web", type="NodePort"))
    spec = spec_of(kubectl, "web")
    assert spec["clusterIP"].startswith("10.96.")
    assert spec["ports"][0]["nodePort"] >= 30000
    kubectl("replace", "-f", "-", given=yaml.safe_dump(service("web", type="LoadBalancer")))
    after = spec_of(kubectl, "web")
    assert (after["clusterIP"], after["ports"]) == (spec["clusterIP"], spec["ports"])
    kubectl(
        "patch", "svc", "web", "--type=json", "-p", '[{"op": "replace", "path": "/spec/type", "value": "ClusterIP"}]'
    )
    plain = spec_of(kubectl, "web")
    assert "nodePort" not in plain["ports"][0]
    assert "externalTrafficPolicy" not in plain


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]},
            "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated",
        ),
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]},
            f"spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. {RANGE}",
        ),
        (
            {"clusterIP": "10.96.0.10"},
            'spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: '
            "provided IP is already allocated",
        ),
        (
            {"clusterIP": "1.2.3.4"},
            'spec.clusterIPs: Invalid value: ["1.2.3.4"]: failed to allocate IP 1.2.3.4: the provided IP (1.2.3.4) is '
            "not in the valid range. The range of valid IPs is 10.96.0.0/16",
        ),
        (
            {"type": "ExternalName", "externalName": "-x"},
            'spec.externalName: Invalid value: "-x": a lowercase RFC 1123 subdomain must consist of lower case',
        ),
        (
            {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]},
            'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,',
        ),
        ({"ports": None}, "spec.ports: Required value"),
        (
            {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}},
            "timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400",
        ),
        (
            {"type": "Local"},
            'spec.type: Unsupported value: "Local": supported values: '
            '"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
        ),
        (
            {"externalIPs": ["127.0.0.1"]},
            'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
        ),
    ],
)
def test_what_is_refused(kubectl: Kubectl, wrong: dict[str, Any], said: str) -> None:
    taken = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}], "clusterIP": "10.96.0.10"}
    applied(kubectl, service("first", **taken))
    refused = kubectl.run("create", "-f", "-", given=yaml.safe_dump(service("x", **wrong)))
    assert refused.returncode == 1
    lines = refused.stderr.strip().splitlines()
    assert [line.startswith('The Service "x" is invalid: ') for line in lines] == [True]
    assert said in lines[0]


def test_several_mistakes_are_told_one_a_line(kubectl: Kubectl) -> None:
    wrong = service("x", ports=[{"port": 0}, {"port": 80, "protocol": "IP"}])
    lines = kubectl.run("create", "-f", "-", given=yaml.safe_dump(wrong)).stderr.strip().splitlines()
    assert lines == [
        'The Service "x" is invalid: ',
        "* spec.ports[0].name: Required value",
        "* spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
        "* spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
        "* spec.ports[1].name: Required value",
        '* spec.ports[1].protocol: Unsupported value: "IP": supported values: "SCTP", "TCP", "UDP"',
    ]


def test_hand_made_endpoints_at_loopback_are_refused(kubectl: Kubectl) -> None:
    metadata = {"name": "x", "labels": {"kubernetes.io/service-name": "x"}}
    of_slice = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata}
    of_slice |= {"addressType": "IPv4", "endpoints": [{"addresses": ["127.0.0.1"]}], "ports": [{"port": 80}]}
    legacy = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "x"}}
    legacy["subsets"] = [{"addresses": [{"ip": "169.254.1.1"}], "ports": [{"port": 80}]}]
    said = [kubectl.run("create", "-f", "-", given=yaml.safe_dump(raw)).stderr.strip() for raw in (of_slice, legacy)]
    assert said == [
        'The EndpointSlice "x" is invalid: endpoints[0].addresses[0]: Invalid value: "127.0.0.1": '
        "may not be in the loopback range (127.0.0.0/8, ::1/128)",
        'The Endpoints "x" is invalid: subsets[0].addresses[0].ip: Invalid value: "169.254.1.1": '
        "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
    ]


def test_a_service_is_found_in_all_namespaces_and_deleted_with_others_by_label(kubectl: Kubectl) -> None:
    labelled = service("web")
    labelled["metadata"]["labels"] = {"tier": "front"}
    applied(kubectl, labelled, service("other"))
    assert ["default", "web"] in [row[:2] for row in kubectl.rows("get", "svc", "--all-namespaces")]
    with kubectl.started("get", "svc", "-w", "-o", "name") as lines:
        wait_until(lambda: len(lines) >= 2, 20)
        assert kubectl("delete", "svc", "-l", "tier=front").strip().startswith('service "web" deleted')
    assert kubectl("get", "svc", "-o", "name").split() == ["service/other"]
