"""The same three tests by another protocol."""

from __future__ import annotations

from netpol.model import ALL, EVERYTHING, SCTP, UDP, Cluster, Context, X, Y, labels, named, policy

A = labels(pod="a")


def using(protocol: str) -> Context:
    """Kubernetes' tests by that protocol."""
    context = Context(f"NetworkPolicy between server and client using {protocol}")

    @context.it("should support a 'default-deny-ingress' policy")
    def default_deny_ingress(cluster: Cluster) -> None:
        cluster.create(X, policy("deny-all", EVERYTHING, ingress=[]))
        cluster.expect(80, ALL.deny("*", "x/*"), protocol)

    @context.it("should enforce policy based on Ports")
    def by_port(cluster: Cluster) -> None:
        rule = {"from": [{"namespaceSelector": named(Y)}], "ports": [{"port": 81, "protocol": protocol}]}
        cluster.create(X, policy("allow-ingress-on-port-81-ns-x", A, ingress=[rule]))
        cluster.expect(81, ALL.deny("x/*", "x/a").deny("z/*", "x/a"), protocol)

    @context.it(
        "should enforce policy to allow traffic only from a pod in a different namespace "
        "based on PodSelector and NamespaceSelector"
    )
    def from_a_pod_in_a_different_namespace(cluster: Cluster) -> None:
        rule = {"from": [{"namespaceSelector": named(Y), "podSelector": A}]}
        cluster.create(X, policy("allow-ns-y-pod-a-via-namespace-pod-selector", A, ingress=[rule]))
        cluster.expect(80, ALL.deny("*", "x/a").allow("y/a", "x/a"), protocol)

    return context


USING_UDP, USING_SCTP = using(UDP), using(SCTP)
