"""Policies, pods and namespaces that change, and several policies about the same pods."""

from __future__ import annotations

from netpol.model import ALL, ANY, BETWEEN, EVERYTHING, Cluster, X, Y, labels, policy

A = labels(pod="a")


@BETWEEN.it("should enforce updated policy")
def an_updated_policy(cluster: Cluster) -> None:
    name = "allow-all-mutate-to-deny-all"
    cluster.create(X, policy(name, EVERYTHING, ingress=[ANY]))
    cluster.expect(81, ALL)
    cluster.replace(X, policy(name, EVERYTHING, ingress=[]))
    cluster.expect(81, ALL.deny("*", "x/*"))


@BETWEEN.it("should allow ingress access from updated namespace")
def an_updated_namespace(cluster: Cluster) -> None:
    rule = {"from": [{"namespaceSelector": labels(ns2="updated")}]}
    cluster.create(X, policy("allow-client-a-via-ns-selector", A, ingress=[rule]))
    cluster.expect(80, ALL.deny("*", "x/a"))
    cluster.label_namespace(Y, ns2="updated")
    cluster.expect(80, ALL.deny("*", "x/a").allow("y/*", "*"))


@BETWEEN.it("should allow ingress access from updated pod")
def an_updated_client(cluster: Cluster) -> None:
    rule = {"from": [{"podSelector": labels(pod="b", pod2="updated")}]}
    cluster.create(X, policy("allow-client-a-via-pod-selector", A, ingress=[rule]))
    cluster.expect(80, ALL.deny("*", "x/a"))
    cluster.label_pod("x/b", pod2="updated")
    cluster.expect(80, ALL.deny("*", "x/a").allow("x/b", "x/a"))


@BETWEEN.it("should deny ingress access to updated pod")
def an_updated_server(cluster: Cluster) -> None:
    cluster.create(X, policy("deny-ingress-via-label-selector", labels(target="isolated"), ingress=[]))
    cluster.expect(80, ALL)
    cluster.label_pod("x/a", target="isolated")
    cluster.expect(80, ALL.deny("*", "x/a"))


@BETWEEN.it("should enforce multiple ingress policies with ingress allow-all policy taking precedence")
def allowing_all_ingress_beside_another(cluster: Cluster) -> None:
    cluster.create(X, policy("allow-ingress-port-80", EVERYTHING, ingress=[{"ports": [{"port": 80}]}]))
    cluster.expect(81, ALL.deny("*", "x/*"))
    cluster.create(X, policy("allow-ingress", EVERYTHING, ingress=[ANY]))
    cluster.expect(81, ALL)


@BETWEEN.it("should enforce multiple egress policies with egress allow-all policy taking precedence")
def allowing_all_egress_beside_another(cluster: Cluster) -> None:
    cluster.create(X, policy("allow-egress-port-80", EVERYTHING, egress=[{"ports": [{"port": 80}]}]))
    cluster.expect(81, ALL.deny("x/*", "*"))
    cluster.create(X, policy("allow-egress", EVERYTHING, egress=[ANY]))
    cluster.expect(81, ALL)


@BETWEEN.it("should stop enforcing policies after they are deleted")
def a_deleted_policy(cluster: Cluster) -> None:
    cluster.create(X, policy("deny-all", EVERYTHING, ingress=[], egress=[]))
    cluster.expect(80, ALL.deny("x/*", "*").deny("*", "x/*"))
    cluster.delete_policies()
    cluster.expect(80, ALL)
