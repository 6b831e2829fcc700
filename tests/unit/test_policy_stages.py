"""The stages of policies, followed by the interpreter: which tier decides, what is exempt, what is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flow_interpreter import reply_to
from network_model import (
    OUTSIDE_HOST,
    Host,
    Network,
    endpoint,
    endpoint_slice,
    host_of,
    network_of,
    node_address,
    node_host,
    pod,
    service,
    switch_mac,
)

from controller.marks import DENIED_SIDE, DENYING_RULE, Feature, Priority, Side
from controller.tables import INGRESS_ADMIN
from k8sshim.admin_policies import baseline_admin_network_policy, cluster_network_policy
from k8sshim.objects import ContainerPort, Pod, Raw
from k8sshim.policies import Namespace, Policy, network_policy

pytestmark = pytest.mark.unit


def labelled(name: str, on: int, number: int) -> Pod:
    return replace(pod(name, on, number), labels=(("app", name),))


WEB, CLIENT, NEIGHBOUR = labelled("web", 1, 2), labelled("client", 2, 3), labelled("neighbour", 1, 4)
EVERYBODY = {"namespaces": {}}
SIDES = pytest.mark.parametrize("side", ["ingress", "egress"])


def network(*policies: Policy, outside: bool = False) -> Network:
    made = network_of(2, Namespace("default", ()), WEB, CLIENT, NEIGHBOUR, outside=outside)
    made.put(*policies)
    return made


def isolate(side: str, *rules: Raw, name: str = "p") -> Policy:
    """The web pod, on one side."""
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": [side.title()], side: list(rules)}
    return network_policy({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def tier(name: str, side: str, *rules: tuple[str, Any], priority: int = 5) -> Policy:
    """An administrator's, about the web pod: actions, each for pods of a name or for all."""
    peers = [
        EVERYBODY if who is None else {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": who}}}}
        for _, who in rules
    ]
    spec = {
        "subject": {"pods": {"podSelector": {"matchLabels": {"app": "web"}}}},
        "priority": priority,
        side: [
            {"action": action, "from" if side == "ingress" else "to": [peer]}
            for (action, _), peer in zip(rules, peers, strict=True)
        ],
    }
    raw = {"kind": "BaselineAdminNetworkPolicy", "metadata": {"name": "default"}, "spec": spec}
    if name == "Baseline":
        return baseline_admin_network_policy(raw)
    return cluster_network_policy(raw | {"kind": "ClusterNetworkPolicy", "spec": spec | {"tier": "Admin"}})


def connects(network: Network, source: Host, target: Host, **other: Any) -> bool:
    """Whether a new connection's first packet arrives at its target, and nowhere else if it does not."""
    arrivals = network.send(source, source.packet(target.address, **other))
    arrived = [(one.dpid, one.port) for one in arrivals if not one.to_controller]
    assert set(arrived) <= {(target.dpid, target.port)}
    return bool(arrived)


def passes(network: Network, side: str, other: Pod = CLIENT) -> bool:
    """Between the web pod and another, in the direction that a side of the web pod judges."""
    ends = (host_of(other), host_of(WEB)) if side == "ingress" else (host_of(WEB), host_of(other))
    return connects(network, *ends)


@SIDES
def test_which_tier_decides(side: str) -> None:
    nobody, everybody = isolate(side), isolate(side, {})
    deny, allow, skip = (tier("Admin", side, (action, None)) for action in ("Deny", "Accept", "Pass"))
    last = tier("Baseline", side, ("Deny", None))
    assert passes(network(), side)
    assert not passes(network(nobody), side)
    assert passes(network(everybody), side)
    assert not passes(network(deny, everybody), side)
    assert passes(network(allow, nobody, last), side)
    assert not passes(network(skip, nobody), side)
    assert passes(network(skip, everybody, last), side)
    assert not passes(network(skip, last), side)
    assert not passes(network(last), side)
    assert passes(network(last, everybody), side)
    other_side = "egress" if side == "ingress" else "ingress"
    assert all(passes(network(one), other_side) for one in (nobody, deny, last))


@SIDES
@pytest.mark.parametrize("of", ["Admin", "Baseline"])
def test_the_first_rule_that_matches_decides(side: str, of: str) -> None:
    allow = "Allow" if of == "Baseline" else "Accept"
    first = network(tier(of, side, (allow, "client"), ("Deny", None)))
    assert passes(first, side) and not passes(first, side, NEIGHBOUR)
    assert not passes(network(tier(of, side, ("Deny", None), (allow, "client"))), side)
    assert passes(network(tier(of, side, ("Pass", "client"), ("Deny", None))), side)


@SIDES
def test_what_is_denied_is_told_with_side_and_rule(side: str) -> None:
    ends = (CLIENT, WEB) if side == "ingress" else (WEB, CLIENT)
    source, target = map(host_of, ends)
    by_isolation, deny = network(isolate(side)), network(tier("Admin", side, ("Deny", None)))
    [told] = by_isolation.send(source, source.packet(target.address))
    assert told.to_controller and told.dpid == host_of(WEB).dpid
    assert (told.marks[DENIED_SIDE.name], told.marks.get(DENYING_RULE.name, 0)) == (Side[side.upper()], 0)
    [told] = deny.send(source, source.packet(target.address))
    rule = deny.desired.policies.rule(told.marks[DENYING_RULE.name])
    assert rule is not None and rule.subject == f"ClusterNetworkPolicy default {side}[0]"
    assert told.marks[DENIED_SIDE.name] == Side[side.upper()]


def test_the_own_node_and_the_pod_itself_are_exempt_others_are_not() -> None:
    policies = [isolate("ingress"), isolate("egress", name="q")]
    policies += [tier("Admin", side, ("Deny", None)) for side in ("ingress",)]
    closed = network(*policies, outside=True)
    closed.put(service("web", "10.96.0.10", ("http", "TCP", 80)))
    closed.put(endpoint_slice("web", [endpoint("10.244.1.2")], ("http", "TCP", 80)))
    web = host_of(WEB)
    assert connects(closed, node_host(1), web)
    assert connects(closed, web, node_host(1))
    assert not connects(closed, node_host(2), web)
    assert not connects(closed, web, node_host(2))
    assert not connects(closed, OUTSIDE_HOST, web)
    assert not passes(closed, "ingress", NEIGHBOUR)
    itself = closed.one(web, web.packet("10.96.0.10"))
    assert (itself.dpid, itself.port) == (web.dpid, web.port)
    client = host_of(CLIENT)
    assert [one.to_controller is not None for one in closed.send(client, client.packet("10.96.0.10"))] == [True]


def test_a_client_from_outside_by_a_node_is_not_the_node() -> None:
    closed = network(isolate("ingress"), outside=True)
    ports = replace(service("web", "10.96.0.10", ("http", "TCP", 80)), type="NodePort")
    ports = replace(ports, ports=(replace(ports.ports[0], node_port=30080),))
    closed.put(ports, endpoint_slice("web", [endpoint("10.244.1.2")], ("http", "TCP", 80)))
    for number in (1, 2):
        [told] = closed.send(OUTSIDE_HOST, OUTSIDE_HOST.packet(node_address(number), port=30080))
        assert told.to_controller is not None


def test_answers_pass_and_what_is_denied_later_is_cut_until_it_is_allowed_again() -> None:
    open_, client, web = network(isolate("egress")), host_of(CLIENT), host_of(WEB)
    packet = client.packet(web.address)
    asked = open_.one(client, packet)
    answer = open_.reply(asked)
    assert (answer.dpid, answer.port) == (client.dpid, client.port)
    back = reply_to(asked, web.mac, switch_mac(web.dpid))
    denying = isolate("ingress", name="later")
    open_.put(denying)
    assert len(open_.send(web, back)) == 1  # nothing has been denied yet
    assert open_.send(client, packet) == []  # nobody is told: it is no new connection
    assert open_.send(web, back) == []
    open_.remove(denying)
    assert open_.send(web, back) == []
    assert open_.one(client, packet).port == web.port
    assert len(open_.send(web, back)) == 1


def test_an_open_connection_to_a_service_is_judged_anew_at_its_endpoint() -> None:
    open_, web = network(), host_of(WEB)
    open_.put(service("client", "10.96.0.10", ("http", "TCP", 80)))
    open_.put(endpoint_slice("client", [endpoint(host_of(CLIENT).address)], ("http", "TCP", 80)))
    packet = web.packet("10.96.0.10")
    asked = open_.one(web, packet)
    assert open_.reply(asked).port == web.port
    open_.put(isolate("egress", {"to": [{"podSelector": {"matchLabels": {"app": "client"}}}]}))
    assert open_.one(web, packet).port == host_of(CLIENT).port
    open_.put(isolate("egress", {"to": [{"podSelector": {"matchLabels": {"app": "neighbour"}}}]}))
    assert open_.send(web, packet) == []
    back = reply_to(asked, host_of(CLIENT).mac, switch_mac(2))
    assert open_.send(host_of(CLIENT), back) == []


def test_a_named_port_at_egress_without_peers_is_every_pods_own_number() -> None:
    named = network(isolate("egress", {"ports": [{"port": "http"}]}))
    for one, number in ((CLIENT, 8080), (NEIGHBOUR, 9090)):
        named.put(replace(one, ports=(ContainerPort("http", number, "TCP"),)))
    web = host_of(WEB)
    found = [connects(named, web, host_of(one), port=port) for one in (CLIENT, NEIGHBOUR) for port in (8080, 9090)]
    assert found == [True, False, False, True]
    assert not connects(named, web, node_host(2), port=8080)


@pytest.mark.parametrize(
    ("action", "feature"),
    [("Accept", Feature.POLICY_ALLOW), ("Deny", Feature.POLICY_DENY), ("Pass", Feature.POLICY_PASS)],
)
def test_the_cookies_of_a_rule_tell_what_it_does(action: str, feature: Feature) -> None:
    flows = network(tier("Admin", "ingress", (action, None))).desired.wanted(1).flows.values()
    told = {flow.owner.feature for flow in flows if flow.table is INGRESS_ADMIN and flow.priority != Priority.EXEMPT}
    assert told == {feature, Feature.PIPELINE}


def test_a_ports_name_is_asked_of_a_pod_that_a_block_covers() -> None:
    """Before and after the pod is there, and only where nothing excepts it."""
    client = replace(CLIENT, ports=(ContainerPort("http", 8080, "TCP"),))

    def allow(**block: Any) -> Network:
        return network(isolate("egress", {"to": [{"ipBlock": block}], "ports": [{"port": "http"}]}))

    address = host_of(client).address
    covered = allow(cidr="10.244.0.0/16")
    assert not connects(covered, host_of(WEB), host_of(CLIENT), port=8080)
    covered.put(client)
    assert connects(covered, host_of(WEB), host_of(client), port=8080)
    assert not connects(covered, host_of(WEB), host_of(client), port=8081)
    excepted = allow(cidr="10.244.0.0/16", **{"except": [f"{address}/32"]})
    excepted.put(client)
    assert not connects(excepted, host_of(WEB), host_of(client), port=8080)
