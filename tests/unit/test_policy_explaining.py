"""`podwire policy explain`: which way a connection takes, what is said of each side, and the words for it."""

from __future__ import annotations

from typing import Any

import pytest
from network_model import bordered, cluster_of
from policy_world import admin, baseline, cluster_policy, namespace, node, pod, policy

from experiments.policy.explaining import Explanation, explain
from k8sshim.objects import POD_NETWORK_ANNOTATION, EndpointSlice, Key, Node, Pod, PodNetwork, Service
from lab.tracing.network import Network
from lab.tracing.packet import packet

pytestmark = pytest.mark.unit
Raw = dict[str, Any]


def placed(raw: Raw) -> Raw:
    """A pod with its place in the network, as the binding says it."""
    if raw["spec"].get("hostNetwork"):
        return raw
    address = raw["status"]["podIP"]
    network = PodNetwork((address,), "0a:58:0a:f4:00:02", 16 + int(address.rpartition(".")[2])).to_json()
    return {**raw, "metadata": {**raw["metadata"], "annotations": {POD_NETWORK_ANNOTATION: network}}}


PODS = [
    placed(each)
    for each in (
        pod("web", "shop", "node1", "10.244.1.2", {"app": "web"}, ports={"http": 8080}),
        pod("db", "shop", "node2", "10.244.2.2", {"app": "db"}, ports={"sql": 5432}),
        pod("db2", "shop", "node1", "10.244.1.4", {"app": "db"}, ports={"sql": 5433}),
        pod("client", "other", "node1", "10.244.1.3", {"role": "client"}),
        pod("agent", "other", "node1", "172.30.0.2", {"app": "web"}, host_network=True),
    )
]
NODES = [node("node1", "172.30.0.2"), node("node2", "172.30.0.3")]
NAMESPACES = [namespace("shop"), namespace("other", team="a")]


def service(**spec: Any) -> Raw:
    ports = [{"name": "sql", "port": 5432, "protocol": "TCP", "targetPort": "sql", "nodePort": 30432}]
    body = {"type": "NodePort", "clusterIP": "10.96.0.9", "selector": {"app": "db"}, "ports": ports, **spec}
    return {"kind": "Service", "metadata": {"name": "db", "namespace": "shop"}, "spec": body}


def slices() -> list[Raw]:
    found = []
    for name, address, where, port in (("db", "10.244.2.2", "node2", 5432), ("db2", "10.244.1.4", "node1", 5433)):
        endpoint = {"addresses": [address], "nodeName": where, "targetRef": {"kind": "Pod", "namespace": "shop",
                    "name": name}}  # fmt: skip
        metadata = {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}}
        ports = [{"name": "sql", "port": port, "protocol": "TCP"}]
        found.append({"metadata": metadata, "addressType": "IPv4", "endpoints": [endpoint], "ports": ports})
    return found


def told(source: str, target: str, *policies: Raw, protocol: str = "", **spec: Any) -> Explanation:
    views: list[Any] = [("Cluster", Key("", "lab"), bordered(cluster_of(2)))]
    views += [("Node", Key.of(raw), Node.parse(raw)) for raw in NODES]
    views += [("Pod", Key.of(raw), Pod.parse(raw)) for raw in PODS]
    views += [("Service", Key("shop", "db"), Service.parse(service(**spec)))]
    views += [("EndpointSlice", Key.of(raw), EndpointSlice.parse(raw)) for raw in slices()]
    network = Network(views)
    return explain(network, packet(network, source, target, protocol=protocol), [*NODES, *PODS, *NAMESPACES, *policies])


ONLY_TEAM_A = policy("db", {"app": "db"}, ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "x"}}}, {
    "namespaceSelector": {"matchLabels": {"team": "a"}}}], "ports": [{"port": "sql"}]}])  # fmt: skip
DENY = policy("deny", {})


def test_without_policies_nobody_is_isolated() -> None:
    assert told("other/client", "shop/db:5432").lines() == [
        "pod other/client to pod shop/db (10.244.2.2:5432), TCP: allowed",
        "  egress: allowed, not isolated: no policy selects the pod and decides its egress",
        "  ingress: allowed, not isolated: no policy selects the pod and decides its ingress",
    ]


