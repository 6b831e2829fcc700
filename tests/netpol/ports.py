"""To which ports, by number, name and protocol."""

from __future__ import annotations

from netpol.model import ALL, BETWEEN, EVERYTHING, SCTP, TCP, UDP, Cluster, Raw, X, Y, labels, named, policy, port_name

A = labels(pod="a")


def on(port: int | str, protocol: str = "") -> Raw:
    """A port of a rule; the protocol is left to its default where none is given."""
    return {"port": port, "protocol": protocol} if protocol else {"port": port}


def from_y(port: int | str) -> Raw:
    return {"from": [{"namespaceSelector": named(Y)}], "ports": [on(port, TCP)]}


@BETWEEN.it("should enforce policy based on Ports")
def by_port(cluster: Cluster) -> None:
    cluster.create(X, policy("allow-client-a-via-ns-selector", A, ingress=[from_y(81)]))
    cluster.expect(81, ALL.deny("x/*", "x/a").allow("y/*", "x/a").deny("z/*", "x/a"))


@BETWEEN.it("should enforce multiple, stacked policies with overlapping podSelectors")
def stacked(cluster: Cluster) -> None:
    from_y_alone = ALL.deny("x/*", "x/a").allow("y/*", "x/a").deny("z/*", "x/a")
    cluster.create(X, policy("allow-client-a-via-ns-selector", A, ingress=[from_y(81)]))
    cluster.expect(81, from_y_alone)
    cluster.expect(80, ALL.deny("*", "x/a"))
    cluster.create(X, policy("allow-client-a-via-ns-selector-80", A, ingress=[from_y(80)]))
    cluster.expect(80, from_y_alone)


@BETWEEN.it("should allow ingress access on one named port")
def ingress_by_name(cluster: Cluster) -> None:
    cluster.create(X, policy("allow-all", EVERYTHING, ingress=[{"ports": [on(port_name(81, TCP))]}]))
    cluster.expect(81, ALL)
    cluster.expect(80, ALL.deny("*", "x/*"))


@BETWEEN.it("should allow ingress access from namespace on one named port")
def ingress_from_a_namespace_by_name(cluster: Cluster) -> None:
    cluster.create(X, policy("allow-client-a-via-ns-selector-80", A, ingress=[from_y(port_name(80, TCP))]))
    cluster.expect(80, ALL.deny("x/*", "x/a").deny("z/*", "x/a"))
    cluster.expect(81, ALL.deny("*", "x/a"))


@BETWEEN.it("should allow egress access on one named port")
def egress_by_name(cluster: Cluster) -> None:
    cluster.create(X, policy("allow-egress", EVERYTHING, egress=[{"ports": [on(port_name(80, TCP))]}]))
    cluster.expect(80, ALL)
    cluster.expect(81, ALL.deny("x/*", "*"))


@BETWEEN.it("should enforce ingress policy allowing any port traffic to a server on a specific protocol")
def any_port_of_a_protocol(cluster: Cluster) -> None:
    cluster.create(X, policy("allow-ingress-by-proto", A, ingress=[{"ports": [{"protocol": TCP}]}]))
    cluster.expect(80, ALL)
    cluster.expect(80, ALL.deny("*", "x/a"), UDP)


@BETWEEN.it("should not mistakenly treat 'protocol: SCTP' as 'protocol: TCP', even if the plugin doesn't support SCTP")
def sctp_is_not_tcp(cluster: Cluster) -> None:
    cluster.create(X, policy("deny-ingress", EVERYTHING, ingress=[]))
    cluster.create(X, policy("allow-only-sctp-ingress-on-port-81", A, ingress=[{"ports": [on(81, SCTP)]}]))
    cluster.expect(81, ALL.deny("*", "x/*"))


@BETWEEN.it(
    "should properly isolate pods that are selected by a policy allowing SCTP, even if the plugin doesn't support SCTP"
)
def allowing_sctp_isolates(cluster: Cluster) -> None:
    cluster.create(X, policy("allow-only-sctp-ingress-on-port-80", A, ingress=[{"ports": [on(80, SCTP)]}]))
    cluster.expect(81, ALL.deny("*", "x/a"))


@BETWEEN.it("should not allow access by TCP when a policy specifies only UDP")
def udp_is_not_tcp(cluster: Cluster) -> None:
    cluster.create(X, policy("allow-only-udp-ingress-on-port-81", A, ingress=[{"ports": [on(81, UDP)]}]))
    cluster.expect(81, ALL.deny("*", "x/a"))
