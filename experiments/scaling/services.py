"""The Services of the experiment, as values that each system is given in its own form. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace

from k8sshim.objects import Raw

PORT, TARGET_PORT, STREAM_PORT = 80, 8080, 5201
MAIN, STREAM = "main", "stream"


@dataclass(frozen=True)
class Endpoint:
    """A server: its name, which it answers with, and its address."""

    name: str
    address: str


@dataclass(frozen=True)
class VirtualService:
    """One Service: ports that lead to the same servers."""

    number: int
    endpoints: tuple[Endpoint, ...]
    address: str = ""  # of the Service; the API server gives one where it is empty

    @property
    def name(self) -> str:
        return f"service-{self.number}"

    @property
    def ports(self) -> tuple[tuple[str, int, int], ...]:
        """Name, port and target port; the first Service also leads to a server that takes streams."""
        main = ((MAIN, PORT, TARGET_PORT),)
        return (*main, (STREAM, STREAM_PORT, STREAM_PORT)) if self.number == 0 else main

    def behind(self, port: str) -> tuple[Endpoint, ...]:
        """The endpoints of a port; of streams it is one, as iperf3 wants all its connections at the same server."""
        return self.endpoints[:1] if port == STREAM else self.endpoints

    def with_endpoints(self, *endpoints: Endpoint) -> VirtualService:
        return replace(self, endpoints=endpoints)


def services(size: int, endpoints: int, servers: Sequence[Endpoint], network: str = "") -> list[VirtualService]:
    """So many Services, each of the next servers in turn; with addresses of a range where one is given."""
    first = int(ipaddress.ip_network(network).network_address) + 1 if network else 0
    return [
        VirtualService(
            number,
            tuple(servers[(number + place) % len(servers)] for place in range(endpoints)),
            str(ipaddress.ip_address(first + number)) if first else "",
        )
        for number in range(size)
    ]


def sample(made: Sequence[VirtualService], count: int) -> list[VirtualService]:
    """So many of them, spread evenly from the first to the last; all of them, in turn, where there are fewer."""
    if len(made) <= count:
        return [made[place % len(made)] for place in range(count)]
    return [made[place * (len(made) - 1) // max(1, count - 1)] for place in range(count)]


def service_object(one: VirtualService, namespace: str) -> Raw:
    """A Service without a selector: its endpoints are written by hand."""
    ports = [{"name": name, "port": port, "targetPort": target} for name, port, target in one.ports]
    metadata = {"name": one.name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}


def slice_objects(one: VirtualService, namespace: str) -> list[Raw]:
    """Its EndpointSlices: one for each port, by the name of the Service and of all but the main port."""
    return [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": one.name if name == MAIN else f"{one.name}-{name}",
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": one.name},
            },
            "addressType": "IPv4",
            "ports": [{"name": name, "port": target, "protocol": "TCP"}],
            "endpoints": [{"addresses": [to.address], "conditions": {"ready": True}} for to in one.behind(name)],
        }
        for name, _, target in one.ports
    ]