def test_the_rules_that_allow_are_named_with_their_fields() -> None:
    assert told("other/client", "shop/db:5432", ONLY_TEAM_A, DENY, protocol="tcp").lines()[2:] == [
        "  ingress: allowed, isolated by NetworkPolicy shop/db, NetworkPolicy shop/deny, and by this rule:",
        "    NetworkPolicy shop/db: spec.ingress[0].from[1].namespaceSelector (all pods of namespaces team=a), "
        "ports[0] (the TCP port named sql): Allow",
    ]


def test_the_isolation_that_denies_is_named_and_what_each_rule_lacks() -> None:
    assert told("shop/web", "shop/db:5432", ONLY_TEAM_A, DENY).lines()[2:] == [
        "  ingress: denied, isolated by NetworkPolicy shop/db, NetworkPolicy shop/deny, of which no rule allows it",
        "    NetworkPolicy shop/db: spec.ingress[0]: its ports match, its from does not",
    ]
    assert told("other/client", "shop/db:80", ONLY_TEAM_A).lines()[3].endswith("its from matches, its ports do not")
    assert told("shop/web", "shop/db:80", ONLY_TEAM_A).lines()[3].endswith("neither its from nor its ports match")


def test_the_exemptions_have_words() -> None:
    assert "a pod always reaches itself" in told("shop/db", "shop/db:1", DENY).lines()[1]
    assert "always reach each other" in told("node2", "shop/db:1", DENY).lines()[2]
    assert "always reach each other" in told("shop/db", "node2:22", DENY).lines()[1]
    assert "no policy is about nodes" in told("other/agent", "shop/db:1").lines()[1]


def test_through_a_service_each_endpoint_is_judged_after_translation() -> None:
    out = policy("web", {"app": "web"}, policyTypes=["Egress"], egress=[{"to": [{"podSelector": {"matchLabels": {
        "app": "db"}}}], "ports": [{"port": 5433}]}])  # fmt: skip
    found = told("shop/web", "svc/shop/db:sql", out)
    assert found.lines() == [
        "pod shop/web to service shop/db (10.96.0.9:5432), TCP: allowed on 1 of 2 ways",
        "through Service shop/db to pod shop/db2 on node1 (10.244.1.4:5433): allowed",
        "  egress: allowed, isolated by NetworkPolicy shop/web, and by this rule:",
        "    NetworkPolicy shop/web: spec.egress[0].to[0].podSelector (pods app=db of namespace shop), "
        "ports[0] (TCP 5433): Allow",
        "  ingress: allowed, not isolated: no policy selects the pod and decides its ingress",
        "through Service shop/db to pod shop/db on node2 (10.244.2.2:5432): denied",
        "  egress: denied, isolated by NetworkPolicy shop/web, of which no rule allows it",
        "    NetworkPolicy shop/web: spec.egress[0]: its to matches, its ports do not",
        "  ingress: allowed, not isolated: no policy selects the pod and decides its ingress",
    ]
    assert found.allowed is False
    assert [way["allowed"] for way in found.raw()["ways"]] == [True, False]


