"""The packet to trace, from how a person names its two ends. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from k8sshim.cluster import OUTSIDE as OUTSIDE_HOST
from k8sshim.errors import BadInput, NotFound, some
from k8sshim.objects import Key, Node, Pod, Service
from lab.inventory import OUTSIDE, pod_key

from .hashing import connection_hash
from .network import Network

PROTOCOLS = {"ICMP": 1, "TCP": 6, "UDP": 17, "SCTP": 132}
SOURCE_PORT = 40000
IPV4, IPV6 = 4, 6
SERVICE_PREFIXES = ("svc/", "service/", "services/")
TTL = 64


@dataclass(frozen=True)
class Sender:
    """Where the packet comes from: its port on a switch, and its own addresses."""

    name: str
    switch: str
    port: int
    mac: str
    address: str


@dataclass(frozen=True)
class Target:
    """Where it is sent to."""

    name: str
    address: str
    port: int = 0  # 0 for ICMP
    protocol: str = "ICMP"


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection."""

    sender: Sender
    target: Target
    source_port: int
    router: str  # the MAC address that it is sent to

    @property
    def hash(self) -> int:
        """What the userspace datapath spreads this connection by; never 0, which would stand for none."""
        one, two, number = self.sender, self.target, PROTOCOLS[self.target.protocol]
        return connection_hash(one.address, two.address, number, self.source_port, two.port) or 1

    def flow(self) -> str:
        """As `ofproto/trace` reads it."""
        name = self.target.protocol.lower()
        parts = [
            f"in_port={self.sender.port}", name, f"dl_src={self.sender.mac}", f"dl_dst={self.router}",
            f"nw_src={self.sender.address}", f"nw_dst={self.target.address}", f"nw_ttl={TTL}", f"dp_hash={self.hash}",
        ]  # fmt: skip
        if self.target.protocol == "ICMP":
            parts += ["icmp_type=8", "icmp_code=0"]
        else:
            parts += [f"{name}_src={self.source_port}", f"{name}_dst={self.target.port}"]
        return ",".join([*parts, "tcp_flags=syn"] if name == "tcp" else parts)


def packet(network: Network, source: str, target: str, *, protocol: str = "", source_port: int = SOURCE_PORT) -> Packet:
    """The packet between two ends. Raises BadInput, which says what there is to choose from."""
    sender = _sender(network, source)
    return Packet(
        sender, _target(network, sender, target, protocol.upper()), source_port, network.switch(sender.switch).mac
    )


def _sender(network: Network, text: str) -> Sender:
    if text == OUTSIDE:
        host = network.cluster.host(OUTSIDE_HOST)
        if host is None:
            raise BadInput.of("this lab has no outside host")
        return Sender(OUTSIDE, host.switch, host.port, host.mac, host.addresses[0])
    place = _place(network, text)
    if isinstance(place, Pod) and place.network and place.node:
        bridge = network.bridge_of(place.node)
        return Sender(
            f"pod {place.key}", bridge.name, place.network.port, place.network.mac, place.network.addresses[0]
        )
    name = place.node if isinstance(place, Pod) else place.name
    node = network.nodes.get(name)
    if node is None or not node.addresses or (isinstance(place, Pod) and not place.host_network):
        raise BadInput.of(f"{text} has no place in the network yet")
    bridge = network.bridge_of(name)
    return Sender(f"node {name}", bridge.name, bridge.node_port, bridge.node_mac, node.addresses[0])


def _place(network: Network, text: str) -> Pod | Node:
    if text in network.nodes:
        return network.nodes[text]
    pod = network.pods.get(pod_key(text))
    if pod is None:
        pods = some(map(str, sorted(network.pods)))
        raise NotFound.of(f'no pod or node "{text}"; nodes: {some(sorted(network.nodes))}; pods: {pods}')
    return pod


