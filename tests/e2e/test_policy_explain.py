"""`podwire policy explain` in a lab: what it reads of the API, and what it says where it cannot explain."""

from __future__ import annotations

from typing import Any

import pytest
from cluster import Namespace, pod

pytestmark = pytest.mark.e2e
Raw = dict[str, Any]


def policy(name: str, selected: dict[str, str], **spec: Any) -> Raw:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": selected}, **spec},
    }


def explain(ns: Namespace, source: str, target: str, *options: str) -> Raw:
    found: Raw = ns.lab.podwire.json("policy", "explain", ns.lab.name, source, target, *options)
    return found


def test_policies_are_explained_from_the_objects(ns: Namespace) -> None:
    ns.create(pod("server", labels={"app": "server"}), pod("friend", labels={"app": "friend"}))
    service = {"ports": [{"port": 80, "targetPort": 8080}], "selector": {"app": "server"}}
    ns.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service})
    ns.ready("server", "friend")
    server, friend, other = (f"{ns.name}/{name}" for name in ("server", "friend", "execpod"))
    assert explain(ns, other, f"{server}:8080")["allowed"]
    rule = {"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}], "ports": [{"port": 8080}]}
    ns.create(policy("friends", {"app": "server"}, ingress=[rule]))
    allowed, denied = explain(ns, friend, f"{server}:8080"), explain(ns, other, f"{server}:8080")
    assert (allowed["allowed"], denied["allowed"]) == (True, False)
    (match,) = allowed["ingress"]["rules"]
    assert match["policy"] == f"NetworkPolicy {ns.name}/friends"
    assert (match["peer"], match["port"]) == ("spec.ingress[0].from[0].podSelector", "spec.ingress[0].ports[0]")
    assert denied["ingress"]["isolated_by"] == [f"NetworkPolicy {ns.name}/friends"]
    assert denied["ingress"]["missed"][0]["port_matches"] and not denied["ingress"]["missed"][0]["peer_matches"]
    through = explain(ns, friend, f"svc/{ns.name}/web:80")
    assert [(way["port"], way["allowed"]) for way in through["ways"]] == [(8080, True)]
    said = ns.lab.podwire.said("policy", "explain", ns.lab.name, other, f"{server}:8080")
    assert f"ingress: denied, isolated by NetworkPolicy {ns.name}/friends, of which no rule allows it" in said


def test_an_administrators_policy_is_explained_too(ns: Namespace) -> None:
    ns.create(pod("server", labels={"app": "server"}))
    ns.ready("server")
    here = {"matchLabels": {"kubernetes.io/metadata.name": ns.name}}
    rule = {"name": "nobody", "action": "Deny", "from": [{"namespaces": here}]}
    spec = {"priority": 7, "subject": {"namespaces": here}, "ingress": [rule]}
    kind = {"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy"}
    ns.create({**kind, "metadata": {"name": ns.name}, "spec": spec})
    try:
        found = explain(ns, f"{ns.name}/execpod", f"{ns.name}/server:80")
        assert not found["allowed"]
        assert found["ingress"]["rules"][0]["policy"] == f"AdminNetworkPolicy {ns.name}"
        assert found["ingress"]["rules"][0]["action"] == "Deny"
    finally:
        ns.kubectl("delete", "adminnetworkpolicy", ns.name)


def test_what_is_not_there_is_told(ns: Namespace) -> None:
    done = ns.lab.podwire("policy", "explain", ns.lab.name, "nobody", "node1")
    assert done.returncode == 2 and done.stderr.startswith('podwire: no pod or node "nobody"')
    done = ns.lab.podwire("policy", "explain", "nowhere", "a", "b")
    assert done.returncode == 2 and "nowhere" in done.stderr
