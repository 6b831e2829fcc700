"""Lint's checks, each with what it must find and what looks like it and is none."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.policy.linting import lint
from experiments.policy.linting_cover import block_within, selector_covers
from k8sshim.manifests.documents import Document
from k8sshim.objects import Raw
from k8sshim.selectors import Selector

pytestmark = pytest.mark.unit
NAMED = "kubernetes.io/metadata.name"
WEB, DB = {"podSelector": {"matchLabels": {"app": "web"}}}, {"podSelector": {"matchLabels": {"app": "db"}}}


def policy(name: str = "p", selected: Raw | None = None, namespace: str = "shop", **spec: Any) -> Raw:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": selected or {}, **spec},
    }


def pod(name: str, namespace: str = "shop", *ports: tuple[str, int, str], **spec: Any) -> Raw:
    declared = [{"name": label, "containerPort": number, "protocol": kind} for label, number, kind in ports]
    metadata = {"name": name, "namespace": namespace, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"containers": [{"ports": declared}], **spec}}  # fmt: skip


def namespace(name: str, **labels: str) -> Raw:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def service(name: str, port: int, target: int | str, protocol: str = "TCP") -> Raw:
    ports = [{"port": port, "targetPort": target, "protocol": protocol}]
    spec = {"selector": {"app": name}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def found(*objects: Raw) -> list[tuple[str, str, str]]:
    """Policy, check and field of each finding."""
    documents = [Document(raw, "x.yaml", number) for number, raw in enumerate(objects, 1)]
    return [(one.problem.object.rpartition("/")[2], one.check, one.problem.field) for one in lint(documents).findings]


def checks(*objects: Raw) -> set[str]:
    return {check for _, check, _ in found(*objects)}


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        ([{"namespaceSelector": {}}, WEB], True),
        ([WEB, {"namespaceSelector": {"matchLabels": {"a": "b"}}}], True),
        ([{"ipBlock": {"cidr": "192.0.2.0/24"}}, {"namespaceSelector": {}}, WEB], True),
        ([{"namespaceSelector": {}, **WEB}], False),
        ([{"namespaceSelector": {}, **WEB}, WEB], False),
        ([{"podSelector": {}}, {"namespaceSelector": {"matchLabels": {"a": "b"}}}], False),
        ([{"namespaceSelector": {}}, {"ipBlock": {"cidr": "192.0.2.0/24"}}, WEB], False),
        ([WEB, DB], False),
    ],
)
def test_or_for_and(peers: list[Raw], expected: bool) -> None:
    assert ("or-for-and" in checks(policy(ingress=[{"from": peers}]))) is expected
    assert ("or-for-and" in checks(policy(policyTypes=["Egress"], egress=[{"to": peers}]))) is expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([{"from": [WEB]}, {"ports": [{"port": 80}]}], True),
        ([{"from": [WEB], "ports": [{"port": 80}]}], False),
        ([{"from": [WEB], "ports": [{"port": 80}]}, {"ports": [{"port": 80}]}], False),
        ([{"from": [WEB]}, {"ports": [{"port": 53}, {"port": 53, "protocol": "UDP"}]}], False),
        ([{"ports": [{"port": 80}]}, {"from": [WEB]}], False),
        ([{"from": [WEB]}, {}], False),
    ],
)
def test_split_rule(rules: list[Raw], expected: bool) -> None:
    assert ("split-rule" in checks(policy(ingress=rules))) is expected


def test_empty_lists() -> None:
    assert found(policy(ingress=[{"from": []}]))[0][1:] == ("empty-list", "spec.ingress[0].from")
    assert "empty-list" not in checks(policy(ingress=[{}]), policy("q", ingress=[]))


def test_namespaces_are_looked_for_where_the_files_have_some() -> None:
    peers = policy(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]}])
    assert "no-namespace" not in checks(peers)
    assert "no-namespace" in checks(namespace("shop"), peers)
    assert "no-namespace" not in checks(namespace("shop", team="a"), peers)
    for known in ("kube-system", "shop", "there"):
        by_name = policy(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {NAMED: known}}}]}])
        assert "no-namespace" not in checks(namespace("other"), pod("x", "there"), by_name)
    everywhere = policy(ingress=[{"from": [{"namespaceSelector": {}}]}])
    assert "no-namespace" not in checks(namespace("other"), everywhere)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"cidr": "10.244.0.0/16"}, {"pod-range"}),
        ({"cidr": "10.244.7.0/24"}, {"pod-range"}),
        ({"cidr": "0.0.0.0/0"}, {"pod-range"}),
        ({"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}, {"pod-range"}),
        ({"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12"]}, set()),
        ({"cidr": "0.0.0.0/0", "except": ["10.244.9.0/24"]}, set()),
        ({"cidr": "::/0"}, set()),
        ({"cidr": "10.96.0.10/32"}, {"service-range"}),
        ({"cidr": "192.0.2.0/24"}, set()),
    ],
)
def test_blocks(block: Raw, expected: set[str]) -> None:
    assert checks(policy(ingress=[{"from": [{"ipBlock": block}]}])) == expected


def test_the_ranges_are_those_of_a_cluster_in_the_files() -> None:
    spec = {"podCIDR": "172.20.0.0/16", "serviceCIDR": "172.21.0.0/16"}
    cluster = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "c"}, "spec": spec}
    for cidr, expected in (("172.20.1.0/24", {"pod-range"}), ("172.21.0.1/32", {"service-range"}),
                           ("10.244.1.0/24", set())):  # fmt: skip
        assert checks(cluster, policy(ingress=[{"from": [{"ipBlock": {"cidr": cidr}}]}])) == expected


def test_port_names_are_those_of_the_pods_that_are_connected_to() -> None:
    web, db = pod("web", "shop", ("http", 8080, "TCP")), pod("db", "shop", ("sql", 5432, "TCP"))
    into = policy(selected=WEB["podSelector"], ingress=[{"ports": [{"port": "sql"}]}])
    assert found(web, db, into) == [("p", "port-name", "spec.ingress[0].ports[0].port")]
    assert checks(db, into) == {"selects-nothing"}, "where there is no such pod no name can be wrong"
    out = policy(selected=WEB["podSelector"], policyTypes=["Egress"], egress=[{"to": [DB], "ports": [
        {"port": "http"}, {"port": "sql"}, {"port": 53, "protocol": "UDP"}]}])  # fmt: skip
    assert found(web, db, out) == [("p", "port-name", "spec.egress[0].ports[0].port")]
    udp = policy(selected=WEB["podSelector"], ingress=[{"ports": [{"port": "http", "protocol": "UDP"}]}])
    assert checks(web, udp) == {"port-name"}
    assert not checks(web, policy(selected=WEB["podSelector"], ingress=[{"ports": [{"port": "http"}]}]))


def test_service_ports() -> None:
    into = policy(selected=WEB["podSelector"], ingress=[{"ports": [{"port": 80}]}])
    web = pod("web", "shop", ("http", 8080, "TCP"))
    assert checks(web, service("web", 80, 8080), into) == checks(web, service("web", 80, "http"), into) == {
        "service-port"
    }  # fmt: skip
    assert not checks(web, service("web", 80, 80), into), "the pods may listen where they do not say so"
    assert not checks(pod("web", "shop", ("http", 80, "TCP")), service("web", 80, 8080), into)
    assert not checks(web, service("web", 81, 8080), into) and not checks(web, service("db", 80, 8080), into)
    assert not checks(web, service("web", 80, 8080, "UDP"), into)


HTTPS = {"ports": [{"port": 443}]}
UDP_53 = {"port": 53, "protocol": "UDP"}


@pytest.mark.parametrize(
    ("egress", "expected"),
    [
        ([{"to": [WEB]}], True),
        ([HTTPS], True),
        ([{"to": [WEB], "ports": [{"port": 53}]}], True),
        ([HTTPS, {"ports": [UDP_53]}], False),
        ([HTTPS, {"to": [WEB], "ports": [UDP_53]}], False),
        ([HTTPS, {"ports": [{"port": "dns", "protocol": "UDP"}]}], False),
        ([HTTPS, {"ports": [{"port": 1, "endPort": 100, "protocol": "UDP"}]}], False),
        ([HTTPS, {"ports": [{"protocol": "UDP"}]}], False),
        ([{"to": [WEB]}, {"to": [{"namespaceSelector": {}}]}], False),
        ([{"to": [WEB]}, {"to": [{"namespaceSelector": {"matchLabels": {NAMED: "kube-system"}}}]}], False),
        ([{"to": [WEB]}, {"to": [{"namespaceSelector": {"matchLabels": {NAMED: "x"}}}]}], True),
        ([{"to": [WEB]}, {"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "b"}}}]}], True),
        ([{}], False),
        ([], False),
        ([{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}], False),
    ],
)
def test_dns(egress: list[Raw], expected: bool) -> None:
    assert ("dns" in checks(policy(policyTypes=["Egress"], egress=egress))) is expected


def test_another_policy_may_allow_dns() -> None:
    out = policy("out", WEB["podSelector"], policyTypes=["Egress"], egress=[HTTPS])
    for_all = policy("names", policyTypes=["Egress"], egress=[{"ports": [UDP_53]}])
    assert "dns" not in checks(out, for_all)
    assert "dns" in checks(
        out, policy("names", DB["podSelector"], policyTypes=["Egress"], egress=[{"ports": [UDP_53]}])
    )
    assert "dns" in checks(out, policy("names", {}, "other", policyTypes=["Egress"], egress=[{"ports": [UDP_53]}]))
    rule = {"action": "Allow", "to": [{"namespaces": {}}], "ports": [{"portNumber": {"protocol": "UDP", "port": 53}}]}
    admin = {"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy", "metadata": {"name": "a"},
             "spec": {"priority": 1, "subject": {"namespaces": {}}, "egress": [rule]}}  # fmt: skip
    assert "dns" not in checks(out, admin)


def test_a_policy_that_selects_nothing() -> None:
    typo = policy(selected={"matchLabels": {"app": "webb"}})
    assert checks(pod("web"), typo) == {"selects-nothing"}
    assert not checks(typo) and not checks(pod("web", "other"), typo), "the files have no pods there"
    assert checks(pod("web", hostNetwork=True), policy(selected=WEB["podSelector"])) == {"selects-nothing"}
    of_one = policy(selected={"matchLabels": {"app": "web", "statefulset.kubernetes.io/pod-name": "web-0"}})
    assert not checks(pod("web"), of_one), "a label that a controller gives"


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Deployment", {"template": {"metadata": {"labels": {"app": "web"}}}}),
        ("StatefulSet", {"template": {"metadata": {"labels": {"app": "web"}}}}),
        ("CronJob", {"jobTemplate": {"spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}}),
    ],
)
def test_templates_are_pods_too(kind: str, spec: Raw) -> None:
    workload = {"apiVersion": "x/v1", "kind": kind, "metadata": {"name": "w", "namespace": "shop"}, "spec": spec}
    assert not checks(workload, policy(selected=WEB["podSelector"]))
    assert checks(workload, policy(selected=DB["podSelector"])) == {"selects-nothing"}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"policyTypes": ["Egress"], "ingress": [{"from": [WEB]}]}, "spec.ingress"),
        ({"policyTypes": ["Ingress"], "egress": [{}]}, "spec.egress"),
        ({"egress": [{}]}, "spec.policyTypes"),
        ({"ingress": [{"from": [WEB]}], "egress": []}, "spec.egress"),
        ({"policyTypes": ["Ingress", "Egress"], "egress": [{}]}, ""),
        ({"policyTypes": ["Egress"], "egress": [], "ingress": []}, ""),
        ({"ingress": [{"from": [WEB]}], "egress": [{}]}, ""),
        ({}, ""),
    ],
)
def test_policy_types(spec: Raw, field: str) -> None:
    assert [where for _, check, where in found(policy(**spec)) if check == "policy-types"] == ([field] if field else [])


SOME, ALL = [{"from": [WEB], "ports": [{"port": 80}]}], [{}]


COVERED: list[tuple[str, list[Raw], set[tuple[str, str]]]] = [
    ("some within all", [policy("a", ingress=SOME), policy("b", ingress=ALL)], {("a", "useless")}),
    ("twice the same: the later", [policy("a", ingress=SOME), policy("b", ingress=SOME)], {("b", "useless")}),
    ("fewer pods", [policy("a", WEB["podSelector"], ingress=SOME), policy("b", ingress=SOME)], {("a", "useless")}),
    ("more pods", [policy("a", ingress=SOME), policy("b", WEB["podSelector"], ingress=ALL)], set()),
    ("another namespace", [policy("a", ingress=SOME), policy("b", {}, "other", ingress=ALL)], set()),
    ("another direction", [policy("a", ingress=SOME, policyTypes=["Ingress", "Egress"]),
                           policy("b", ingress=ALL, policyTypes=["Ingress"])], set()),
    ("within a range", [policy("a", ingress=SOME), policy("b", ingress=[{"ports": [{"port": 79, "endPort": 81}]}])],
     {("a", "useless")}),
    ("another protocol", [policy("a", ingress=SOME),
                          policy("b", ingress=[{"ports": [{"port": 80, "protocol": "UDP"}]}])], set()),
    ("one of two rules", [policy("a", ingress=[*SOME, {"from": [DB]}]), policy("b", ingress=SOME)],
     {("b", "useless")}),
    ("denial beside a rule", [policy("deny"), policy("b", ingress=SOME)], set()),
    ("denial beside everything", [policy("deny"), policy("b", ingress=ALL)], {("deny", "denies-nothing")}),
    ("denial beside everything for some", [policy("deny"), policy("b", WEB["podSelector"], ingress=ALL)], set()),
    ("a denial within another", [policy("deny"), policy("b", WEB["podSelector"])], {("b", "useless")}),
    ("pods of all namespaces", [policy("a", ingress=[{"from": [WEB]}]),
                                policy("b", ingress=[{"from": [{"namespaceSelector": {}}]}])], {("a", "useless")}),
    ("a block within another", [policy("a", ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.0/25"}}]}]),
                                policy("b", ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}])],
     {("a", "useless")}),
    ("a block with a gap", [policy("a", ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.0/25"}}]}]),
                            policy("b", ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": [
                                "192.0.2.1/32"]}}]}])], set()),
]  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), [case[1:] for case in COVERED], ids=[case[0] for case in COVERED])
def test_policies_that_change_nothing(objects: list[Raw], expected: set[tuple[str, str]]) -> None:
    assert {(name, check) for name, check, _ in found(*objects)} == expected


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("", "a=b", True),
        ("a=b", "", False),
        ("a in (b,c)", "a=b", True),
        ("a=b", "a in (b,c)", False),
        ("a", "a=b", True),
        ("a=b", "a", False),
        ("a!=c", "a=b", True),
        ("a!=b", "a=b", False),
        ("a!=b", "!a", True),
        ("a!=b", "a notin (b,c)", True),
        ("a notin (b,c)", "a!=b", False),
        ("a=b", "a=b,c=d", True),
        ("a=b,c=d", "a=b", False),
        ("!a", "!a", True),
        ("a", "!a", False),
    ],
)
def test_what_selects_all_that_another_does(wide: str, narrow: str, expected: bool) -> None:
    assert selector_covers(Selector.parse(wide), Selector.parse(narrow)) is expected


def test_ranges_within_ranges() -> None:
    assert block_within("10.0.0.0/9", "10.0.0.0/8") and block_within("2001:db8::/64", "::/0")
    assert not block_within("10.0.0.0/8", "10.0.0.0/9") and not block_within("10.0.0.0/8", "::/0")


def test_two_of_one_priority() -> None:
    def admin(name: str, priority: int) -> Raw:
        spec = {"priority": priority, "subject": {"namespaces": {}}}
        kind = {"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy"}
        return {**kind, "metadata": {"name": name}, "spec": spec}

    assert checks(admin("a", 1), admin("b", 1)) == {"same-priority"}
    assert not checks(admin("a", 1), admin("b", 2))
