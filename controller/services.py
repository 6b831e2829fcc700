"""Services as intents: who asks what (front ends), and which endpoints may answer (choices). Pure.

A Service port has at most two choices: all its endpoints, which zone hints may narrow, and under a policy Local those
of the node. Each has a number, by which its front ends name it. What is the same on all nodes is said once for all;
only what policy Local or zone hints make different is said for each node.

Which endpoints may answer whom is kube-proxy's rule (its `CategorizeEndpoints`), terminating ones included (KEP-1669).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from k8sshim.objects import EndpointSlice, Key, Service, ServicePort

from .addresses import is_ipv4

EVERY_NODE = -1  # stands for the datapath id of every node bridge
THIS_NODE = ""  # stands for the address of the node itself
Weights = Callable[[Key], int]  # of pods


@dataclass(frozen=True)
class Home:
    """A node as Services see it."""

    dpid: int
    node: str
    zone: str


@dataclass(frozen=True, order=True)
class Backend:
    """An endpoint's address and port, and its share where a Service balances by weight."""

    address: str
    port: int
    weight: int = 1


@dataclass(frozen=True)
class Choice:
    """The endpoints that a new connection to a Service port gets one of. None: it is refused, or dropped."""

    number: int
    label: int  # the Service port's number, whatever the choice: its connections are counted by it
    protocol: str
    backends: tuple[Backend, ...]
    balancing: str = "hash"
    affinity_s: int = 0
    refused: bool = True
    dpid: int = EVERY_NODE
    asked_directly: tuple[Backend, ...] = ()  # whose own address and port may be what the client asked


@dataclass(frozen=True)
class FrontEnd:
    """An address and port that clients ask, and the choice that answers them."""

    address: str  # or THIS_NODE
    protocol: str
    port: int
    choice: int  # its number
    outside_only: bool = False  # for outside clients alone, and before what holds for all
    masquerade: bool = False  # outside clients are seen as the node
    clients: str = ""  # the range of addresses that may ask; empty for all


@dataclass(frozen=True)
class ClosedPort:
    """An address and port of a load balancer that answers only clients of some ranges: all others are dropped."""

    address: str
    protocol: str
    port: int


@dataclass(frozen=True)
class VirtualAddress:
    """An address of a Service; ports that it does not declare are refused."""

    address: str


@dataclass(frozen=True)
class CountedPort:
    """A Service port whose connections' packets are counted, by the label they carry."""

    label: int


ServiceIntent = Choice | FrontEnd | ClosedPort | VirtualAddress | CountedPort


@dataclass(frozen=True)
class _Candidate:
    """An endpoint that may answer if its state and the policy let it."""

    backend: Backend
    node: str
    zones: tuple[str, ...]
    ready: bool


def of_service(
    service: Service,
    slices: Iterable[EndpointSlice],
    homes: Sequence[Home],
    number_of: Callable[[str], int],
    weight_of: Weights,
) -> tuple[ServiceIntent, ...]:
    """A Service's addresses and ports with the endpoints that may serve them; nothing where it has no address."""
    if service.headless:
        return ()
    slices = sorted((one for one in slices if one.address_type == "IPv4"), key=lambda one: one.key)
    intents: list[ServiceIntent] = []
    for port in service.ports:
        name = f"Service {service.key} {port.protocol} {port.port}"
        everywhere, local = number_of(name), number_of(f"{name} local")
        candidates = _candidates(slices, port, weight_of)
        intents.append(CountedPort(everywhere))
        intents += _choices(service, port, everywhere, everywhere, _cluster(candidates, homes))
        if service.external_local or service.internal_local:
            intents += _choices(service, port, local, everywhere, _local(candidates, homes))
        intents += _front_ends(service, port, everywhere, local)
    refusing = filter(is_ipv4, dict.fromkeys((*service.cluster_ips, *service.ingress_ips)))
    return (*intents, *map(VirtualAddress, refusing))


def depends_on_nodes(service: Service, slices: Iterable[EndpointSlice]) -> bool:
    """Whether a Service's endpoints may be others on other nodes."""
    local = service.external_local or service.internal_local
    return local or any(endpoint.for_zones for one in slices for endpoint in one.endpoints)


