"""Rules for policies: what stands at the edge of them is accepted, and whatever is accepted has a view."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from k8sshim.admin_policies import admin_network_policy, baseline_admin_network_policy, cluster_network_policy
from k8sshim.objects import Raw
from k8sshim.policies import Policy, PolicyPort, network_policy
from k8sshim.validation import problems

pytestmark = pytest.mark.unit

VIEWS = {
    "NetworkPolicy": network_policy,
    "AdminNetworkPolicy": admin_network_policy,
    "BaselineAdminNetworkPolicy": baseline_admin_network_policy,
    "ClusterNetworkPolicy": cluster_network_policy,
}
VERSIONS = {
    "NetworkPolicy": "networking.k8s.io/v1",
    "AdminNetworkPolicy": "policy.networking.k8s.io/v1alpha1",
    "BaselineAdminNetworkPolicy": "policy.networking.k8s.io/v1alpha1",
    "ClusterNetworkPolicy": "policy.networking.k8s.io/v1alpha2",
}
EVERY_POD = {"namespaces": {}}


def made(kind: str, spec: Any) -> Raw:
    name = {"name": "default"}
    metadata = name | {"namespace": "shop"} if kind == "NetworkPolicy" else name
    return {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"podSelector": {}, "policyTypes": []},
        {"podSelector": {}, "policyTypes": ["Ingress", "Ingress"]},
        {"podSelector": {}, "ingress": [{}, {"from": [], "ports": []}, {"from": None}]},
        {"podSelector": {}, "ingress": [{"ports": [{}, {"port": 80, "endPort": 80}, {"port": 1, "endPort": 65535}]}]},
        {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}, "namespaceSelector": {}, "ipBlock": None}]}]},
        {"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "10.1.2.3/8", "except": ["10.1.2.3/9"]}}]}]},
        {"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "fd00::/8", "except": ["fd00::1/128"]}}]}]},
    ],
)
def test_a_network_policy_at_the_edge_is_accepted(spec: Raw) -> None:
    raw = made("NetworkPolicy", spec)
    assert problems(raw) == []
    assert isinstance(network_policy(raw), Policy)


@pytest.mark.parametrize(("direction", "peers"), [("ingress", "from"), ("egress", "to")])
def test_a_null_peer_is_none_and_a_null_port_is_all_of_tcp(direction: str, peers: str) -> None:
    raw = made("NetworkPolicy", {direction: [{peers: [{"podSelector": {}}, None], "ports": [None]}]})
    said = f"NetworkPolicy shop/default: spec.{direction}[0].{peers}[1]: Required value: must specify a peer"
    assert [str(problem) for problem in problems(raw)] == [said]
    raw["spec"][direction][0].pop(peers)
    assert problems(raw) == []
    [rule] = network_policy(raw).rules(direction.capitalize()) or ()
    assert rule.ports == (PolicyPort("TCP"),)


def admin(**spec: Any) -> Raw:
    return {"priority": 0, "subject": EVERY_POD} | spec


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("AdminNetworkPolicy", admin(priority=1000, ingress=[], egress=[])),
        ("AdminNetworkPolicy", admin(ingress=[{"action": "Deny", "from": [EVERY_POD]}] * 100)),
        (
            "AdminNetworkPolicy",
            admin(
                egress=[
                    {
                        "action": "Pass",
                        "to": [EVERY_POD, {"nodes": {}}, {"networks": ["10.1.2.3/8"]}],
                        "ports": [{"portRange": {"start": 80, "end": 80}}],
                    },
                    {"action": "Allow", "to": [EVERY_POD], "ports": [{"namedPort": "http"}]},
                ]
            ),
        ),
        ("BaselineAdminNetworkPolicy", {"subject": {"pods": {"namespaceSelector": {}, "podSelector": {}}}}),
        (
            "ClusterNetworkPolicy",
            admin(
                tier="Baseline",
                subject={"pods": {"podSelector": {}}},
                ingress=[{"action": "Pass", "from": [EVERY_POD], "protocols": [{"destinationNamedPort": "http"}]}],
            ),
        ),
    ],
)
def test_an_administrators_policy_at_the_edge_is_accepted(kind: str, spec: Raw) -> None:
    raw = made(kind, spec)
    assert problems(raw) == []
    assert isinstance(VIEWS[kind](raw), Policy)


@pytest.mark.parametrize(
    ("kind", "spec", "said"),
    [
        ("AdminNetworkPolicy", admin(ingress=[{"action": "Deny", "from": [EVERY_POD]}] * 101), "Too many: 101"),
        ("AdminNetworkPolicy", admin(ingress=[{"action": "Deny", "from": [EVERY_POD] * 101}]), "Too many: 101"),
        ("AdminNetworkPolicy", admin(egress=[{"action": "Deny", "to": [{"nodes": None}]}]), "is null"),
        ("AdminNetworkPolicy", admin(ingress=[None]), "is null"),
        ("AdminNetworkPolicy", admin(priority=1.0), "is a number, expected an integer"),
        ("AdminNetworkPolicy", admin(priority=True), "is a boolean, expected an integer"),
        ("AdminNetworkPolicy", admin(subject={"namespaces": {"matchLabels": {"a": "-"}}}), "a valid label must be"),
        ("NetworkPolicy", {"ingress": [None]}, "spec.ingress[0]: is null, expected a value"),
        ("AdminNetworkPolicy", admin(ingress=[{"action": "Deny", "from": [None]}]), "from[0]: is null"),
        (
            "AdminNetworkPolicy",
            admin(egress=[{"action": "Deny", "to": [{"networks": [f"10.0.{n}.0/24" for n in range(26)]}]}]),
            "Too many: 26: must have at most 25 items",
        ),
        ("ClusterNetworkPolicy", admin(), "spec.tier: Required value"),
    ],
)
def test_what_is_refused(kind: str, spec: Raw, said: str) -> None:
    assert any(said in str(problem) for problem in problems(made(kind, spec)))


# One change anywhere in a policy that has every field: many of these are accepted, as a place may be left out

BLOCK = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
SELECTOR = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["d"]}]}
PEER = {"podSelector": SELECTOR, "namespaceSelector": SELECTOR}
PORTS = [{"protocol": "UDP", "port": 80, "endPort": 90}, {"port": "http"}]
RULE = {"from": [PEER, BLOCK], "ports": PORTS}
PODS = {"pods": {"namespaceSelector": SELECTOR, "podSelector": SELECTOR}}
OUTSIDE = [{"nodes": SELECTOR}, {"networks": ["10.0.0.0/8", "fd00::/8"]}]
NUMBERED = [{"portNumber": {"protocol": "TCP", "port": 80}}, {"portRange": {"start": 1, "end": 9}}]
BY_PROTOCOL = [
    {"tcp": {"destinationPort": {"number": 80}}},
    {"udp": {"destinationPort": {"range": {"start": 1, "end": 9}}}},
]


def rules(ports: str, numbered: list[Raw], named: Raw) -> Raw:
    ingress = {"name": "a", "action": "Deny", "from": [EVERY_POD, PODS], ports: [*numbered, named]}
    return {"ingress": [ingress], "egress": [{"action": "Deny", "to": [EVERY_POD, PODS, *OUTSIDE], ports: numbered}]}


WHOLE: dict[str, Raw] = {
    "NetworkPolicy": {"podSelector": SELECTOR, "policyTypes": ["Ingress", "Egress"], "ingress": [RULE, {}]}
    | {"egress": [{"to": [PEER, BLOCK], "ports": PORTS}]},
    "AdminNetworkPolicy": admin(subject=PODS) | rules("ports", NUMBERED, {"namedPort": "http"}),
    "BaselineAdminNetworkPolicy": {"subject": PODS} | rules("ports", NUMBERED, {"namedPort": "http"}),
    "ClusterNetworkPolicy": admin(tier="Admin", subject=PODS)
    | rules("protocols", BY_PROTOCOL, {"destinationNamedPort": "http"}),
}
VALUES: list[Any] = [None, {}, [], [None], "", "http", "10.1.2.3/9", True, -1, 5]


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The path of everything below."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in below:
        yield (step,)
        yield from ((step, *rest) for rest in places(each))


def changed(raw: Raw, path: tuple[Any, ...], value: Any) -> Raw:
    """A copy with another value at a place; `...` for none."""
    result = copy.deepcopy(raw)
    place: Any = result
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return result


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_whatever_is_accepted_has_a_view(kind: str) -> None:
    whole = copy.deepcopy(WHOLE[kind])
    assert problems(made(kind, whole)) == []
    accepted = refused = 0
    for path in places(whole):
        for value in (..., *VALUES):
            raw = made(kind, changed(whole, path, value))
            if problems(raw):
                refused += 1
            else:
                accepted += 1
                assert isinstance(VIEWS[kind](raw), Policy)
    assert min(accepted, refused) > 100
