"""What Services have carried, from the counters of the flows that every node bridge has for them. Pure.

A connection is counted where it is translated to its endpoint, by its first packet; what is sent and answered on
connections that have been answered, by the Service port's label. Counters begin anew when their flow does.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from controller.flows import Flow
from controller.marks import ENDPOINT_IPV4, ENDPOINT_PORT, SERVICE_LABEL
from controller.services import CountedPort
from controller.tables import CONNTRACK_STATE, ENDPOINT_DNAT
from k8sshim.objects import EndpointSlice, Key, Raw, Service, ServicePort

from .network import Network

_COUNTED = re.compile(r"cookie=0x([0-9a-f]+),.*? table=(\d+), n_packets=(\d+), n_bytes=(\d+)")
TABLES = (ENDPOINT_DNAT, CONNTRACK_STATE)
Socket = tuple[str, int]  # address and port


@dataclass(frozen=True)
class EndpointUse:
    """An endpoint of a Service port, and how many connections it was given."""

    address: str
    port: int
    target: str  # who has the address, in words
    node: str
    state: str  # ready, ending (serves while no other does) or not ready
    connections: int


@dataclass(frozen=True)
class PortUse:
    """A port of a Service, and what it carried."""

    port: ServicePort
    endpoints: tuple[EndpointUse, ...]
    resolved: bool  # False where its target is the name of a port that no pod has
    connections: int
    bytes_in: int  # from clients
    bytes_out: int  # to them

    @property
    def raw(self) -> Raw:
        named = {"name": self.port.name, "port": self.port.port, "protocol": self.port.protocol}
        target = {"target": self.port.target, "node_port": self.port.node_port or None}
        use = {"connections": self.connections, "bytes_in": self.bytes_in, "bytes_out": self.bytes_out}
        return {**named, **target, **use, "endpoints": [vars(one) for one in self.endpoints]}


@dataclass(frozen=True)
class ServiceUse:
    """A Service and its ports."""

    service: Service
    ports: tuple[PortUse, ...]

    @property
    def raw(self) -> Raw:
        one = self.service
        return {
            "namespace": one.key.namespace,
            "name": one.key.name,
            "type": one.type,
            "cluster_ips": list(one.cluster_ips),
            "external_ips": [*one.ingress_ips, *one.external_ips],
            "external_name": one.external_name or None,
            "balancing": one.balancing,
            "affinity_s": one.affinity_s or None,
            "ports": [port.raw for port in self.ports],
        }


class Counts:
    """The counters of all node bridges, added up."""

    def __init__(self) -> None:
        self.connections: dict[int, Counter[Socket]] = defaultdict(Counter)  # by label, then by endpoint
        self.bytes: Counter[tuple[int, bool]] = Counter()  # by label, and whether from the endpoint

    def add(self, network: Network, switch: str, dump: str) -> None:
        """Take in what `ovs-ofctl dump-flows` prints of one switch."""
        for cookie, table, packets, size in counted(dump):
            rule = network.rule(switch, table, cookie)
            if rule and rule.flow:
                self._take(rule.flow, packets, size)

    def _take(self, flow: Flow, packets: int, size: int) -> None:
        match = dict(flow.match)
        if flow.table is ENDPOINT_DNAT and ENDPOINT_IPV4.name in match:
            endpoint = (str(match[ENDPOINT_IPV4.name]), int(match[ENDPOINT_PORT.name]))
            self.connections[_label(flow)][endpoint] += packets
        elif flow.table is CONNTRACK_STATE and SERVICE_LABEL.name in match:
            back = "+rpl" in str(match["ct_state"])
            self.bytes[int(match[SERVICE_LABEL.name]), back] += size


def counted(dump: str) -> Iterator[tuple[int, int, int, int]]:
    """Cookie, table, packets and bytes of each flow that a switch prints."""
    for line in dump.splitlines():
        if found := _COUNTED.search(line):
            yield int(found[1], 16), int(found[2]), int(found[3]), int(found[4])


def _label(flow: Flow) -> int:
    """The Service port that a translation labels its connections with."""
    loads = (load for action in flow.actions for load in getattr(action, "load", ()))
    return next((value for name, value in loads if name == SERVICE_LABEL.name), 0)


def uses(network: Network, counts: Counts) -> list[ServiceUse]:
    """Every Service, in order of name, with the endpoints that the data path knows."""
    of: dict[Key, list[EndpointSlice]] = defaultdict(list)
    for one in network.slices:
        if one.service and one.address_type == "IPv4":
            of[one.service].append(one)
    return [
        ServiceUse(service, tuple(_ports(network, service, of.get(key, []), counts)))
        for key, service in sorted(network.services.items())
    ]


def _ports(network: Network, service: Service, slices: list[EndpointSlice], counts: Counts) -> Iterator[PortUse]:
    labels = [one.label for one in network.desired.intents("Service", service.key) if isinstance(one, CountedPort)]
    for place, port in enumerate(service.ports):
        label = labels[place] if place < len(labels) else 0  # headless Services have none: nothing is translated
        given: Mapping[Socket, int] = counts.connections.get(label, {}) if label else {}
        endpoints = tuple(_endpoints(network, port, slices, given))
        resolved = bool(endpoints) or isinstance(port.target, int) or not any(one.endpoints for one in slices)
        carried = (counts.bytes[label, False], counts.bytes[label, True])
        yield PortUse(port, endpoints, resolved, sum(given.values()), *carried)


def _endpoints(
    network: Network, port: ServicePort, slices: list[EndpointSlice], given: Mapping[Socket, int]
) -> Iterator[EndpointUse]:
    """Each once: ready, where any slice says that it is."""
    found: dict[Socket, EndpointUse] = {}
    for one in slices:
        numbers = [p.port for p in one.ports if (p.name, p.protocol) == (port.name, port.protocol) and p.port]
        for endpoint, number in product(one.endpoints, numbers):
            place = (endpoint.addresses[0], number)
            ending = endpoint.serving and endpoint.terminating
            state = "ready" if endpoint.ready else "ending" if ending else "not ready"
            if place not in found or endpoint.ready:
                target = network.who_has(place[0])
                found[place] = EndpointUse(*place, target, endpoint.node, state, given.get(place, 0))
    yield from (found[place] for place in sorted(found))