FROM_NODE2 = policy("db", {"app": "db"}, ingress=[{"from": [{"ipBlock": {"cidr": "172.30.0.3/32"}}]}])
FROM_HOST = policy("db", {"app": "db"}, ingress=[{"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}])


def seen(found: Explanation) -> dict[str, tuple[str, bool]]:
    """By target: as whom it sees the source, and whether it is allowed."""
    return {way["address"]: (way["seen_as"], way["allowed"]) for way in found.raw()["ways"]}


def test_an_outside_client_of_a_node_port_is_seen_as_the_node() -> None:
    assert seen(told("HOST", "node2:30432", FROM_NODE2)) == {
        "10.244.1.4": ("node node2", True),
        "10.244.2.2": ("node node2", True),
    }
    assert [way["allowed"] for way in told("HOST", "node2:30432", FROM_HOST).raw()["ways"]] == [False, False]
    assert [way["allowed"] for way in told("HOST", "node1:30432", FROM_NODE2).raw()["ways"]] == [False, False]


def test_under_policy_local_it_keeps_its_address_and_gets_the_nodes_endpoints() -> None:
    local = {"externalTrafficPolicy": "Local"}
    assert seen(told("HOST", "node2:30432", FROM_HOST, **local)) == {"10.244.2.2": ("HOST", True)}
    assert seen(told("HOST", "node2:30432", FROM_NODE2, **local)) == {"10.244.2.2": ("HOST", False)}


def test_another_nodes_node_port_is_judged_by_that_node_and_the_own_ones_after_translation() -> None:
    to_nodes = policy("out", {"role": "client"}, "other", policyTypes=["Egress"], egress=[{"to": [{"ipBlock": {
        "cidr": "172.30.0.0/24"}}], "ports": [{"port": 30432}]}])  # fmt: skip
    assert told("other/client", "node2:30432", to_nodes).allowed is True
    assert told("other/client", "node1:30432", to_nodes).allowed is False, "translated before it is judged"
    line = told("other/client", "node2:30432", to_nodes).lines()[1]
    assert (
        line
        == "through Service shop/db at node2 to pod shop/db2 on node1 (10.244.1.4:5433), which sees node node2: allowed"
    )


def test_an_external_address_may_come_in_by_any_node() -> None:
    found = told("HOST", "192.0.2.200:5432", FROM_NODE2, externalIPs=["192.0.2.200"])
    assert [(way["through"], way["allowed"]) for way in found.raw()["ways"]] == [
        ("Service shop/db at node1", False), ("Service shop/db at node1", False),
        ("Service shop/db at node2", True), ("Service shop/db at node2", True),
    ]  # fmt: skip


def test_where_nothing_goes_nothing_is_judged() -> None:
    found = told("shop/web", "10.96.0.9:99")
    assert found.allowed is None and found.lines() == [
        "pod shop/web to 10.96.0.9:99, TCP: not judged",
        "Service shop/db has no such port: what is sent there is refused",
    ]
    assert "the border refuses" in told("HOST", "10.96.0.9:5432").note
    assert "the border refuses" in told("HOST", "shop/db:5432").note


def test_an_administrators_rules_have_their_fields_too() -> None:
    passing = admin("a", 1, ingress=[{"action": "Pass", "from": [{"namespaces": {}}], "ports": [{"namedPort": "sql"}]}])
    base = baseline(ingress=[{"action": "Deny", "from": [{"pods": {"namespaceSelector": {}, "podSelector": {
        "matchLabels": {"app": "web"}}}}]}])  # fmt: skip
    assert told("shop/web", "shop/db:5432", passing, base).lines()[2:] == [
        "  ingress: denied, by this rule:",
        "    AdminNetworkPolicy a: spec.ingress[0].from[0].namespaces (all pods of all namespaces), "
        "ports[0].namedPort (the port named sql): Pass",
        "    BaselineAdminNetworkPolicy default: spec.ingress[0].from[0].pods (pods app=web of all namespaces) "
        "(all ports): Deny",
    ]
    let_go = cluster_policy("c", "Baseline", 1, ingress=[{"action": "Pass", "from": [{"namespaces": {}}]}])
    assert told("shop/web", "shop/db:5432", let_go, base).lines()[2:] == [
        "  ingress: allowed, by this rule:",
        "    ClusterNetworkPolicy c: spec.ingress[0].from[0].namespaces (all pods of all namespaces) (all ports): Pass",
    ]
    out = cluster_policy("c", "Admin", 1, egress=[{"action": "Accept", "to": [{"networks": ["192.0.2.0/24",
                         "10.0.0.0/8"]}], "protocols": [{"tcp": {"destinationPort": {"range": {"start": 1, "end": 9}}}}]
                         }])  # fmt: skip
    found = told("shop/web", "shop/db:7", out)
    assert found.lines()[2].strip() == (
        "ClusterNetworkPolicy c: spec.egress[0].to[0].networks[1] (10.0.0.0/8), protocols[0].tcp (TCP 1-9): Allow"
    )
    (rule,) = found.raw()["egress"]["rules"]
    assert rule["peer"] == "spec.egress[0].to[0].networks[1]" and rule["port"] == "spec.egress[0].protocols[0].tcp"
