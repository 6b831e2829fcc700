"""From where to where a reading goes, found in a lab that is up: the client's namespace and the server's address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from experiments.measurements import Route
from experiments.throughput import NODE_TO_POD, POD_TO_SERVICE, SAME_NODE, Server, Traffic
from k8sshim.client import PODS, SERVICES, Client
from k8sshim.errors import BadInput, PodwireError
from k8sshim.objects import Key, Pod, Service
from lab.inventory import netns_of
from lab.waiting import wait_until

_READY_S = 20.0


@dataclass(frozen=True)
class Ends:
    """The two ends of a route."""

    netns: str  # the client's network namespace, by name
    address: str  # the server's


def find(client: Client, traffic: Traffic) -> dict[Route, Ends]:
    """The ends of every path of the experiment.

    Raises BadInput where the manifests do not have what it names, PodwireError where that does not become ready.
    """
    sender = pod(client, traffic.client)
    return {route: ends for server in traffic.servers for route, ends in _to(client, traffic, sender, server)}


def _to(client: Client, traffic: Traffic, sender: Pod, server: Server) -> Iterator[tuple[Route, Ends]]:
    receiver = pod(client, server.pod)
    if (receiver.node == sender.node) != (server.locality == SAME_NODE):
        raise BadInput.of(
            f"server of {server.locality} {server.pod} runs on {receiver.node}, client {sender.key} on {sender.node}"
        )
    for path in traffic.paths:
        address = receiver.ip
        if path == POD_TO_SERVICE and server.service:
            address = service_address(client, server.service)
        netns = f"node-{sender.node}" if path == NODE_TO_POD else netns_of(sender)
        yield Route(path, server.locality), Ends(netns, address)


def pod(client: Client, key: Key) -> Pod:
    """The pod, once it is ready and has its address."""
    seen: list[Pod] = []

    def ready() -> bool:
        raw = client.get(PODS, key)
        if raw is None:
            raise BadInput.of("the scenario names it, its manifests have no such pod", object=f"Pod {key}")
        seen.append(Pod.parse(raw))
        return seen[-1].ready and bool(seen[-1].ip)

    if not wait_until(ready, _READY_S):
        raise PodwireError(f"Pod {key}: not ready: {seen[-1].phase}, address {seen[-1].ip or 'none'}")
    return seen[-1]


def service(client: Client, key: Key) -> Service:
    """The Service, which has a cluster IP."""
    raw = client.get(SERVICES, key)
    found = Service.parse(raw) if raw else None
    if found is None or not found.cluster_ips:
        problem = "has no cluster IP" if found else "the scenario names it, its manifests have no such Service"
        raise BadInput.of(problem, object=f"Service {key}")
    return found


def service_address(client: Client, key: Key) -> str:
    """Its first cluster IP."""
    return service(client, key).cluster_ips[0]