def _target(network: Network, sender: Sender, text: str, protocol: str) -> Target:
    name, port = _parts(text)
    if protocol and protocol not in PROTOCOLS:
        raise BadInput.of(f"--protocol: {protocol} is none of {', '.join(PROTOCOLS)}")
    for prefix in SERVICE_PREFIXES:
        if name.startswith(prefix):
            return _service(network, sender, name.removeprefix(prefix), port, protocol)
    if name == OUTSIDE:
        host = network.cluster.host(OUTSIDE_HOST)
        if host is None:
            raise BadInput.of("this lab has no outside host")
        return _addressed(OUTSIDE, host.addresses[0], port, protocol)
    if _is_address(name):
        return _addressed(name, name, port, protocol)
    place = _place(network, name)
    if isinstance(place, Node):
        return _addressed(f"node {place.name}", place.addresses[0], port, protocol)
    if not place.ip:
        raise BadInput.of(f"pod {place.key} has no address yet")
    named = [(one.number, one.protocol) for one in place.ports if port in ("", one.name)]
    if port and not port.isdigit():
        if not named:
            raise BadInput.of(f'pod {place.key} has no port of the name "{port}"')
        port = str(named[0][0])
    elif not port and not protocol and len(named) == 1:
        return Target(f"pod {place.key}", place.ip, *named[0])
    return _addressed(f"pod {place.key}", place.ip, port, protocol)


def _parts(text: str) -> tuple[str, str]:
    """What is asked, and the port: "" for none."""
    name, colon, port = text.partition(":")
    if text.startswith("[") or _version(text) == IPV6:
        raise BadInput.of(f"{text}: a lab's network has no IPv6 addresses")
    if colon and not port:
        raise BadInput.of(f"{text}: no port after the colon")
    return name, port


def _addressed(name: str, address: str, port: str, protocol: str) -> Target:
    if not port:
        if protocol not in ("", "ICMP"):
            raise BadInput.of(f"{name}: {protocol} needs a port: write {name}:PORT")
        return Target(name, address)
    if not port.isdigit() or not 1 <= int(port) <= 65535:
        raise BadInput.of(f"{name}: {port!r} is no port")
    if protocol == "ICMP":
        raise BadInput.of(f"{name}:{port}: ICMP has no ports")
    return Target(name, address, int(port), protocol or "TCP")


def _service(network: Network, sender: Sender, text: str, port: str, protocol: str) -> Target:
    service = _find_service(network, text)
    address = _service_address(service, sender)
    ports = [one for one in service.ports if port in ("", one.name, str(one.port)) and protocol in ("", one.protocol)]
    if len(ports) != 1 and not (ports and port):
        if port.isdigit():  # a port that it does not declare: what happens to that is worth a trace, too
            return _addressed(f"service {service.key}", address, port, protocol)
        declared = ", ".join(f"{one.name or one.port} ({one.port}/{one.protocol})" for one in service.ports)
        raise BadInput.of(f"service {service.key}: which port? It has {declared or 'none'}")
    return Target(f"service {service.key}", address, ports[0].port, ports[0].protocol)


def _find_service(network: Network, text: str) -> Service:
    namespace, slash, name = text.rpartition("/")
    if not slash:
        name, _, namespace = text.partition(".")
    found = network.services.get(Key(namespace or "default", name))
    if found is None:
        names = ", ".join(str(key) for key in sorted(network.services)[:20]) or "none"
        raise NotFound.of(f'no service "{text}"; there are: {names}')
    return found


def _service_address(service: Service, sender: Sender) -> str:
    """Where that client would ask for it."""
    outside: Sequence[str] = (*service.ingress_ips, *service.external_ips)
    if service.external_name:
        raise BadInput.of(f"service {service.key} is a name for {service.external_name}: it has no address")
    if sender.name == OUTSIDE:
        if not outside:
            raise BadInput.of(
                f"service {service.key} has no address outside; ask NODE:NODEPORT where it has a node port"
            )
        return outside[0]
    if not service.cluster_ips:
        raise BadInput.of(f"service {service.key} is headless: it has no address; ask one of its pods")
    return service.cluster_ips[0]


def _is_address(text: str) -> bool:
    return _version(text) == IPV4


def _version(text: str) -> int:
    """The IP version of an address; 0 for what is none."""
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return 0
