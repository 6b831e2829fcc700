"""Where a connection ends up, and as whom its target sees it: Services and node ports, before policies are asked. Pure.

Egress is judged by where a connection goes when it leaves its pod's node, which is after the translation of what that
node translates; another node's node port is translated there. Ingress is judged by the source that the target sees.
Which endpoints may answer whom is the Services' own rule, docs/services.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from controller.services import (
    EVERY_NODE,
    THIS_NODE,
    Choice,
    ClosedPort,
    FrontEnd,
    Home,
    ServiceIntent,
    of_service,
)
from experiments.policy.oracle import Address, NodePlace, Place, PodPlace
from k8sshim.objects import Key, Node, Service
from lab.inventory import pod_key
from lab.tracing.network import Network
from lab.tracing.packet import Packet

OUTSIDE_REFUSED = "the border refuses what comes from outside to pods and cluster addresses, whatever policies say"


@dataclass(frozen=True)
class Way:
    """One of the ways that a connection may take."""

    goes_to: Address  # as it leaves the source's node
    goes_to_port: int  # 0 for ICMP
    target: Address
    port: int
    seen_as: Place  # the source, as the target sees it
    through: str = ""  # what translates it, and at which node where that is not the source's own


@dataclass(frozen=True)
class Ways:
    """Who asks, and the ways of the connection: one, or one for each endpoint and each node that it may come in by."""

    source: Place
    found: tuple[Way, ...]
    note: str = ""  # what else there is to know; where there is no way, why


def ways(network: Network, packet: Packet) -> Ways:
    """The ways of a connection."""
    return _Asking(network, packet).ways()


class _Asking:
    """One connection in one network."""

    def __init__(self, network: Network, packet: Packet) -> None:
        self.network, self.target, self.sender = network, packet.target, packet.sender
        self.node = network.switch(packet.sender.switch).node  # of the source; "" outside
        self.source = _place(packet)
        self.node_asked = _node_with(network, self.target.address)

    def ways(self) -> Ways:
        claiming = sorted(self.network.services.values(), key=self._precedence)
        for service in claiming:
            intents = self._intents(service)
            if any(self._is_asked(one) for one in intents):
                return self._through(service, intents)
        owner = next((one for one in claiming if self.target.address in (*one.cluster_ips, *one.ingress_ips)), None)
        if owner is not None:
            return Ways(self.source, (), f"Service {owner.key} has no such port: what is sent there is refused")
        return self._direct()

    def _precedence(self, service: Service) -> tuple[bool, str, Key]:
        return self.target.address not in service.cluster_ips, service.created, service.key

    def _intents(self, service: Service) -> tuple[ServiceIntent, ...]:
        bridges = [switch for switch in self.network.cluster.switches if switch.node in self.network.nodes]
        homes = [Home(one.dpid, one.node, self.network.nodes[one.node].zone) for one in bridges]
        numbers: dict[str, int] = {}
        slices = [one for one in self.network.slices if one.service == service.key]
        return of_service(service, slices, homes, lambda name: numbers.setdefault(name, len(numbers)), lambda _: 1)

    def _is_asked(self, one: ServiceIntent) -> bool:
        if not isinstance(one, FrontEnd | ClosedPort):
            return False
        addressed = self.node_asked if one.address == THIS_NODE else one.address == self.target.address
        return bool(addressed) and (one.port, one.protocol) == (self.target.port, self.target.protocol)

    def _through(self, service: Service, intents: tuple[ServiceIntent, ...]) -> Ways:
        """The endpoints that may answer, at each node that may translate the connection."""
        if not self.node and self.target.address in service.cluster_ips:
            return Ways(self.source, (), OUTSIDE_REFUSED)
        asked = [one for one in intents if isinstance(one, FrontEnd) and self._is_asked(one) and self._is_let_in(one)]
        if not asked:
            return Ways(self.source, (), f"Service {service.key} lets in the clients of loadBalancerSourceRanges alone")
        choices = [one for one in intents if isinstance(one, Choice)]
        found = tuple(way for node in self._entries() for way in self._at(node, service, asked, choices))
        note = "" if found else f"Service {service.key} has no endpoint that may answer: nothing for policies to judge"
        return Ways(self.source, found, note)

    def _is_let_in(self, one: FrontEnd) -> bool:
        return not one.clients or ip_address(self.sender.address) in ip_network(one.clients)

    def _entries(self) -> list[str]:
        """The nodes that may translate it: that which is asked, the client's own, or whichever the border chooses."""
        only = self.node_asked or self.node
        return [only] if only else sorted(self.network.nodes)

    def _at(self, node: str, service: Service, asked: list[FrontEnd], choices: list[Choice]) -> Iterator[Way]:
        outside = node != self.node
        usable = [one for one in asked if outside or not one.outside_only]
        front = max(usable, key=lambda one: one.outside_only)
        dpid = self.network.bridge_of(node).dpid
        backends = [
            backend
            for choice in choices
            if choice.number == front.choice and choice.dpid in (EVERY_NODE, dpid)
            for backend in choice.backends
        ]
        own = self.network.nodes[node].addresses[0]
        for backend in backends:
            end = Address(backend.address)
            hidden = outside and front.masquerade and backend.address != own
            yield Way(
                goes_to=Address(self.target.address) if outside else end,
                goes_to_port=self.target.port if outside else backend.port,
                target=end,
                port=backend.port,
                seen_as=Address(own) if hidden else self.source,
                through=f"Service {service.key}" + (f" at {node}" if outside else ""),
            )

    def _direct(self) -> Ways:
        end, port = Address(self.target.address), self.target.port
        refused = not self.node and any(
            ip_address(end.text) in ip_network(block) for block in self.network.cluster.pod_cidrs
        )
        way = self._host_port() or Way(end, port, end, port, self.source)
        return Ways(self.source, (way,), OUTSIDE_REFUSED if refused else "")

    def _host_port(self) -> Way | None:
        """A host port of a pod on the node that is asked: translated there, with the client's own address."""
        asked = (self.target.port, self.target.protocol)
        for pod in self.network.pods.values():
            if not self.node_asked or pod.node != self.node_asked or pod.host_network or pod.finished or not pod.ip:
                continue
            for port in pod.ports:
                if (port.host_port, port.protocol) == asked and port.host_ip in ("", "0.0.0.0", self.target.address):
                    end, is_own = Address(pod.ip), self.node_asked == self.node
                    return Way(
                        goes_to=end if is_own else Address(self.target.address),
                        goes_to_port=port.number if is_own else self.target.port,
                        target=end,
                        port=port.number,
                        seen_as=self.source,
                        through=f"host port {port.host_port} of {self.node_asked}",
                    )
        return None


def _place(packet: Packet) -> Place:
    kind, _, name = packet.sender.name.partition(" ")
    if kind == "pod":
        key = pod_key(name)
        return PodPlace(key.namespace, key.name)
    return NodePlace(name) if kind == "node" else Address(packet.sender.address)


def _node_with(network: Network, address: str) -> str:
    def has(node: Node) -> bool:
        return address in node.addresses

    return next((node.name for node in network.nodes.values() if has(node)), "")
