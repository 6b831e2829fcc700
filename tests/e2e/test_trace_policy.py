"""`podwire trace` beside `podwire policy explain`: what the switches do, and what policies say by their text alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from cluster import Namespace, eventually, pod, service

from experiments.policy import explaining, stored
from k8sshim.client import Client
from lab import state
from lab.tracing import packet, story, tracer
from lab.tracing.judging import EXEMPT, ISOLATED
from lab.tracing.network import Network
from lab.tracing.policy_counters import FEATURES

pytestmark = pytest.mark.e2e
Raw = dict[str, Any]
PODS = {"web": "node1", "db": "node2", "other": "node3", "spare": "node2"}
PORTS = {"http": 8080, "sql": 5432}
OF_ADMIN = {"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy"}
OF_CLUSTER = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}


def policy(name: str, selected: str, **spec: Any) -> Raw:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": pods(selected) if selected else {}, **spec},
    }


def pods(name: str) -> Raw:
    return {"matchLabels": {"app": name}}


def network_policies() -> list[Raw]:
    """Isolation of both sides, by one policy and by two; by pods, ranges, named ports and protocols."""
    from_web = {"from": [{"podSelector": pods("web")}], "ports": [{"port": "sql"}]}
    from_nodes = {"from": [{"ipBlock": {"cidr": "172.30.0.0/16", "except": ["172.30.0.4/32"]}}]}
    to_db = {"to": [{"podSelector": pods("db")}, {"podSelector": pods("spare")}]}
    return [
        policy("db", "db", ingress=[from_web, from_nodes]),
        policy("db-too", "db", policyTypes=["Ingress"]),
        policy("web-out", "web", policyTypes=["Egress"], egress=[to_db, {"ports": [{"port": 53, "protocol": "UDP"}]}]),
        policy("spare-in", "spare", ingress=[{"from": [{"podSelector": {}}], "ports": [{"protocol": "UDP"}]}]),
    ]


def administrators(ns: Namespace) -> list[Raw]:
    """Before NetworkPolicies one that passes, denies and allows; after them one that denies and passes."""
    here = {"matchLabels": {"kubernetes.io/metadata.name": ns.name}}

    def peer(name: str) -> list[Raw]:
        return [{"pods": {"namespaceSelector": here, "podSelector": pods(name)}}]

    rules = [
        {"name": "web-is-asked-on", "action": "Pass", "from": peer("web")},
        {"name": "sql-of-all", "action": "Allow", "from": peer("other"), "ports": [{"portNumber": {"port": 5432}}]},
        {"name": "no-other", "action": "Deny", "from": peer("other")},
    ]
    for rule in rules:
        for port in rule.get("ports", ()):
            port["portNumber"]["protocol"] = "TCP"
    admin = {"priority": 40, "subject": {"namespaces": here}, "ingress": rules}
    baseline = [
        {"name": "not-to-web", "action": "Deny", "to": peer("web")},
        {"name": "db-is-let-go", "action": "Pass", "to": peer("db")},
    ]
    after = {"tier": "Baseline", "priority": 40, "subject": {"namespaces": here}, "egress": baseline}
    return [
        {**OF_ADMIN, "metadata": {"name": ns.name}, "spec": admin},
        {**OF_CLUSTER, "metadata": {"name": ns.name}, "spec": after},
    ]


@contextmanager
def policed(ns: Namespace) -> Iterator[None]:
    """Pods on three nodes, a Service, and policies of every tier."""
    for name, on in PODS.items():
        declared = [(label, number, "TCP") for label, number in PORTS.items()]
        ns.create(pod(name, *declared, labels={"app": name}, nodeName=on))
    ns.create(service("db", {"app": "db"}, {"port": 5432, "targetPort": "sql"}))
    ns.ready(*PODS)
    ns.create(*network_policies(), *administrators(ns))
    try:
        yield
    finally:
        for kind in ("adminnetworkpolicy", "clusternetworkpolicy"):
            ns.kubectl("delete", kind, ns.name)


def asked(ns: Namespace) -> list[tuple[str, str, str]]:
    """Who asks whom, by which protocol: pods, nodes, and a Service."""
    names = [f"{ns.name}/{name}" for name in PODS]
    tcp = [(one, f"{two}:{port}", "TCP") for one, two in product(names, names) if one != two for port in (8080, 5432)]
    udp = [(one, f"{two}:53", "UDP") for one, two in product(names, names) if one != two]
    pings = [(one, two, "ICMP") for one, two in product(names, names) if one != two]
    nodes = [(f"node{i}", f"{two}:5432", "TCP") for i in (1, 2, 3) for two in names]
    to_nodes = [(one, f"node{i}:10250", "TCP") for i in (1, 2, 3) for one in names]
    through = [(one, f"svc/{ns.name}/db:5432", "TCP") for one in names]
    return [*tcp, *udp, *pings, *nodes, *to_nodes, *through]


def test_what_the_switches_do_is_what_policies_say(ns: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODWIRE_HOME", str(ns.lab.podwire.home))
    lab = state.find(ns.lab.name)
    with policed(ns):
        client = Client(lab.kubeconfig)
        network, switches = tracer.connect(lab)
        objects = stored.objects(client)
        eventually(lambda: _missing(network, switches), [], "flows of policies that no bridge has yet")
        outcomes = set()
        for source, target, protocol in asked(ns):
            one = packet.packet(network, source, target, protocol=protocol)
            told = story.tell(network, one, tracer.trace(network, switches, one))
            explained = explaining.explain(network, one, objects).raw()
            assert _differences(told, explained) == [], f"{source} to {target}, {protocol}: {told.verdict}"
            outcomes |= {told.outcome, *(judged.said for judged in told.judged)}
        assert outcomes == {"delivered", "denied", "allowed", "passed", "isolated", "exempt"}


def _missing(network: Network, switches: tracer.Switches) -> list[str]:
    """Cookies of policies' flows that bridges should have, and have not."""
    found = []
    for switch in (one for one in network.cluster.switches if one.node):
        held = "".join(switches.flows_of(switch.name, feature) for feature in FEATURES)
        wanted = network.desired.wanted(switch.dpid).flows.values()
        ours = [flow for flow in wanted if flow.owner.feature in FEATURES]
        found += [flow.text for flow in ours if f"cookie={flow.cookie:#x}," not in held]
    return found


