"""Who may come in, by labels of pods and namespaces."""

from __future__ import annotations

from netpol.model import (
    ALL,
    ANY,
    BETWEEN,
    EVERYTHING,
    NAME_LABEL,
    Cluster,
    X,
    Y,
    expression,
    labels,
    named,
    policy,
)

A = labels(pod="a")
B = labels(pod="b")
NOT_X = expression(NAME_LABEL, "NotIn", X)


@BETWEEN.it("should support a 'default-deny-ingress' policy")
def default_deny_ingress(cluster: Cluster) -> None:
    cluster.create(X, policy("deny-ingress", EVERYTHING, ingress=[]))
    cluster.expect(80, ALL.deny("*", "x/*"))


@BETWEEN.it("should support a 'default-deny-all' policy")
def default_deny_all(cluster: Cluster) -> None:
    cluster.create(X, policy("deny-all", EVERYTHING, ingress=[], egress=[]))
    cluster.expect(80, ALL.deny("*", "x/*").deny("x/*", "*"))


@BETWEEN.it("should enforce policy to allow traffic from pods within server namespace based on PodSelector")
def from_pods_within_the_namespace(cluster: Cluster) -> None:
    cluster.create(X, policy("x-a-allows-x-b", A, ingress=[{"from": [{"podSelector": B}]}]))
    cluster.expect(80, ALL.deny("*", "x/a").allow("x/b", "x/a"))


@BETWEEN.it("should enforce policy to allow ingress traffic for a target")
def ingress_for_a_target(cluster: Cluster) -> None:
    everybody = {"podSelector": EVERYTHING, "namespaceSelector": EVERYTHING}
    cluster.create(X, policy("deny-all", EVERYTHING, ingress=[]))
    cluster.create(X, policy("allow-all-to-a", A, ingress=[{"from": [everybody]}]))
    cluster.expect(80, ALL.deny("*", "x/*").allow("*", "x/a"))


@BETWEEN.it("should enforce policy to allow ingress traffic from pods in all namespaces")
def from_all_namespaces(cluster: Cluster) -> None:
    rule = {"from": [{"namespaceSelector": {"matchLabels": {}}}]}
    cluster.create(X, policy("allow-from-another-ns", A, ingress=[rule]))
    cluster.expect(80, ALL)


@BETWEEN.it("should enforce policy to allow traffic only from a different namespace, based on NamespaceSelector")
def from_a_different_namespace(cluster: Cluster) -> None:
    rule = {"from": [{"namespaceSelector": named(Y)}]}
    cluster.create(X, policy("allow-client-a-via-ns-selector", A, ingress=[rule]))
    cluster.expect(80, ALL.deny("x/*", "x/a").deny("z/*", "x/a"))


@BETWEEN.it("should enforce policy based on PodSelector with MatchExpressions")
def pods_by_expressions(cluster: Cluster) -> None:
    rule = {"from": [{"podSelector": expression("pod", "In", "b")}]}
    cluster.create(X, policy("x-a-allows-x-b", A, ingress=[rule]))
    cluster.expect(80, ALL.deny("*", "x/a").allow("x/b", "x/a"))


@BETWEEN.it("should enforce policy based on NamespaceSelector with MatchExpressions")
def namespaces_by_expressions(cluster: Cluster) -> None:
    rule = {"from": [{"namespaceSelector": expression(NAME_LABEL, "In", Y)}]}
    cluster.create(X, policy("allow-ns-y-match-selector", A, ingress=[rule]))
    cluster.expect(80, ALL.deny("x/*", "x/a").deny("z/*", "x/a"))


@BETWEEN.it("should enforce policy based on PodSelector or NamespaceSelector")
def pods_or_namespaces(cluster: Cluster) -> None:
    rule = {"from": [{"namespaceSelector": NOT_X}, {"podSelector": B}]}
    cluster.create(X, policy("allow-ns-y-match-selector", A, ingress=[rule]))
    cluster.expect(80, ALL.deny("x/c", "x/a"))


@BETWEEN.it("should enforce policy based on PodSelector and NamespaceSelector")
def pods_and_namespaces(cluster: Cluster) -> None:
    rule = {"from": [{"namespaceSelector": NOT_X, "podSelector": B}]}
    cluster.create(X, policy("allow-ns-y-podselector-and-nsselector", A, ingress=[rule]))
    cluster.expect(80, ALL.deny("*", "x/a").allow("y/b", "x/a").allow("z/b", "x/a"))


@BETWEEN.it("should enforce policy based on Multiple PodSelectors and NamespaceSelectors")
def several_pods_and_namespaces(cluster: Cluster) -> None:
    rule = {"from": [{"namespaceSelector": NOT_X, "podSelector": expression("pod", "In", "b", "c")}]}
    cluster.create(X, policy("allow-ns-y-z-pod-b-c", A, ingress=[rule]))
    cluster.expect(80, ALL.deny("x/*", "x/a").deny("y/a", "x/a").deny("z/a", "x/a"))


@BETWEEN.it("should enforce policy based on any PodSelectors")
def any_of_several_pods(cluster: Cluster) -> None:
    rule = {"from": [{"podSelector": B}, {"podSelector": labels(pod="c")}]}
    cluster.create(X, policy("allow-ns-x-pod-b-c", A, ingress=[rule]))
    cluster.expect(80, ALL.deny("*", "x/a").allow("x/b", "x/a").allow("x/c", "x/a"))


@BETWEEN.it(
    "should enforce policy to allow traffic only from a pod in a different namespace "
    "based on PodSelector and NamespaceSelector"
)
def from_a_pod_in_a_different_namespace(cluster: Cluster) -> None:
    rule = {"from": [{"namespaceSelector": named(Y), "podSelector": A}]}
    cluster.create(X, policy("allow-ns-y-pod-a-via-namespace-pod-selector", A, ingress=[rule]))
    cluster.expect(80, ALL.deny("*", "x/a").allow("y/a", "x/a"))


@BETWEEN.it("should support allow-all policy")
def allow_all(cluster: Cluster) -> None:
    cluster.create(X, policy("allow-all", EVERYTHING, ingress=[ANY]))
    cluster.expect(80, ALL)
    cluster.expect(81, ALL)


@BETWEEN.it("should deny ingress from pods on other namespaces")
def not_from_other_namespaces(cluster: Cluster) -> None:
    rule = {"from": [{"podSelector": {"matchLabels": {}}}]}
    cluster.create(X, policy("deny-empty-policy", EVERYTHING, ingress=[rule]))
    cluster.expect(80, ALL.deny("y/*", "x/*").deny("z/*", "x/*"))


@BETWEEN.it("should enforce policy to allow traffic based on NamespaceSelector with MatchLabels using default ns label")
def the_default_label_of_namespaces(cluster: Cluster) -> None:
    rule = {"from": [{"namespaceSelector": {"matchLabels": {NAME_LABEL: Y}}}]}
    cluster.create(X, policy("allow-client-a-via-ns-selector-for-immutable-ns-label", A, ingress=[rule]))
    cluster.expect(80, ALL.deny("x/*", "x/a").deny("z/*", "x/a"))


@BETWEEN.it("should enforce policy based on NamespaceSelector with MatchExpressions using default ns label")
def the_default_label_of_namespaces_in_expressions(cluster: Cluster) -> None:
    rule = {"to": [{"namespaceSelector": expression(NAME_LABEL, "NotIn", Y)}]}
    cluster.create(X, policy("allow-ns-y-match-selector-for-immutable-ns-label", A, egress=[rule]))
    cluster.expect(80, ALL.deny("x/a", "y/*"))
