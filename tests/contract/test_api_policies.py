"""Policies by kubectl: columns, descriptions, the administrator's kinds, and that what is refused changes nothing."""

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

ADMINISTRATORS = ("adminnetworkpolicies", "baselineadminnetworkpolicies", "clusternetworkpolicies")


@pytest.fixture(params=kubectls() or [pytest.param("", marks=pytest.mark.skip(reason="kubectl is not installed"))])
def kubectl(request: pytest.FixtureRequest, shared_api_server: ApiProcess, tmp_path: Path) -> Iterator[Kubectl]:
    yield Kubectl(request.param, shared_api_server, tmp_path)
    shared_api_server.ok("DELETE", "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies")
    for plural in ADMINISTRATORS:
        version = "v1alpha2" if plural.startswith("cluster") else "v1alpha1"
        shared_api_server.ok("DELETE", f"/apis/policy.networking.k8s.io/{version}/{plural}")


def policy(name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def administrators(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    version = "v1alpha2" if kind == "ClusterNetworkPolicy" else "v1alpha1"
    api_version = f"policy.networking.k8s.io/{version}"
    whole = {"subject": {"namespaces": {}}} | spec
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": whole}


def applied(kubectl: Kubectl, *objects: dict[str, Any]) -> str:
    return kubectl("apply", "-f", "-", given=yaml.safe_dump_all(objects))


def stored(kubectl: Kubectl, resource: str, name: str) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(kubectl("get", resource, name, "-o", "json"))
    return raw


# NetworkPolicies


def test_columns_and_description(kubectl: Kubectl) -> None:
    web = {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]}
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
    ingress = [{"from": [block, {"podSelector": web}], "ports": [{"port": 80, "endPort": 90}, {"port": "http"}]}]
    applied(kubectl, policy("a-web", podSelector=web, ingress=ingress), policy("b-all", podSelector={}))
    header, *rows = kubectl.rows("get", "netpol")
    assert header == ["NAME", "POD-SELECTOR", "AGE"]
    assert [row[:2] for row in rows] == [["a-web", "app=web,tier in (a,b)"], ["b-all", "<none>"]]
    lines = [line.strip() for line in kubectl("describe", "networkpolicy", "a-web").splitlines()]
    for line in (
        "PodSelector:     app=web,tier in (a,b)",
        "To Port: http/TCP",
        "CIDR: 10.0.0.0/8",
        "Except: 10.1.0.0/16",
        "PodSelector: app=web,tier in (a,b)",
        "Not affecting egress traffic",
        "Policy Types: Ingress",
    ):
        assert line in lines, lines


def test_the_server_fills_in_types_and_protocols(kubectl: Kubectl) -> None:
    applied(kubectl, policy("web", podSelector={}, egress=[{"ports": [{"port": 53}]}]))
    spec = stored(kubectl, "netpol", "web")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["egress"] == [{"ports": [{"port": 53, "protocol": "TCP"}]}]


@pytest.mark.parametrize("command", ["apply", "replace", "patch"])
def test_a_refused_update_leaves_the_old_policy_in_force(kubectl: Kubectl, command: str) -> None:
    applied(kubectl, policy("web", podSelector={}, ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]))
    before = stored(kubectl, "netpol", "web")
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["192.168.0.0/16"]}}
    wrong = policy("web", podSelector={}, ingress=[{"from": [block]}])
    if command == "patch":
        refused = kubectl.run("patch", "netpol", "web", "-p", json.dumps({"spec": wrong["spec"]}))
    else:
        refused = kubectl.run(command, "-f", "-", given=yaml.safe_dump(wrong))
    assert refused.returncode == 1
    said = 'The NetworkPolicy "web" is invalid: spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: '
    assert f'{said}"192.168.0.0/16": must be a strict subset of `cidr`' in refused.stderr
    assert stored(kubectl, "netpol", "web") == before


def test_the_status_names_each_field(kubectl: Kubectl) -> None:
    ports = [{"port": 90, "endPort": 80}, {"protocol": "ICMP"}]
    wrong = policy("x", podSelector={}, ingress=[{"from": [{}], "ports": ports}])
    code, status = kubectl.server.request(
        "POST", "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", wrong
    )
    assert (code, status["reason"], status["details"]["kind"]) == (422, "Invalid", "NetworkPolicy")
    assert [(cause["field"], cause["reason"]) for cause in status["details"]["causes"]] == [
        ("spec.ingress[0].ports[0].endPort", "FieldValueInvalid"),
        ("spec.ingress[0].ports[1].protocol", "FieldValueNotSupported"),
        ("spec.ingress[0].from[0]", "FieldValueRequired"),
    ]


def test_null_in_a_list_is_an_empty_peer_or_port(kubectl: Kubectl) -> None:
    path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
    code, status = kubectl.server.request("POST", path, policy("x", podSelector={}, ingress=[{"from": [None]}]))
    said = "spec.ingress[0].from[0]: Required value: must specify a peer"
    assert (code, status["message"]) == (422, f'NetworkPolicy.networking.k8s.io "x" is invalid: {said}')
    made = kubectl.server.ok("POST", path, policy("x", podSelector={}, egress=[{"ports": [None, {"port": 53}]}]))
    assert made["spec"]["egress"] == [{"ports": [{"protocol": "TCP"}, {"port": 53, "protocol": "TCP"}]}]


# Namespaces