def _differences(told: story.Story, explained: Raw) -> list[str]:
    """Where a trace and an explanation disagree: on what becomes of it, or on who decides it."""
    found = []
    if told.outcome not in ("delivered", "denied") or (told.outcome == "delivered") != explained["allowed"]:
        found.append(f"{told.outcome}, but explained as allowed: {explained['allowed']}")
    for judged in told.judged:
        side = explained[judged.side.name.lower()]
        rules = [(rule["policy"], rule["rule"]) for rule in (*side["rules"], side["passed_by"]) if rule]
        if judged.said == ISOLATED and list(judged.policies) != sorted(side["isolated_by"]):
            found.append(f"isolated by {judged.policies}, but explained as by {side['isolated_by']}")
        if judged.said == EXEMPT and side["rules"]:
            found.append(f"exempt, but explained by {rules}")
        if judged.rule and (*judged.policies, f"spec.{judged.rule}") not in rules:
            found.append(f"{judged.words}, but explained by {rules}")
    return found


def test_the_command_names_the_rules_and_policies(ns: Namespace) -> None:
    with policed(ns):
        web, db, other = (f"{ns.name}/{name}" for name in ("web", "db", "other"))

        def told(*arguments: str) -> Raw:
            raw: Raw = ns.lab.podwire.json("trace", ns.lab.name, *arguments)
            return raw

        eventually(lambda: told(web, f"{db}:8080")["outcome"], "denied")
        through = told(web, f"svc/{ns.name}/db:5432")
        assert (through["outcome"], through["decided_by"]) == ("delivered", f"Service {ns.name}/db")
        assert [(one["side"], one["said"], one["policies"], one["rule"]) for one in through["policies"]] == [
            ("egress", "allowed", [f"NetworkPolicy {ns.name}/web-out"], "egress[0]"),
            ("ingress", "passed", [f"AdminNetworkPolicy {ns.name}"], "ingress[0]"),
            ("ingress", "allowed", [f"NetworkPolicy {ns.name}/db"], "ingress[0]"),
        ]
        denied = told(other, f"{db}:8080")
        assert denied["decided_by"] == f"AdminNetworkPolicy {ns.name}"
        assert denied["verdict"] == f"denied by AdminNetworkPolicy {ns.name} ingress[2] (no-other)"
        said = ns.lab.podwire.said("trace", ns.lab.name, web, f"{db}:8080")
        both = f"NetworkPolicy {ns.name}/db, NetworkPolicy {ns.name}/db-too"
        assert f"pod {db} is isolated at ingress by {both}, of which no rule allows it" in said
        assert said.rstrip().splitlines()[-1].startswith("denied: pod ")