def _candidates(slices: Iterable[EndpointSlice], port: ServicePort, weight_of: Weights) -> list[_Candidate]:
    """Endpoints that are ready, or still serve while they end, each once: a ready one before the same not ready."""
    found: dict[tuple[str, int], _Candidate] = {}
    for one in slices:
        numbers = [p.port for p in one.ports if p.name == port.name and p.protocol == port.protocol and p.port]
        for endpoint in one.endpoints if numbers else ():
            if not (endpoint.ready or (endpoint.serving and endpoint.terminating)):
                continue
            weight = weight_of(endpoint.target) if endpoint.target else 1
            for place in ((endpoint.addresses[0], number) for number in numbers):
                if endpoint.ready or place not in found:
                    backend = Backend(*place, weight)
                    found[place] = _Candidate(backend, endpoint.node, endpoint.for_zones, endpoint.ready)
    return sorted(found.values(), key=lambda candidate: candidate.backend)


Chosen = Iterator[tuple[int, tuple[Backend, ...], bool]]  # where, who may answer, and whether nobody means refusal


def _cluster(candidates: list[_Candidate], homes: Sequence[Home]) -> Chosen:
    """All endpoints; where all that are ready have hints, on a node whose zone is among them those for its zone."""
    usable = _ready_or_ending(candidates)
    hinted = all(one.zones for one in usable) and all(one.ready for one in usable)
    zones = {zone for one in usable for zone in one.zones} if hinted else set()
    if not any(home.zone in zones for home in homes):
        yield EVERY_NODE, _backends(usable), True
        return
    for home in homes:
        near = [one for one in usable if home.zone in one.zones]
        yield home.dpid, _backends(near or usable), True


def _local(candidates: list[_Candidate], homes: Sequence[Home]) -> Chosen:
    """The endpoints of each node; elsewhere, what comes is dropped, unless there is no endpoint anywhere."""
    if not candidates:
        yield EVERY_NODE, (), True
        return
    for home in homes:
        yield home.dpid, _backends(_ready_or_ending([one for one in candidates if one.node == home.node])), False


def _ready_or_ending(candidates: list[_Candidate]) -> list[_Candidate]:
    return [one for one in candidates if one.ready] or candidates


def _backends(candidates: Iterable[_Candidate]) -> tuple[Backend, ...]:
    return tuple(one.backend for one in candidates)


def _choices(service: Service, port: ServicePort, number: int, label: int, chosen: Chosen) -> Iterator[Choice]:
    for dpid, backends, refused in chosen:
        yield Choice(
            number,
            label,
            port.protocol,
            backends,
            service.balancing,
            service.affinity_s,
            refused and not backends,
            dpid,
            tuple(one for one in backends if _is_front_end(one, service, port)),
        )


def _is_front_end(backend: Backend, service: Service, port: ServicePort) -> bool:
    """Whether it may be asked by its own address and port: by a node port of its number, or an external address."""
    addresses = (*service.cluster_ips, *service.ingress_ips, *service.external_ips)
    return backend.port == port.node_port or (backend.port == port.port and backend.address in addresses)


def _front_ends(service: Service, port: ServicePort, everywhere: int, local: int) -> Iterator[FrontEnd | ClosedPort]:
    for address in filter(is_ipv4, service.cluster_ips):
        yield FrontEnd(address, port.protocol, port.port, local if service.internal_local else everywhere)
    if port.node_port:
        yield from _external(service, FrontEnd(THIS_NODE, port.protocol, port.node_port, everywhere), local)
    ranges = _ranges(service.source_ranges)
    for address in filter(is_ipv4, dict.fromkeys((*service.ingress_ips, *service.external_ips))):
        asked = FrontEnd(address, port.protocol, port.port, everywhere)
        if not ranges or address not in service.ingress_ips:
            yield from _external(service, asked, local)
            continue
        yield ClosedPort(address, port.protocol, port.port)
        for clients in ranges:
            yield from _external(service, replace(asked, clients=clients), local)


def _external(service: Service, asked: FrontEnd, local: int) -> Iterator[FrontEnd]:
    """Under policy Local, clients from outside get the node's endpoints and keep their address; local ones get all."""
    yield replace(asked, masquerade=not service.external_local)
    if service.external_local:
        yield replace(asked, choice=local, outside_only=True)


def _ranges(texts: Iterable[str]) -> tuple[str, ...]:
    """Without overlaps; a range of everything stays one that all IPv4 addresses are in."""
    networks = [ipaddress.IPv4Network(text.strip(), strict=False) for text in texts if is_ipv4(text)]
    return tuple(str(network) for network in ipaddress.collapse_addresses(networks))
