"""The parameters of the experiment `throughput`: between whom packets move, and by which protocols. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.reading_fields import flag, integers, key, number, words
from k8sshim.objects import Key, Raw
from topo.fields import Fields

NAME = "throughput"
POD_TO_POD, POD_TO_SERVICE, NODE_TO_POD, FLOOR = "pod-to-pod", "pod-to-service", "node-to-pod", "floor"
PATHS = (POD_TO_POD, POD_TO_SERVICE, NODE_TO_POD)
SAME_NODE, CROSS_NODE = "same-node", "cross-node"
LOCALITIES = (SAME_NODE, CROSS_NODE)
VETH, LINUX_BRIDGE, OVS_NORMAL = "veth", "linux-bridge", "ovs-normal"
FLOORS = (VETH, LINUX_BRIDGE, OVS_NORMAL)
TCP, UDP = "TCP", "UDP"
PROTOCOLS = (TCP, UDP)
DEFAULT_STREAMS = (1, 4)
MAX_STREAMS = 128
MIN_MESSAGE, MAX_MESSAGE = 16, 65_000  # bytes: a datagram holds no more


@dataclass(frozen=True)
class Server:
    """A pod that answers, and the Service in front of it and of no other pod."""

    locality: str  # where it stands, seen from the client
    pod: Key
    service: Key | None


@dataclass(frozen=True)
class Traffic:
    """The experiment's parameters."""

    client: Key  # the pod that sends; paths from a node start at its node
    servers: tuple[Server, ...]
    paths: tuple[str, ...] = PATHS
    floors: tuple[str, ...] = FLOORS
    protocols: tuple[str, ...] = PROTOCOLS
    streams: tuple[int, ...] = DEFAULT_STREAMS
    message_bytes: tuple[int, ...] = ()  # what a sender writes at a time; none: as iperf3 does
    udp_mbit_per_s: float = 200.0  # offered, over all streams together
    latency: bool = True
    request_interval_ms: float = 1.0  # of the request-response readings

    def to_raw(self) -> Raw:
        """As the scenario has them."""
        servers = {
            server.locality: {"pod": str(server.pod), **({"service": str(server.service)} if server.service else {})}
            for server in self.servers
        }
        return {
            "client": str(self.client),
            "servers": servers,
            "paths": list(self.paths),
            "floors": list(self.floors),
            "protocols": list(self.protocols),
            "streams": list(self.streams),
            **({"messageBytes": list(self.message_bytes)} if self.message_bytes else {}),
            "udpMbitPerSecond": self.udp_mbit_per_s,
            "latency": self.latency,
            "requestIntervalMs": self.request_interval_ms,
        }


def of(parameters: object) -> Traffic:
    """The parameters of a scenario that is known to be of this kind."""
    assert isinstance(parameters, Traffic)
    return parameters


def parse(fields: Fields) -> Traffic:
    """The parameters, defaults filled in; problems are noted in the fields."""
    parsed = Traffic(
        client=key(fields, "client"),
        servers=_parse_servers(fields.fields("servers")),
        paths=words(fields, "paths", PATHS),
        floors=words(fields, "floors", FLOORS),
        protocols=words(fields, "protocols", PROTOCOLS),
        streams=integers(fields, "streams", DEFAULT_STREAMS, 1, MAX_STREAMS),
        message_bytes=integers(fields, "messageBytes", (), MIN_MESSAGE, MAX_MESSAGE),
        udp_mbit_per_s=number(fields, "udpMbitPerSecond", Traffic.udp_mbit_per_s, 0.1, 1e6),
        latency=flag(fields, "latency"),
        request_interval_ms=number(fields, "requestIntervalMs", Traffic.request_interval_ms, 0.1, 1000),
    )
    if POD_TO_SERVICE in parsed.paths:
        for server in parsed.servers:
            if server.service is None:
                fields.wrong(f"servers.{server.locality}.service", f"is required: paths has {POD_TO_SERVICE}")
    fields.close()
    return parsed


def _parse_servers(fields: Fields) -> tuple[Server, ...]:
    servers = []
    for locality in LOCALITIES:
        if fields.take(locality) is not None:
            server = fields.fields(locality)
            service = key(server, "service") if server.raw.get("service") else None
            servers.append(Server(locality, key(server, "pod"), service))
            server.take("service")
            server.close()
    if not fields.raw:
        fields.problems.add(fields.path, f"is required: the pods that answer, {' and '.join(LOCALITIES)}")
    fields.close()
    return tuple(servers)
