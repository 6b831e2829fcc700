"""Whom a pod may reach, by labels and addresses, and both directions together."""

from __future__ import annotations

from ipaddress import ip_network

from netpol.model import ALL, ANY, BETWEEN, EVERYTHING, Cluster, Raw, X, Y, labels, named, policy

A = labels(pod="a")
BY_CIDR = "allow-client-a-via-cidr-egress-rule"


@BETWEEN.it("should deny egress from pods based on PodSelector")
def deny_egress_of_pods(cluster: Cluster) -> None:
    cluster.create(X, policy("deny-egress-pod-a", A, egress=[]))
    cluster.expect(80, ALL.deny("x/a", "*"))


@BETWEEN.it("should deny egress from all pods in a namespace")
def deny_egress_of_a_namespace(cluster: Cluster) -> None:
    cluster.create(X, policy("deny-egress-ns-x", EVERYTHING, egress=[]))
    cluster.expect(80, ALL.deny("x/*", "*"))


@BETWEEN.it("should work with Ingress, Egress specified together")
def both_directions(cluster: Cluster) -> None:
    incoming, outgoing = {"from": [{"podSelector": labels(pod="b")}]}, {"ports": [{"port": 80}]}
    cluster.create(X, policy("allow-client-a-via-pod-selector", A, ingress=[incoming], egress=[outgoing]))
    cluster.expect(80, ALL.deny("*", "x/a").allow("x/b", "x/a"))
    cluster.expect(81, ALL.deny("*", "x/a").deny("x/a", "*").allow("x/b", "x/a"))


@BETWEEN.it(
    "should support denying of egress traffic on the client side (even if the server explicitly allows this traffic)"
)
def denied_where_it_begins(cluster: Cluster) -> None:
    outgoing = {"to": [{"namespaceSelector": named(Y), "podSelector": A}]}
    incoming = {"from": [{"namespaceSelector": named(X), "podSelector": A}]}
    cluster.create(X, policy("allow-to-ns-y-pod-a", A, egress=[outgoing]))
    cluster.create(
        Y,
        policy("allow-from-xa-on-ya-match-selector", A, ingress=[incoming]),
        policy("allow-from-xa-on-yb-match-selector", labels(pod="b"), ingress=[incoming]),
    )
    cluster.expect(80, ALL.deny("x/a", "*").deny("*", "y/a").allow("x/a", "y/a").deny("*", "y/b"))


@BETWEEN.it(
    "should enforce egress policy allowing traffic to a server in a different namespace "
    "based on PodSelector and NamespaceSelector"
)
def to_a_pod_in_a_different_namespace(cluster: Cluster) -> None:
    rule = {"to": [{"namespaceSelector": named(Y), "podSelector": A}]}
    cluster.create(X, policy("allow-to-ns-y-pod-a", A, egress=[rule]))
    cluster.expect(80, ALL.deny("x/a", "*").allow("x/a", "y/a"))


def to_block(cidr: str, *excepted: str) -> Raw:
    """An egress policy of x/a that leads there alone."""
    block = {"cidr": cidr, "except": list(excepted)} if excepted else {"cidr": cidr}
    return policy(BY_CIDR, A, egress=[{"to": [{"ipBlock": block}]}])


def all_around(address: str) -> str:
    """The /4 that an address is in."""
    return str(ip_network(f"{address}/4", strict=False))


@BETWEEN.it("should allow egress access to server in CIDR block")
def to_addresses(cluster: Cluster) -> None:
    cluster.create(X, to_block(f"{cluster.address('y/b')}/32"))
    cluster.expect(80, ALL.deny("x/a", "*").allow("x/a", "y/b"))


@BETWEEN.it("should enforce except clause while egress access to server in CIDR block")
def to_addresses_but_some(cluster: Cluster) -> None:
    address = cluster.address("x/b")
    cluster.create(X, to_block(all_around(address), f"{address}/32"))
    cluster.expect(80, ALL.deny("x/a", "x/b"))


@BETWEEN.it("should ensure an IP overlapping both IPBlock.CIDR and IPBlock.Except is allowed")
def an_address_excepted_and_allowed(cluster: Cluster) -> None:
    address = cluster.address("x/b")
    cluster.create(X, to_block(all_around(address), f"{address}/32"))
    cluster.expect(80, ALL.deny("x/a", "x/b"))
    cluster.replace(X, to_block(f"{address}/32"))
    cluster.expect(80, ALL.deny("x/a", "*").allow("x/a", "x/b"))


@BETWEEN.it(
    "should enforce policies to check ingress and egress policies can be controlled independently based on PodSelector"
)
def directions_are_independent(cluster: Cluster) -> None:
    cluster.create(X, policy("allow-egress-for-target", A, egress=[ANY]))
    cluster.expect(80, ALL)
    cluster.create(X, policy("deny-ingress-via-label-selector", A, ingress=[]))
    cluster.expect(80, ALL.deny("*", "x/a"))