def test_every_namespace_has_its_name_for_a_label(kubectl: Kubectl) -> None:
    label = "kubernetes.io/metadata.name=team"
    applied(kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})

    def labels() -> list[str]:
        [row] = [row for row in kubectl.rows("get", "ns", "--show-labels") if row[0] == "team"]
        return row[-1].split(",")

    assert labels() == [label]
    kubectl("label", "ns", "team", "tier=front")
    assert labels() == [label, "tier=front"]
    kubectl("label", "ns", "team", "kubernetes.io/metadata.name-")
    assert label in labels()
    kubectl("label", "--overwrite", "ns", "team", "kubernetes.io/metadata.name=other")
    assert label in labels()
    assert [row[0] for row in kubectl.rows("get", "ns", "-l", label)[1:]] == ["team"]
    kubectl(
        "replace",
        "-f",
        "-",
        given=yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}),
    )
    assert labels() == [label]


# An administrator's policies


def test_the_administrators_kinds_are_discovered(kubectl: Kubectl) -> None:
    rows = kubectl.rows("api-resources", "--api-group", "policy.networking.k8s.io", "--no-headers")
    assert {tuple(" ".join(row).split()) for row in rows} == {
        ("adminnetworkpolicies", "anp", "policy.networking.k8s.io/v1alpha1", "false", "AdminNetworkPolicy"),
        (
            "baselineadminnetworkpolicies",
            "banp",
            "policy.networking.k8s.io/v1alpha1",
            "false",
            "BaselineAdminNetworkPolicy",
        ),
        ("clusternetworkpolicies", "cnp", "policy.networking.k8s.io/v1alpha2", "false", "ClusterNetworkPolicy"),
    }


def test_the_columns_of_the_administrators_kinds(kubectl: Kubectl) -> None:
    applied(
        kubectl,
        administrators("AdminNetworkPolicy", "first", priority=0),
        administrators("BaselineAdminNetworkPolicy", "default"),
        administrators("ClusterNetworkPolicy", "both", tier="Baseline", priority=1000),
    )
    for short, header, row in (
        ("anp", ["NAME", "PRIORITY", "AGE"], ["first", "0"]),
        ("banp", ["NAME", "AGE"], ["default"]),
        ("cnp", ["NAME", "TIER", "PRIORITY", "AGE"], ["both", "Baseline", "1000"]),
    ):
        head, *rows = kubectl.rows("get", short)
        assert head == header
        assert [cells[:-1] for cells in rows] == [row]
    assert "Priority:  0" in " ".join(kubectl("describe", "anp", "first").split("\n"))


def test_an_administrators_policy_is_applied_patched_and_watched(kubectl: Kubectl) -> None:
    peer = {"namespaces": {"matchLabels": {"team": "a"}}}
    rules = [{"name": "web", "action": "Allow", "from": [peer], "ports": [{"portNumber": {"port": 80}}]}]
    made = administrators("AdminNetworkPolicy", "first", priority=5, ingress=rules)
    with kubectl.started("get", "anp", "-w", "--no-headers") as lines:
        assert "created" in applied(kubectl, made)
        wait_until(lambda: ["first", "5"] in [line.split()[:2] for line in lines], 20)
        first = stored(kubectl, "anp", "first")
        [port] = first["spec"]["ingress"][0]["ports"]
        assert port == {"portNumber": {"protocol": "TCP", "port": 80}}
        applied(kubectl, made)
        assert stored(kubectl, "anp", "first") == first
        port["portNumber"]["protocol"] = "TCP"
        rules[0]["ports"] = [port]
        applied(kubectl, made)
        assert "unchanged" in applied(kubectl, made)
        kubectl("patch", "anp", "first", "--type=merge", "-p", '{"spec": {"priority": 6}}')
        made["spec"]["ingress"].append({"action": "Deny", "from": [{"namespaces": {}}]})
        assert "configured" in applied(kubectl, made | {"spec": made["spec"] | {"priority": 6}})
        wait_until(lambda: ["first", "6"] in [line.split()[:2] for line in lines], 20)
    after = stored(kubectl, "anp", "first")
    assert [rule["action"] for rule in after["spec"]["ingress"]] == ["Allow", "Deny"]
    assert after["metadata"]["generation"] == first["metadata"]["generation"] + 2


@pytest.mark.parametrize(
    ("kind", "name", "wrong", "said"),
    [
        (
            "AdminNetworkPolicy",
            "x",
            {"priority": 1001},
            "spec.priority: Invalid value: 1001: spec.priority in body should be less than or equal to 1000",
        ),
        (
            "BaselineAdminNetworkPolicy",
            "x",
            {},
            'metadata.name: Invalid value: "x": Only one baseline admin network policy with metadata.name="default" '
            "can be created in the cluster",
        ),
        (
            "ClusterNetworkPolicy",
            "x",
            {"tier": "Platform", "priority": 1},
            'spec.tier: Unsupported value: "Platform": supported values: "Admin", "Baseline"',
        ),
        (
            "AdminNetworkPolicy",
            "x",
            {"priority": 1, "egress": [{"action": "Allow", "to": [{"domainNames": ["example.com"]}]}]},
            "spec.egress[0].to[0].domainNames: Forbidden: podwire does not match domain names, use `networks`",
        ),
    ],
)
def test_what_is_refused(kubectl: Kubectl, kind: str, name: str, wrong: dict[str, Any], said: str) -> None:
    refused = kubectl.run("create", "-f", "-", given=yaml.safe_dump(administrators(kind, name, **wrong)))
    assert refused.returncode == 1
    assert refused.stderr.strip() == f'The {kind} "{name}" is invalid: {said}'


def test_a_refused_update_of_an_administrators_policy_changes_nothing(kubectl: Kubectl) -> None:
    applied(kubectl, administrators("AdminNetworkPolicy", "first", priority=5))
    before = stored(kubectl, "anp", "first")
    for patch in ('{"spec": {"priority": 5000}}', '{"spec": {"subject": {"pods": {}}}}'):
        assert kubectl.run("patch", "anp", "first", "--type=merge", "-p", patch).returncode == 1
    assert stored(kubectl, "anp", "first") == before
