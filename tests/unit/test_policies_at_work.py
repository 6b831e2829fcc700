"""What a trace says of policies, and what they are said to have counted, from flows and what switches print of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from network_model import cluster_of, named, node, pod

from controller.actions import ToController
from controller.flows import Flow
from controller.marks import SOURCE, Source
from controller.tables import DENIED, EGRESS_ADMIN, EGRESS_DEFAULT, INGRESS_ADMIN, OUTPUT
from k8sshim.admin_policies import admin_network_policy, baseline_admin_network_policy
from k8sshim.objects import ContainerPort, Key, Pod
from k8sshim.policies import Namespace, Policy, network_policy
from lab.tracing import packet as packets
from lab.tracing.judging import SIDES, judge
from lab.tracing.network import Network, Rule
from lab.tracing.policy_counters import Count, PolicyCounts, PolicyUse, uses
from lab.tracing.story import Story, tell
from lab.tracing.transcript import Visit

pytestmark = pytest.mark.unit
EVERYBODY = {"namespaceSelector": {}}
CLIENTS = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "client"}}}}


def labelled(name: str, on: int, number: int) -> Pod:
    return replace(pod(name, on, number), labels=(("app", name),))


WEB, CLIENT, FINISHED = labelled("web", 1, 2), labelled("client", 2, 3), replace(labelled("web", 2, 4), phase="Failed")
ON_NODE = replace(labelled("web", 2, 5), key=Key("default", "on-node"), host_network=True)


def policy(name: str, **spec: object) -> Policy:
    return network_policy({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def admin(name: str, priority: int, *rules: dict[str, object], direction: str = "ingress") -> Policy:
    spec = {"priority": priority, "subject": {"namespaces": {}}, direction: list(rules)}
    return admin_network_policy({"kind": "AdminNetworkPolicy", "metadata": {"name": name}, "spec": spec})


def baseline(*rules: dict[str, object]) -> Policy:
    spec = {"subject": {"namespaces": {}}, "egress": list(rules)}
    kind = {"kind": "BaselineAdminNetworkPolicy", "metadata": {"name": "default"}}
    return baseline_admin_network_policy({**kind, "spec": spec})


PASS, DENY = ({"name": name, "action": name.title(), "from": [CLIENTS]} for name in ("pass", "deny"))
WEB_ONLY = policy(
    "web", podSelector={"matchLabels": {"app": "web"}}, ingress=[{"from": [EVERYBODY], "ports": [{"port": 80}]}]
)
NOTHING = policy("nothing", podSelector={}, policyTypes=["Ingress", "Egress"])
LATER = admin("later", 9, DENY)
FIRST = admin("first", 3, PASS, {**DENY, "ports": [{"portNumber": {"protocol": "UDP", "port": 53}}]})
BASE = baseline({"action": "Pass", "to": [CLIENTS]}, {"action": "Deny", "to": [{"namespaces": {}}]})


def network(*policies: Policy) -> Network:
    views = (cluster_of(2), node(1), node(2), Namespace("default", ()), WEB, CLIENT, ON_NODE, *policies)
    return Network((*named(view), view) for view in views)


def flow_of(one: Network, bridge: str, wanted: Callable[[Flow], bool]) -> Flow:
    flows = one.desired.wanted(one.switch(bridge).dpid).flows.values()
    return next(flow for flow in flows if wanted(flow))


def verdict(one: Network, bridge: str, subject: str) -> Flow:
    """The flow for new connections of a rule, or of a pod that is isolated at ingress."""
    (found,) = (
        flow
        for flow in one.desired.wanted(one.switch(bridge).dpid).flows.values()
        if flow.owner.subject == subject and flow.table in SIDES and flow.table is not EGRESS_DEFAULT
        if "+new" in str(dict(flow.match).get("ct_state"))
    )
    return found


def visit(bridge: str, flow: Flow, *actions: str, output: int | None = None) -> Visit:
    return Visit(bridge, flow.table.number, flow.cookie, "", {}, actions, output)


def said(one: Network, bridge: str, flow: Flow) -> str:
    judged = judge(one, visit(bridge, flow), one.rule(bridge, flow.table.number, flow.cookie))
    return judged.words if judged else ""


@pytest.mark.parametrize(
    ("bridge", "subject", "words"),
    [
        ("b1", "NetworkPolicy default/web ingress[0]", "NetworkPolicy default/web ingress[0]: allows it"),
        ("b1", "AdminNetworkPolicy later ingress[0]", "AdminNetworkPolicy later ingress[0] (deny): denies it"),
        (
            "b1",
            "AdminNetworkPolicy first ingress[0]",
            "AdminNetworkPolicy first ingress[0] (pass): passes it on to NetworkPolicies",
        ),
        (
            "b2",
            "BaselineAdminNetworkPolicy default egress[0]",
            "BaselineAdminNetworkPolicy default egress[0]: allows it, before the other rules of its tier",
        ),
        (
            "b1",
            "Pod default/web",
            "pod default/web is isolated at ingress by NetworkPolicy default/nothing, NetworkPolicy default/web, "
            "of which no rule allows it",
        ),
    ],
)
def test_a_stage_names_the_rule_or_the_policies_that_isolate(bridge: str, subject: str, words: str) -> None:
    one = network(WEB_ONLY, NOTHING, LATER, FIRST, BASE)
    assert said(one, bridge, verdict(one, bridge, subject)) == words


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({SOURCE.name: Source.NODE}, "sent by a node, of which no policy speaks: not judged"),
        (
            {SOURCE.name: Source.POD, "ipv4_dst": "172.30.0.2"},
            "a pod and its own node always reach each other: not judged",
        ),
        (
            {SOURCE.name: Source.POD, "ipv4_src": "10.244.1.2", "ipv4_dst": "10.244.1.2"},
            "a pod always reaches itself: not judged",
        ),
    ],
)
def test_a_stage_says_why_policies_have_no_say(wanted: dict[str, object], words: str) -> None:
    one = network(WEB_ONLY)
    flow = flow_of(
        one,
        "b1",
        lambda flow: (
            flow.table is EGRESS_ADMIN
            and {name: value for name, value in flow.match if name != "eth_type"} == wanted
            and flow.priority > 60000
        ),
    )
    assert said(one, "b1", flow) == words


def test_what_is_no_stage_of_policies_is_not_judged() -> None:
    one = network(WEB_ONLY)
    assert said(one, "b1", flow_of(one, "b1", lambda flow: flow.table is OUTPUT)) == ""
    assert judge(one, Visit("b1", INGRESS_ADMIN.number, 1, "", {}), None) is None
    unknown = Rule("policy_allow", "", None)  # of a policy that is gone by now
    assert judge(one, Visit("b1", INGRESS_ADMIN.number, 1, "", {}), unknown) is not None


def story(one: Network, *flows: Flow) -> Story:
    """Of a packet that meets these flows on b1, and is dropped at the end."""
    dropped = flow_of(one, "b1", lambda flow: flow.table is DENIED and ToController() in flow.actions)
    visits = [*(visit("b1", flow) for flow in flows), visit("b1", dropped, "controller(max_len=65535)")]
    return tell(one, packets.packet(one, "default/client", "default/web:80"), visits)


def test_a_denied_packet_is_told_with_the_rule_and_the_policy() -> None:
    one = network(WEB_ONLY, NOTHING, LATER, FIRST)
    told = story(
        one,
        verdict(one, "b1", "AdminNetworkPolicy first ingress[0]"),
        verdict(one, "b1", "AdminNetworkPolicy later ingress[0]"),
    )
    assert (told.outcome, told.decided_by) == ("denied", "AdminNetworkPolicy later")
    assert told.verdict == "denied by AdminNetworkPolicy later ingress[0] (deny)"
    assert [(rule["said"], rule["rule"], rule["name"]) for rule in told.raw()["policies"]] == [
        ("passed", "ingress[0]", "pass"),
        ("denied", "ingress[0]", "deny"),
    ]


def test_of_an_isolated_pod_all_policies_that_isolate_it_decide() -> None:
    one = network(WEB_ONLY, NOTHING)
    told = story(one, verdict(one, "b1", "Pod default/web"))
    names = "NetworkPolicy default/nothing, NetworkPolicy default/web"
    assert (told.outcome, told.decided_by) == ("denied", names)
    assert told.verdict == f"denied: pod default/web is isolated at ingress by {names}, of which no rule allows it"


def dump(flows: Iterable[tuple[Flow, int]]) -> str:
    """As `ovs-ofctl dump-flows` prints them."""
    return "\n".join(
        f" cookie={flow.cookie:#x}, duration=9.9s, table={flow.table.number}, n_packets={packets}, "
        f"n_bytes={100 * packets}, idle_age=1, priority={flow.priority},ip actions=drop"
        for flow, packets in flows
    )


def used(one: Network, *dumps: tuple[str, str]) -> dict[str, PolicyUse]:
    counts = PolicyCounts()
    for bridge, text in dumps:
        counts.add(one, bridge, text)
    return {str(use.policy): use for use in uses(one, counts)}


def counted(one: Network, bridge: str, subject: str, new: int, known: int) -> list[tuple[Flow, int]]:
    """The verdict flows of a rule, or of an isolated pod at ingress, with these packets."""
    flows = [
        flow
        for flow in one.desired.wanted(one.switch(bridge).dpid).flows.values()
        if flow.owner.subject == subject and ("conj_id" in dict(flow.match) or flow.table.name == "IngressDefault")
    ]
    assert len(flows) == 2
    return [(flow, new if "+new" in str(dict(flow.match)) else known) for flow in flows]


def test_rules_count_connections_and_packets_over_all_bridges() -> None:
    one = network(LATER, NOTHING)
    subject = "AdminNetworkPolicy later ingress[0]"
    clauses = [(flow, 50) for flow in one.desired.wanted(1).flows.values() if flow.owner.subject == subject]
    here, there = counted(one, "b1", subject, 2, 5), counted(one, "b2", subject, 1, 0)
    clauses = [(flow, count) for flow, count in clauses if "conj_id" not in dict(flow.match)]
    found = used(one, ("b1", dump([*here, *clauses])), ("b2", dump(there)))
    (rule,) = found["AdminNetworkPolicy later"].rules
    assert (rule.place, rule.name, rule.action, rule.matches, rule.count) == (
        "ingress[0]", "deny", "Deny", True, Count(3, 8),
    )  # fmt: skip


def test_what_an_isolated_pod_is_denied_counts_for_each_policy_that_isolates_it() -> None:
    one = network(WEB_ONLY, NOTHING)
    web, client = counted(one, "b1", "Pod default/web", 3, 1), counted(one, "b2", "Pod default/client", 10, 0)
    found = used(one, ("b1", dump(web)), ("b2", dump(client)))
    assert dict(found["NetworkPolicy default/web"].isolated) == {"ingress": Count(3, 4)}
    assert dict(found["NetworkPolicy default/nothing"].isolated) == {"ingress": Count(13, 14), "egress": Count()}


def test_rules_with_several_sets_of_named_ports_count_as_one() -> None:
    ports = (
        replace(WEB, ports=(ContainerPort("http", 80, "TCP"),)),
        replace(CLIENT, ports=(ContainerPort("http", 8080, "TCP"),)),
    )
    named_ports = policy("named", podSelector={}, ingress=[{"ports": [{"port": "http"}]}])
    views = (cluster_of(2), node(1), node(2), Namespace("default", ()), *ports, named_ports)
    one = Network((*named(view), view) for view in views)
    subject = "NetworkPolicy default/named ingress[0]"
    texts = [(bridge, dump(counted(one, bridge, subject, 1, 2))) for bridge in ("b1", "b2")]
    (rule,) = used(one, *texts)["NetworkPolicy default/named"].rules
    assert rule.count == Count(2, 6)


def test_policies_are_listed_in_the_order_in_which_they_are_asked() -> None:
    found = used(network(BASE, WEB_ONLY, LATER, NOTHING, FIRST))
    assert list(found) == [
        "AdminNetworkPolicy first",
        "AdminNetworkPolicy later",
        "NetworkPolicy default/nothing",
        "NetworkPolicy default/web",
        "BaselineAdminNetworkPolicy default",
    ]
    assert [use.priority for use in found.values()] == [3, 9, None, None, None]


def test_neither_hostnetwork_pods_nor_finished_ones_are_selected() -> None:
    one = network(WEB_ONLY)
    one.pods[Key("default", "finished")] = replace(FINISHED, key=Key("default", "finished"))
    assert used(one)["NetworkPolicy default/web"].pods == ("default/web",)


def test_a_rule_that_nothing_can_meet_says_so() -> None:
    nobody = policy("web", podSelector={}, ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "absent"}}}]}])
    (rule,) = used(network(nobody))["NetworkPolicy default/web"].rules
    assert (rule.matches, rule.count) == (False, Count())


def test_as_json_a_policy_has_its_tier_pods_rules_and_what_it_denied() -> None:
    raw = used(network(WEB_ONLY))["NetworkPolicy default/web"].raw
    assert raw == {
        "kind": "NetworkPolicy", "namespace": "default", "name": "web", "tier": "NetworkPolicy", "priority": None,
        "pods": ["default/web"],
        "rules": [
            {
                "rule": "ingress[0]", "name": None, "action": "Allow", "matches": True, "connections": 0, "packets": 0,
            }
        ],
        "isolates": {"ingress": {"connections": 0, "packets": 0}},
    }  # fmt: skip
