"""Which connections a matrix tries: from every source to every target, at each of its ports. Pure.

A pod is not paired with itself (such packets never leave it), but with a Service that it stands behind it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from experiments.reach.probe import PROTOCOLS, TCP, Probe
from k8sshim.objects import Endpoint, EndpointSlice, Key, Node, Pod, Service, ServicePort
from lab import inventory

POD, NODE = "pod", "node"


@dataclass(frozen=True)
class Wanted:
    """What to try."""

    ports: tuple[int, ...] = ()  # none: those that the target declares
    protocols: tuple[str, ...] = ()  # none: TCP for `ports`, else what the target declares
    namespaces: tuple[str, ...] = ()  # of both ends; none: all but that of podwire's own pods
    services: bool = False  # try Services instead of pods
    sources: tuple[str, ...] = (POD,)
    kernel: tuple[str, ...] = PROTOCOLS  # what this machine's kernel speaks: other declared ports are left out


@dataclass(frozen=True)
class Inventory:
    """What a lab has, as far as it is to be paired."""

    pods: Collection[Pod]
    nodes: Collection[Node] = ()
    services: Collection[Service] = ()
    slices: Collection[EndpointSlice] = ()


@dataclass(frozen=True)
class Source:
    """Where connections start."""

    kind: str  # POD or NODE
    name: str  # namespace/name of a pod, name of a node
    netns: str
    node: str


@dataclass(frozen=True)
class Way:
    """Who may get a connection: a pod at one of its ports."""

    pod: Key
    port: int


@dataclass(frozen=True)
class Pair:
    """One connection of the matrix."""

    source: Source
    target: str  # namespace/name of a pod or Service
    port: int
    protocol: str
    probe: Probe
    ways: tuple[Way, ...] = field(default=(), compare=False)  # the pod, or the endpoints that a Service may choose
    known: bool = True  # False: not all who may get it are pods, so nobody can say whether they answer
    service: bool = False  # whether the target is one


def pairs(there: Inventory, wanted: Wanted) -> Iterator[Pair]:
    """Everything that is wanted, by source."""
    for source in sources(there, wanted):
        yield from _to_services(source, there, wanted) if wanted.services else _to_pods(source, there.pods, wanted)


def sources(there: Inventory, wanted: Wanted) -> list[Source]:
    """Nodes first, then pods, each by name."""
    nodes = sorted(node.name for node in there.nodes) if NODE in wanted.sources else []
    pods = running(there.pods, wanted) if POD in wanted.sources else []
    return [
        *(Source(NODE, name, f"node-{name}", name) for name in nodes),
        *(Source(POD, str(pod.key), inventory.netns_of(pod), pod.node) for pod in pods),
    ]


def running(pods: Iterable[Pod], wanted: Wanted) -> list[Pod]:
    """The pods that are tried: those with an address, by name."""
    found = (pod for pod in pods if pod.ip and not pod.finished and within(pod.key, wanted))
    return sorted(found, key=lambda pod: pod.key)


def within(key: Key, wanted: Wanted) -> bool:
    """Whether its namespace is one to be tried."""
    return key.namespace in wanted.namespaces if wanted.namespaces else key.namespace != inventory.SYSTEM_NAMESPACE


def _to_pods(source: Source, pods: Collection[Pod], wanted: Wanted) -> Iterator[Pair]:
    for target in running(pods, wanted):
        name = str(target.key)
        if source.name == name:
            continue
        for port, protocol in _ports([(one.number, one.protocol) for one in target.ports], wanted):
            probe = Probe(source.netns, target.ip, port, protocol)
            yield Pair(source, name, port, protocol, probe, (Way(target.key, port),))


def _to_services(source: Source, there: Inventory, wanted: Wanted) -> Iterator[Pair]:
    """Services that have an address, at each of their ports; headless Services have none."""
    for service in sorted(there.services, key=lambda one: one.key):
        if not within(service.key, wanted):
            continue
        declared = {(one.port, one.protocol): one for one in service.ports}
        for address in service.cluster_ips[:1]:
            for port, protocol in _ports(list(declared), wanted):
                probe = Probe(source.netns, address, port, protocol)
                ways, known = _ways(service, declared.get((port, protocol)), source, there)
                yield Pair(source, str(service.key), port, protocol, probe, ways, known, service=True)


def _ports(declared: Sequence[tuple[int, str]], wanted: Wanted) -> list[tuple[int, str]]:
    """Port and protocol of each connection to a target that declares these."""
    if wanted.ports:
        return [(port, protocol) for port in wanted.ports for protocol in wanted.protocols or (TCP,)]
    protocols = wanted.protocols or wanted.kernel
    return [one for one in dict.fromkeys(declared) if one[1] in protocols]


def _ways(service: Service, port: ServicePort | None, source: Source, there: Inventory) -> tuple[tuple[Way, ...], bool]:
    """The endpoints that a Service's port may choose for a source, and whether all of them are pods."""
    if port is None:
        return (), True
    found = [
        (endpoint, one.port)
        for slices in there.slices
        if slices.service == service.key
        for one in slices.ports
        if (one.name, one.protocol) == (port.name, port.protocol)
        for endpoint in slices.endpoints
        if not service.internal_local or endpoint.node == source.node
    ]
    chosen = [one for one in found if one[0].ready] or [one for one in found if _lingers(one[0])]
    ways = tuple(Way(endpoint.target, number) for endpoint, number in chosen if endpoint.target)
    return ways, len(ways) == len(chosen)


def _lingers(endpoint: Endpoint) -> bool:
    """Whether it serves on while it ends: it is asked where nobody else is there."""
    return endpoint.serving and endpoint.terminating
