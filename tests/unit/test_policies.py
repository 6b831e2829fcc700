"""What podwire reads of policies: an object of the API in, the view of it out, for each kind and each form."""

from __future__ import annotations

from typing import Any

import pytest

from k8sshim.admin_policies import (
    AFTER_ALL,
    admin_network_policy,
    baseline_admin_network_policy,
    cluster_network_policy,
)
from k8sshim.objects import Key, Raw
from k8sshim.policies import (
    EGRESS,
    INGRESS,
    Action,
    Block,
    Namespace,
    Peer,
    PodGroup,
    Policy,
    PolicyPort,
    Rule,
    Tier,
    network_policy,
)
from k8sshim.selectors import EVERYTHING, Selector

pytestmark = pytest.mark.unit

WEB = {"matchLabels": {"app": "web"}}
TEAM = {"matchExpressions": [{"key": "team", "operator": "In", "values": ["b", "a"]}]}
WEB_PODS, TEAMS = Selector.parse("app=web"), Selector.parse("team in (a,b)")
CREATED = "2024-05-06T07:08:09Z"


def policy(**spec: Any) -> Policy:
    metadata = {"name": "p", "namespace": "shop", "creationTimestamp": CREATED}
    return network_policy({"kind": "NetworkPolicy", "metadata": metadata, "spec": spec})


def admin(kind: str = "AdminNetworkPolicy", **spec: Any) -> Raw:
    return {"kind": kind, "metadata": {"name": "p", "creationTimestamp": CREATED}, "spec": spec}


def ingress_rule(rule: Raw) -> Rule:
    parsed = policy(podSelector={}, ingress=[rule])
    assert parsed.ingress is not None
    return parsed.ingress[0]


def egress_rule(kind: str, rule: Raw) -> Rule:
    parse = cluster_network_policy if kind == "ClusterNetworkPolicy" else admin_network_policy
    whole = {"action": "Deny", "to": [{"namespaces": {}}]} | rule
    parsed = parse(admin(kind, tier="Admin", priority=1, subject={"namespaces": {}}, egress=[whole]))
    assert parsed.egress is not None
    return parsed.egress[0]


# NetworkPolicies


def test_a_network_policy() -> None:
    parsed = policy(podSelector=WEB)
    assert (parsed.kind, parsed.key, parsed.created) == ("NetworkPolicy", Key("shop", "p"), CREATED)
    assert (parsed.tier, parsed.priority) == (Tier.NAMESPACE, 0)
    assert parsed.subject == PodGroup("shop", None, WEB_PODS)
    assert str(parsed) == "NetworkPolicy shop/p"


@pytest.mark.parametrize(
    ("spec", "ingress", "egress"),
    [
        ({}, (), None),
        ({"egress": []}, (), None),
        ({"egress": [{}]}, (), (Rule(Action.ALLOW, None, None),)),
        ({"policyTypes": ["Egress"], "ingress": [{}]}, None, ()),
        ({"policyTypes": ["Ingress", "Egress"]}, (), ()),
    ],
)
def test_the_directions_that_a_policy_speaks_of(spec: Raw, ingress: object, egress: object) -> None:
    parsed = policy(podSelector={}, **spec)
    assert (parsed.rules(INGRESS), parsed.rules(EGRESS)) == (ingress, egress)


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({"podSelector": WEB}, Peer(pods=PodGroup("shop", None, WEB_PODS))),
        ({"podSelector": {}}, Peer(pods=PodGroup("shop", None, EVERYTHING))),
        ({"namespaceSelector": {}}, Peer(pods=PodGroup("", EVERYTHING, EVERYTHING))),
        ({"namespaceSelector": TEAM, "podSelector": WEB}, Peer(pods=PodGroup("", TEAMS, WEB_PODS))),
        ({"ipBlock": {"cidr": "10.0.0.0/8"}}, Peer(block=Block("10.0.0.0/8"))),
        (
            {"ipBlock": {"cidr": "10.1.2.3/8", "except": ["10.1.2.3/16"]}},
            Peer(block=Block("10.0.0.0/8", ("10.1.0.0/16",))),
        ),
        ({"ipBlock": {"cidr": "::/0", "except": ["fd00::/8"]}}, Peer(block=Block("::/0", ("fd00::/8",)))),
    ],
)
def test_peers(peer: Raw, expected: Peer) -> None:
    assert ingress_rule({"from": [peer]}).peers == (expected,)


@pytest.mark.parametrize("rule", [{}, {"from": [], "ports": []}, {"from": None, "ports": None}])
def test_what_is_empty_or_absent_is_all(rule: Raw) -> None:
    assert ingress_rule(rule) == Rule(Action.ALLOW, None, None)


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"port": 80}, PolicyPort("TCP", 80)),
        ({"protocol": "UDP"}, PolicyPort("UDP")),
        ({"protocol": "SCTP", "port": "signal"}, PolicyPort("SCTP", "signal")),
        ({"port": 32000, "endPort": 32768}, PolicyPort("TCP", 32000, 32768)),
    ],
)
def test_ports(port: Raw, expected: PolicyPort) -> None:
    assert ingress_rule({"ports": [port]}).ports == (expected,)


