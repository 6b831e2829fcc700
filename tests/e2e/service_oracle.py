"""Who may answer at an address of a Service, and whom the endpoint sees as the client: worked out from the rules alone.

Written apart from the controller and sharing nothing with it. The rules are Kubernetes' (virtual IPs and service
proxies, traffic policies, KEP-1669 for endpoints that end) and, where Kubernetes leaves it to the proxy, those of
`docs/services.md`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

REFUSED, DROPPED, UNREACHABLE = "refused", "dropped", "unreachable"


@dataclass(frozen=True)
class Client:
    """Who asks."""

    name: str
    address: str
    node: str  # "" for the outside host


@dataclass(frozen=True)
class Backend:
    """An endpoint: a pod on a node, in a state."""

    pod: str
    node: str
    ready: bool = True
    ending: bool = False  # terminating, and still serving


@dataclass(frozen=True)
class Service:
    """A Service of type LoadBalancer with an external address, so that it has every kind of address."""

    name: str
    internal_local: bool
    external_local: bool
    backends: tuple[Backend, ...]


@dataclass(frozen=True)
class Front:
    """An address that is asked."""

    kind: str  # cluster-ip, node-port, load-balancer or external-ip
    node: str = ""  # of a node port: whose address is asked


@dataclass(frozen=True)
class Verdict:
    """What shall happen: who may answer, seeing which client addresses; or why nobody does."""

    pods: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    otherwise: str = ""

    def __str__(self) -> str:
        return self.otherwise or f"{', '.join(sorted(self.pods))}, seeing {', '.join(sorted(self.sources))}"


def verdict(client: Client, front: Front, service: Service, nodes: dict[str, str]) -> Verdict:
    """`nodes`: name -> address."""
    local_client = bool(client.node)
    if front.kind == "cluster-ip":
        if not local_client:
            return Verdict(otherwise=UNREACHABLE)
        where = [client.node] if service.internal_local else nodes
        return _among(service, where, {client.address})
    own_node_port = front.kind == "node-port" and front.node == client.node
    if own_node_port or (local_client and front.kind != "node-port"):
        return _among(service, nodes, {client.address})  # a short cut, whatever externalTrafficPolicy says
    if service.external_local:
        return _entering_where_endpoints_are(client, front, service, nodes)
    seen = {nodes[front.node]} if front.kind == "node-port" else set(nodes.values())
    return _among(service, nodes, seen)


def _entering_where_endpoints_are(client: Client, front: Front, service: Service, nodes: dict[str, str]) -> Verdict:
    if front.kind == "node-port":
        return _among(service, [front.node], {client.address})
    # As with a health check: nodes without a ready endpoint are no way in while others have one.
    ways_in = {one.node for one in service.backends if one.ready} or {
        one.node for one in service.backends if one.ending
    }
    if not ways_in:  # the border has no way to it
        return Verdict(otherwise=UNREACHABLE)
    pods = {pod for node in ways_in for pod in _usable(service.backends, [node])}
    return Verdict(frozenset(pods), frozenset({client.address}))


def _among(service: Service, where: Iterable[str], sources: set[str]) -> Verdict:
    """The endpoints of these nodes; a Service that has none anywhere refuses, one that has none here says nothing."""
    if pods := _usable(service.backends, list(where)):
        return Verdict(frozenset(pods), frozenset(sources))
    anywhere = _usable(service.backends, [one.node for one in service.backends])
    return Verdict(otherwise=DROPPED if anywhere else REFUSED)


def _usable(backends: Iterable[Backend], where: Collection[str]) -> set[str]:
    """Those of these nodes that are ready; where none is, those that still serve while they end."""
    here = [one for one in backends if one.node in where]
    return {one.pod for one in here if one.ready} or {one.pod for one in here if one.ending}
