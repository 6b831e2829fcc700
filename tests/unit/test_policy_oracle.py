"""The oracle of policies: each meaning that is easily wrong, as the API documentation has it, case by case."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from policy_world import (
    HOST,
    N1,
    N2,
    POLICY,
    WORLD,
    admin,
    allowed,
    baseline,
    cluster_policy,
    namespace,
    pod,
    policy,
)

from experiments.policy.oracle import Address, NodePlace, Oracle, Place, PodPlace, Reason
from experiments.policy.oracle_world import Raw

pytestmark = pytest.mark.unit
WEB, DB, BATCH = PodPlace("shop", "web"), PodPlace("shop", "db"), PodPlace("shop", "batch")
CLIENT, AGENT = PodPlace("other", "client"), PodPlace("other", "agent")  # the agent is a hostNetwork pod on n1
APP_WEB = {"matchLabels": {"app": "web"}}
TEAM_A = {"matchLabels": {"team": "a"}}  # the namespace `other`
EVERYBODY = {WEB, DB, BATCH, CLIENT, N1, N2, HOST}


def reaching(target: Place, objects: Iterable[Raw], port: int = 80, protocol: str = "TCP") -> set[Place]:
    """Who reaches it."""
    oracle = Oracle([*WORLD, *objects])
    return {each for each in EVERYBODY if oracle.verdict(each, target, port, protocol).allowed}


def reached(source: Place, objects: Iterable[Raw], port: int = 80, protocol: str = "TCP") -> set[Place]:
    """Whom it reaches."""
    oracle = Oracle([*WORLD, *objects])
    return {each for each in EVERYBODY if oracle.verdict(source, each, port, protocol).allowed}


ALWAYS = {DB, N2}  # of db, on n2: itself and its node
PEERS: list[tuple[str, object, set[Place]]] = [
    ("no list of rules", None, ALWAYS),
    ("no rules", [], ALWAYS),
    ("an empty rule", [{}], EVERYBODY),
    ("an empty list of peers is none", [{"from": []}], EVERYBODY),
    ("an empty podSelector: pods of this namespace", [{"from": [{"podSelector": {}}]}], ALWAYS | {WEB, BATCH}),
    ("an empty namespaceSelector: pods of all", [{"from": [{"namespaceSelector": {}}]}], EVERYBODY - {N1, HOST}),
    ("a podSelector is of this namespace", [{"from": [{"podSelector": APP_WEB}]}], ALWAYS | {WEB}),
    ("a namespaceSelector: all its pods", [{"from": [{"namespaceSelector": TEAM_A}]}], ALWAYS | {CLIENT}),
    ("both in one peer: and", [{"from": [{"namespaceSelector": TEAM_A, "podSelector": APP_WEB}]}], ALWAYS),
    ("an empty podSelector adds nothing", [{"from": [{"namespaceSelector": TEAM_A, "podSelector": {}}]}],
     ALWAYS | {CLIENT}),
    ("an empty namespaceSelector, and", [{"from": [{"namespaceSelector": {}, "podSelector": APP_WEB}]}],
     ALWAYS | {WEB}),
    ("two peers: or", [{"from": [{"namespaceSelector": TEAM_A}, {"podSelector": APP_WEB}]}], ALWAYS | {CLIENT, WEB}),
    ("two rules: or", [{"from": [{"namespaceSelector": TEAM_A}]}, {"from": [{"podSelector": APP_WEB}]}],
     ALWAYS | {CLIENT, WEB}),
    ("a namespace by its name",
     [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}]}],
     ALWAYS | {CLIENT}),
    ("In", [{"from": [{"podSelector": {"matchExpressions": [
        {"key": "app", "operator": "In", "values": ["web", "x"]}]}}]}], ALWAYS | {WEB}),
    ("NotIn holds without the label", [{"from": [{"podSelector": {"matchExpressions": [
        {"key": "app", "operator": "NotIn", "values": ["web"]}]}}]}], ALWAYS | {BATCH}),
    ("Exists", [{"from": [{"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}]}],
     ALWAYS | {WEB}),
    ("DoesNotExist", [{"from": [{"podSelector": {"matchExpressions": [
        {"key": "app", "operator": "DoesNotExist"}]}}]}], ALWAYS | {BATCH}),
    ("labels and expressions: and", [{"from": [{"podSelector": {**APP_WEB, "matchExpressions": [
        {"key": "app", "operator": "DoesNotExist"}]}}]}], ALWAYS),
    ("a block has pods in it, too", [{"from": [{"ipBlock": {"cidr": "10.244.1.0/24"}}]}], ALWAYS | {WEB, CLIENT}),
    ("a block of the outside", [{"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}], ALWAYS | {HOST}),
    ("a block of nodes", [{"from": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}], ALWAYS | {N1}),
    ("except", [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/16", "192.0.2.0/24"]}}]}],
     ALWAYS | {HOST}),
    ("what one block leaves out another takes in", [{"from": [
        {"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.1.0/24"]}}, {"ipBlock": {"cidr": "10.244.1.2/32"}}]}],
     ALWAYS | {WEB, BATCH}),
    ("host bits in a block", [{"from": [{"ipBlock": {"cidr": "10.244.1.7/24"}}]}], ALWAYS | {WEB, CLIENT}),
    ("a block of IPv6 has nobody of IPv4", [{"from": [{"ipBlock": {"cidr": "::/0"}}]}], ALWAYS),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "expected"), [case[1:] for case in PEERS], ids=[case[0] for case in PEERS])
def test_peers_of_ingress(rules: object, expected: set[Place]) -> None:
    assert reaching(DB, [policy("db", {"app": "db"}, ingress=rules)]) == expected


@pytest.mark.parametrize(("rules", "expected"), [case[1:] for case in PEERS], ids=[case[0] for case in PEERS])
def test_peers_of_egress_mean_the_same(rules: list[Raw] | None, expected: set[Place]) -> None:
    turned = [{"to" if key == "from" else key: value for key, value in rule.items()} for rule in rules or ()]
    assert reached(DB, [policy("db", {"app": "db"}, policyTypes=["Egress"], egress=turned)]) == expected


ASKED = [(80, "TCP"), (80, "UDP"), (81, "TCP"), (81, "UDP"), (90, "TCP"), (53, "UDP"), (80, "SCTP"), (0, "ICMP")]
PORTS: list[tuple[str, object, set[tuple[int, str]]]] = [
    ("none", None, set(ASKED)),
    ("an empty list", [], set(ASKED)),
    ("a number is TCP's", [{"port": 80}], {(80, "TCP")}),
    ("with a protocol", [{"port": 80, "protocol": "UDP"}], {(80, "UDP")}),
    ("SCTP", [{"port": 80, "protocol": "SCTP"}], {(80, "SCTP")}),
    ("protocol only", [{"protocol": "UDP"}], {(80, "UDP"), (81, "UDP"), (53, "UDP")}),
    ("nothing at all is TCP", [{}], {(80, "TCP"), (81, "TCP"), (90, "TCP")}),
    ("a range has both its ends", [{"port": 80, "endPort": 90}], {(80, "TCP"), (81, "TCP"), (90, "TCP")}),
    ("a range of one", [{"port": 81, "endPort": 81}], {(81, "TCP")}),
    ("a name", [{"port": "sql"}], {(81, "TCP")}),
    ("a name of another protocol", [{"port": "sql", "protocol": "UDP"}], set()),
    ("a name of two protocols", [{"port": "dns", "protocol": "UDP"}], {(53, "UDP")}),
    ("a name that the pod has not", [{"port": "http"}], set()),
    ("several: or", [{"port": 80}, {"port": "dns", "protocol": "UDP"}], {(80, "TCP"), (53, "UDP")}),
]  # fmt: skip


@pytest.mark.parametrize(("ports", "expected"), [case[1:] for case in PORTS], ids=[case[0] for case in PORTS])
def test_ports(ports: object, expected: set[tuple[int, str]]) -> None:
    rule = {} if ports is None else {"ports": ports}
    ingress = Oracle([*WORLD, policy("db", {"app": "db"}, ingress=[rule])])
    egress = Oracle([*WORLD, policy("web", {"app": "web"}, policyTypes=["Egress"], egress=[rule])])
    for oracle in (ingress, egress):
        assert {(port, kind) for port, kind in ASKED if oracle.verdict(WEB, DB, port, kind).allowed} == expected


def test_a_named_port_has_the_number_that_each_target_gives_it() -> None:
    pods = [pod("a", "shop", "n1", "10.244.1.8", ports={"http": 8080}), pod("b", "shop", "n2", "10.244.2.8",
            ports={"http": 9090})]  # fmt: skip
    rules = [{"to": [{"podSelector": {}}], "ports": [{"port": "http"}]}]
    oracle = Oracle([*WORLD, *pods, policy("web", {"app": "web"}, policyTypes=["Egress"], egress=rules)])
    a, b = PodPlace("shop", "a"), PodPlace("shop", "b")
    assert [oracle.verdict(WEB, a, port).allowed for port in (8080, 9090)] == [True, False]
    assert [oracle.verdict(WEB, b, port).allowed for port in (8080, 9090)] == [False, True]


def test_a_name_that_two_containers_give_is_both_numbers() -> None:
    two = pod("two", "shop", "n1", "10.244.1.9", ports={"http": 8080})
    two["spec"]["containers"].append({"ports": [{"name": "http", "containerPort": 9090}]})
    oracle = Oracle([*WORLD, two, policy("all", {}, ingress=[{"ports": [{"port": "http"}]}])])
    found = [oracle.verdict(DB, PodPlace("shop", "two"), port).allowed for port in (8080, 9090, 80)]
    assert found == [True, True, False]


@pytest.mark.parametrize("to", [{}, {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])
def test_nobody_but_pods_has_named_ports(to: Raw) -> None:
    rules = [{**to, "ports": [{"port": "sql"}]}]
    assert reached(WEB, [policy("web", {"app": "web"}, policyTypes=["Egress"], egress=rules)], 81) == {WEB, N1, DB}


TYPES: list[tuple[str, Raw, tuple[bool, bool]]] = [
    ("defaulted: ingress alone", {}, (True, False)),
    ("defaulted: with egress rules both", {"egress": [{}]}, (True, False)),
    ("defaulted: with an egress rule for nobody", {"egress": [{"to": [{"podSelector": APP_WEB}]}]}, (False, False)),
    ("defaulted: an empty list of egress rules is none", {"egress": []}, (True, False)),
    ("an empty list of types is none", {"policyTypes": []}, (True, False)),
    ("egress alone", {"policyTypes": ["Egress"]}, (False, True)),
    ("egress alone leaves ingress rules out", {"policyTypes": ["Egress"], "ingress": [{"from": [
        {"podSelector": APP_WEB}]}]}, (False, True)),
    ("ingress alone leaves egress rules out", {"policyTypes": ["Ingress"], "egress": [{"to": [
        {"podSelector": APP_WEB}]}]}, (True, False)),
    ("both", {"policyTypes": ["Ingress", "Egress"]}, (False, False)),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "expected"), [case[1:] for case in TYPES], ids=[case[0] for case in TYPES])
def test_the_types_of_a_policy(spec: Raw, expected: tuple[bool, bool]) -> None:
    oracle = Oracle([*WORLD, policy("db", {"app": "db"}, **spec)])
    assert (oracle.verdict(DB, CLIENT, 80).allowed, oracle.verdict(CLIENT, DB, 80).allowed) == expected


def test_policies_are_a_union() -> None:
    deny = policy("deny", {})
    one = policy("one", {"app": "db"}, ingress=[{"from": [{"podSelector": APP_WEB}], "ports": [{"port": 80}]}])
    two = policy("two", {}, ingress=[{"from": [{"namespaceSelector": TEAM_A}], "ports": [{"port": 81}]}])
    assert reaching(DB, [deny, one, two], 80) == ALWAYS | {WEB}
    assert reaching(DB, [deny, one, two], 81) == ALWAYS | {CLIENT}
    assert reaching(BATCH, [deny, one, two], 81) == {BATCH, N2, CLIENT}


def test_peers_and_ports_of_different_rules_do_not_mix() -> None:
    rules = [{"from": [{"podSelector": APP_WEB}], "ports": [{"port": 80}]}, {"from": [{"namespaceSelector": TEAM_A}],
             "ports": [{"port": 81}]}]  # fmt: skip
    oracle = Oracle([*WORLD, policy("db", {"app": "db"}, ingress=rules)])
    assert not oracle.verdict(WEB, DB, 81).allowed and not oracle.verdict(CLIENT, DB, 80).allowed


def test_both_sides_must_allow() -> None:
    out = policy("out", {"app": "web"}, policyTypes=["Egress"], egress=[{"to": [{"podSelector": {}}]}])
    into = policy("in", {"app": "db"}, ingress=[{"from": [{"podSelector": APP_WEB}]}])
    assert allowed([out, into], WEB, DB)
    assert not allowed([out, into], WEB, CLIENT)
    verdict = Oracle([*WORLD, out, into]).verdict(BATCH, DB, 80)
    assert verdict.egress.allowed and not verdict.ingress.allowed and not verdict.allowed
    assert verdict.ingress.why is Reason.ISOLATED and [str(name) for name in verdict.ingress.isolated_by] == [
        "NetworkPolicy shop/in"
    ]


def test_a_policy_is_about_its_own_namespace() -> None:
    assert reaching(CLIENT, [policy("all", {})]) == EVERYBODY


def test_a_policy_without_a_podSelector_is_about_all_pods() -> None:
    assert reaching(DB, [{**POLICY, "metadata": {"name": "all", "namespace": "shop"}, "spec": {}}]) == ALWAYS


DENY_ALL = [policy("deny", {}, policyTypes=["Ingress", "Egress"]), policy("deny", {}, "other",
            policyTypes=["Ingress", "Egress"])]  # fmt: skip


def test_a_pod_reaches_itself_and_its_node_whatever_is_said() -> None:
    assert reached(DB, DENY_ALL) == reaching(DB, DENY_ALL) == {DB, N2}
    oracle = Oracle([*WORLD, *DENY_ALL])
    assert oracle.verdict(DB, DB, 80).ingress.why is Reason.ITSELF
    assert oracle.verdict(N2, DB, 80).ingress.why is Reason.OWN_NODE
    assert oracle.verdict(DB, Address("192.0.2.2"), 80).egress.why is Reason.OWN_NODE
    assert oracle.verdict(DB, Address("10.244.2.2"), 80).egress.why is Reason.ITSELF


def test_who_comes_from_a_nodes_address_is_not_the_node() -> None:
    """An outside client through a node port, say."""
    assert not allowed(DENY_ALL, Address("192.0.2.2"), DB)
    block = policy("block", {"app": "db"}, ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.2/32"}}]}])
    assert allowed([*DENY_ALL, block], Address("192.0.2.2"), DB)
    assert not allowed([*DENY_ALL, block], Address("192.0.2.1"), DB)


def test_a_pods_address_means_the_pod() -> None:
    web = policy("web", {"app": "db"}, ingress=[{"from": [{"podSelector": APP_WEB}]}])
    assert allowed([web], Address("10.244.1.2"), DB) and not allowed([web], Address("10.244.2.3"), DB)
    assert allowed([web], WEB, Address("10.244.2.2")) and not allowed([web], BATCH, Address("10.244.2.2"))


def test_a_hostNetwork_pod_is_its_node() -> None:
    assert allowed(DENY_ALL, AGENT, N2), "no policy is about it"
    assert not allowed([policy("x", {"app": "db"}, ingress=[{"from": [{"namespaceSelector": {}}]}])], AGENT, DB)
    assert allowed([policy("x", {"app": "db"}, ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}])], AGENT, DB)
    assert allowed(DENY_ALL, AGENT, WEB), "it is on that pod's node"
    peer = [{"to": [{"namespaceSelector": {}}]}]
    assert not allowed([policy("x", {"app": "db"}, policyTypes=["Egress"], egress=peer)], DB, AGENT)


def test_nodes_and_the_outside_have_no_policies() -> None:
    verdict = Oracle([*WORLD, *DENY_ALL]).verdict(HOST, N1, 80)
    assert verdict.allowed and verdict.egress.why is verdict.ingress.why is Reason.NO_POD


def test_a_finished_pod_is_not_there() -> None:
    done = {**pod("done", "shop", "n1", "10.244.1.2"), "status": {"phase": "Succeeded", "podIP": "10.244.1.2"}}
    oracle = Oracle([done, *WORLD, done])
    with pytest.raises(LookupError, match="shop/done"):
        oracle.verdict(PodPlace("shop", "done"), DB, 80)
    assert oracle.verdict(Address("10.244.1.2"), DB, 80).egress.why is Reason.NOT_ISOLATED, "web has the address now"
    with pytest.raises(LookupError, match="n9"):
        oracle.verdict(NodePlace("n9"), DB, 80)


def test_a_verdict_names_what_matched() -> None:
    rules = [{"from": [{"podSelector": {"matchLabels": {"app": "no"}}}]},
             {"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}, {"namespaceSelector": TEAM_A}],
              "ports": [{"port": 79}, {"port": "sql"}]}, {}]  # fmt: skip
    verdict = Oracle([*WORLD, policy("db", {"app": "db"}, ingress=rules)]).verdict(CLIENT, DB, 81)
    named, everything = verdict.ingress.matches
    assert (named.rule, named.peer, named.port) == (1, 1, 1)
    assert (named.peer_field, named.port_field) == ("from[1].namespaceSelector", "ports[1]")
    assert str(named.policy) == "NetworkPolicy shop/db" and named.direction == "ingress" and named.action == "Allow"
    assert (everything.rule, everything.peer, everything.port) == (2, None, None)


PODS_OF_A = {"namespaces": TEAM_A}
ONLY_WEB = policy("only-web", {"app": "db"}, ingress=[{"from": [{"podSelector": APP_WEB}]}])


def into(action: str, *peers: Raw, **more: object) -> Raw:
    return {"action": action, "from": list(peers), **more}


def test_an_administrators_policy_isolates_nobody() -> None:
    assert reaching(DB, [admin("a", 5, ingress=[into("Allow", PODS_OF_A)])]) == EVERYBODY
    assert reaching(DB, [admin("a", 5, ingress=[into("Deny", PODS_OF_A)])]) == EVERYBODY - {CLIENT}
    assert reached(DB, [admin("a", 5, ingress=[into("Deny", PODS_OF_A)])]) == EVERYBODY, "of egress it says nothing"


def test_an_administrators_rules_come_before_networkpolicies() -> None:
    assert reaching(DB, [ONLY_WEB, admin("a", 5, ingress=[into("Allow", PODS_OF_A)])]) == ALWAYS | {WEB, CLIENT}
    assert reaching(DB, [ONLY_WEB, admin("a", 5, ingress=[into("Deny", {"namespaces": {}})])]) == ALWAYS
    passing = [into("Pass", {"pods": {"namespaceSelector": {}, "podSelector": APP_WEB}}), into("Deny",
               {"namespaces": {}})]  # fmt: skip
    assert reaching(DB, [ONLY_WEB, admin("a", 5, ingress=passing)]) == ALWAYS | {WEB}
    found = Oracle([*WORLD, ONLY_WEB, admin("a", 5, ingress=passing)]).verdict(WEB, DB, 80).ingress
    assert found.passed_by is not None and found.passed_by.rule == 0 and found.matches[0].policy.name == "only-web"


def test_the_lowest_priority_number_comes_first_then_the_order_of_rules() -> None:
    deny, allow = admin("a", 9, ingress=[into("Deny", PODS_OF_A)]), admin("z", 3, ingress=[into("Allow", PODS_OF_A)])
    assert CLIENT in reaching(DB, [deny, allow])
    assert CLIENT not in reaching(DB, [admin("b", 1, ingress=[into("Deny", PODS_OF_A)]), deny, allow])
    assert CLIENT in reaching(DB, [admin("b", 1, ingress=[into("Allow", PODS_OF_A), into("Deny", PODS_OF_A)])])
    passed = [admin("b", 1, ingress=[into("Pass", PODS_OF_A)]), deny]
    assert CLIENT in reaching(DB, passed), "Pass leaves out all later rules of the tier"


def test_the_baseline_is_for_pods_that_no_networkpolicy_isolates() -> None:
    base = baseline(ingress=[into("Allow", PODS_OF_A), into("Deny", {"namespaces": {}})])
    assert reaching(DB, [base]) == EVERYBODY - {WEB, BATCH}
    assert reaching(DB, [base, ONLY_WEB]) == ALWAYS | {WEB}
    passed = admin("a", 5, ingress=[into("Pass", {"namespaces": {}})])
    assert reaching(DB, [base, passed]) == EVERYBODY - {WEB, BATCH}, "Pass leads there where no NetworkPolicy is"
    egress_only = policy("out", {"app": "db"}, policyTypes=["Egress"], egress=[{}])
    assert reaching(DB, [base, egress_only]) == EVERYBODY - {WEB, BATCH}, "it isolates in the other direction"


def test_exemptions_come_before_all_tiers() -> None:
    rules = {"ingress": [into("Deny", {"namespaces": {}})], "egress": [{"action": "Deny", "to": [
        {"networks": ["0.0.0.0/0"]}]}]}  # fmt: skip
    assert reaching(DB, [admin("a", 0, **rules)]) == {DB, N1, N2, HOST}, "namespaces are pods, not nodes"
    assert reached(DB, [admin("a", 0, **rules)]) == {DB, N2}


def test_subjects_and_peers_of_administrators() -> None:
    subject = {"pods": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
                        "podSelector": APP_WEB}}  # fmt: skip
    deny = [into("Deny", {"namespaces": {}})]
    one = [admin("a", 5, subject=subject, ingress=deny)]
    assert reaching(WEB, one) == {WEB, N1, N2, HOST} and reaching(DB, one) == EVERYBODY
    nodes = [{"action": "Deny", "to": [{"nodes": {"matchLabels": {"pool": "x"}}}]}]
    assert reached(DB, [admin("a", 5, egress=nodes)]) == EVERYBODY - {N1}
    assert reached(DB, [admin("a", 5, egress=[{"action": "Deny", "to": [{"nodes": {}}]}])]) == EVERYBODY - {N1}, (
        "n2 is its own node"
    )
    networks = [{"action": "Deny", "to": [{"networks": ["203.0.113.0/24", "10.244.1.2/32"]}]}]
    assert reached(DB, [admin("a", 5, egress=networks)]) == EVERYBODY - {HOST, WEB}
    assert not allowed([admin("a", 5, egress=nodes)], DB, AGENT), "a hostNetwork pod is its node"


ADMIN_PORTS: list[tuple[Raw, set[tuple[int, str]]]] = [
    ({"portNumber": {"protocol": "UDP", "port": 80}}, {(80, "UDP")}),
    ({"portNumber": {"port": 80}}, {(80, "TCP")}),
    ({"portRange": {"protocol": "TCP", "start": 80, "end": 81}}, {(80, "TCP"), (81, "TCP")}),
    ({"namedPort": "sql"}, {(81, "TCP")}),
    ({"namedPort": "dns"}, {(53, "UDP"), (54, "TCP")}),
]
CLUSTER_PORTS: list[tuple[Raw, set[tuple[int, str]]]] = [
    ({"udp": {"destinationPort": {"number": 80}}}, {(80, "UDP")}),
    ({"sctp": {"destinationPort": {"number": 80}}}, {(80, "SCTP")}),
    ({"tcp": {"destinationPort": {"range": {"start": 80, "end": 81}}}}, {(80, "TCP"), (81, "TCP")}),
    ({"tcp": {}}, {(80, "TCP"), (81, "TCP"), (90, "TCP"), (54, "TCP")}),
    ({"destinationNamedPort": "dns"}, {(53, "UDP"), (54, "TCP")}),
]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [({"ports": [ports]}, expected) for ports, expected in ADMIN_PORTS]
    + [({"protocols": [ports]}, expected) for ports, expected in CLUSTER_PORTS],
)
def test_ports_of_administrators(rule: Raw, expected: set[tuple[int, str]]) -> None:
    make = admin("a", 5, ingress=[into("Deny", PODS_OF_A, **rule)])
    if "protocols" in rule:
        make = cluster_policy("a", "Admin", 5, ingress=[into("Deny", PODS_OF_A, **rule)])
    oracle = Oracle([*WORLD, make])
    denied = {each for each in [*ASKED, (54, "TCP")] if not oracle.verdict(CLIENT, DB, *each).allowed}
    assert denied == expected


def test_a_clusternetworkpolicy_says_its_tier_and_accept() -> None:
    accept = cluster_policy("a", "Admin", 5, ingress=[into("Accept", PODS_OF_A)])
    assert reaching(DB, [ONLY_WEB, accept]) == ALWAYS | {WEB, CLIENT}
    base = cluster_policy("b", "Baseline", 7, ingress=[into("Deny", PODS_OF_A)])
    assert reaching(DB, [base]) == EVERYBODY - {CLIENT}
    assert reaching(DB, [base, policy("all", {}, ingress=[{}])]) == EVERYBODY
    first = cluster_policy("c", "Baseline", 6, ingress=[into("Pass", PODS_OF_A)])
    assert reaching(DB, [base, first]) == EVERYBODY, "after the baseline comes the default: allowed"
    assert reaching(DB, [base, baseline(ingress=[into("Allow", PODS_OF_A)])]) == EVERYBODY - {CLIENT}, (
        "what has no priority comes last"
    )


def test_an_unknown_peer_fails_closed() -> None:
    assert reaching(DB, [admin("a", 5, ingress=[into("Deny", {})])]) == ALWAYS
    assert reaching(DB, [ONLY_WEB, admin("a", 5, ingress=[into("Allow", {}, PODS_OF_A)])]) == ALWAYS | {WEB}
    assert reaching(DB, [ONLY_WEB, admin("a", 5, ingress=[into("Pass", {})])]) == ALWAYS


def test_14400_cells_take_a_moment() -> None:
    pods = [pod(f"p{n}", f"ns{n % 5}", f"n{n % 2 + 1}", f"10.244.3.{n + 1}", {"app": f"a{n % 6}"}) for n in range(60)]
    rules = [
        {"from": [{"podSelector": {"matchLabels": {"app": f"a{n}"}}}, {"ipBlock": {"cidr": "10.244.3.0/26"}}],
         "ports": [{"port": 80}, {"port": 81, "protocol": "UDP"}]} for n in range(4)
    ]  # fmt: skip
    policies = [policy(f"p{n}", {"app": f"a{n % 6}"}, f"ns{n % 5}", ingress=rules) for n in range(60)]
    begun = time.process_time()
    oracle = Oracle([*WORLD, *map(namespace, ("ns0", "ns1", "ns2", "ns3", "ns4")), *pods, *policies])
    places = [PodPlace(each["metadata"]["namespace"], each["metadata"]["name"]) for each in pods]
    asked = [(80, "TCP"), (80, "UDP"), (81, "TCP"), (81, "UDP")]
    passed = sum(oracle.verdict(a, b, *each).allowed for a in places for b in places for each in asked)
    assert 0 < passed < 14400
    assert time.process_time() - begun < 5  # measured: 0.4 s