def test_a_namespace_has_its_name_for_a_label() -> None:
    raw = {"metadata": {"name": "shop", "labels": {"team": "a", "kubernetes.io/metadata.name": "other"}}}
    assert dict(Namespace.parse(raw).labels) == {"team": "a", "kubernetes.io/metadata.name": "shop"}
    assert Selector.parse("kubernetes.io/metadata.name=bare").matches(
        Namespace.parse({"metadata": {"name": "bare"}}).labels
    )


# An administrator's policies


def test_an_admin_network_policy() -> None:
    rules: list[Raw] = [
        {"name": "scrape", "action": "Allow", "from": [{"namespaces": TEAM}]},
        {"action": "Pass", "from": [{"pods": {"namespaceSelector": TEAM, "podSelector": WEB}}]},
        {"action": "Deny", "from": [{"namespaces": {}}]},
    ]
    parsed = admin_network_policy(admin(priority=7, subject={"namespaces": TEAM}, ingress=rules))
    assert (parsed.kind, parsed.key, parsed.created) == ("AdminNetworkPolicy", Key("", "p"), CREATED)
    assert (parsed.tier, parsed.priority) == (Tier.ADMIN, 7)
    assert parsed.subject == PodGroup("", TEAMS, EVERYTHING)
    assert parsed.egress is None  # without rules it says nothing
    assert parsed.ingress == (
        Rule(Action.ALLOW, (Peer(pods=PodGroup("", TEAMS, EVERYTHING)),), None, "scrape"),
        Rule(Action.PASS, (Peer(pods=PodGroup("", TEAMS, WEB_PODS)),), None),
        Rule(Action.DENY, (Peer(pods=PodGroup("", EVERYTHING, EVERYTHING)),), None),
    )


def test_a_baseline_admin_network_policy() -> None:
    subject = {"pods": {"namespaceSelector": {}, "podSelector": WEB}}
    rules = [{"action": "Deny", "to": [{"nodes": {}}, {"networks": ["10.1.2.3/8", "fd00::/8"]}]}]
    parsed = baseline_admin_network_policy(admin("BaselineAdminNetworkPolicy", subject=subject, egress=rules))
    assert (parsed.kind, parsed.tier, parsed.priority) == ("BaselineAdminNetworkPolicy", Tier.BASELINE, AFTER_ALL)
    assert parsed.subject == PodGroup("", EVERYTHING, WEB_PODS)
    assert parsed.ingress is None
    blocks = (Peer(block=Block("10.0.0.0/8")), Peer(block=Block("fd00::/8")))
    assert parsed.egress == (Rule(Action.DENY, (Peer(nodes=EVERYTHING), *blocks), None),)


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"portNumber": {"port": 80}}, PolicyPort("TCP", 80)),
        ({"portNumber": {"protocol": "UDP", "port": 53}}, PolicyPort("UDP", 53)),
        ({"portRange": {"protocol": "SCTP", "start": 1, "end": 9}}, PolicyPort("SCTP", 1, 9)),
        ({"portRange": {"start": 8080, "end": 8090}}, PolicyPort("TCP", 8080, 8090)),
        ({"namedPort": "http"}, PolicyPort("", "http")),
    ],
)
def test_ports_of_an_admin_network_policy(port: Raw, expected: PolicyPort) -> None:
    assert egress_rule("AdminNetworkPolicy", {"ports": [port]}).ports == (expected,)


def test_a_cluster_network_policy() -> None:
    subject = {"pods": {"podSelector": WEB}}
    rules = [{"action": "Accept", "from": [{"namespaces": {}}]}, {"action": "Pass", "from": [{"namespaces": TEAM}]}]
    spec: Raw = {"priority": 3, "subject": subject, "ingress": rules}
    parsed = cluster_network_policy(admin("ClusterNetworkPolicy", tier="Baseline", **spec))
    assert (parsed.kind, parsed.tier, parsed.priority) == ("ClusterNetworkPolicy", Tier.BASELINE, 3)
    assert parsed.subject == PodGroup("", EVERYTHING, WEB_PODS)
    assert parsed.ingress is not None
    assert [rule.action for rule in parsed.ingress] == [Action.ALLOW, Action.PASS]
    assert cluster_network_policy(admin("ClusterNetworkPolicy", tier="Admin", **spec)).tier is Tier.ADMIN


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ({"tcp": {"destinationPort": {"number": 80}}}, PolicyPort("TCP", 80)),
        ({"udp": {"destinationPort": {"range": {"start": 1, "end": 9}}}}, PolicyPort("UDP", 1, 9)),
        ({"sctp": {"destinationPort": {"number": 7}}}, PolicyPort("SCTP", 7)),
        ({"destinationNamedPort": "http"}, PolicyPort("", "http")),
    ],
)
def test_protocols_of_a_cluster_network_policy(protocol: Raw, expected: PolicyPort) -> None:
    assert egress_rule("ClusterNetworkPolicy", {"protocols": [protocol]}).ports == (expected,)


def test_no_ports_are_all_ports() -> None:
    assert egress_rule("AdminNetworkPolicy", {}).ports is None
    assert egress_rule("ClusterNetworkPolicy", {}).ports is None
