"""The parameters of the experiment `service-scale`: how many Services, beside what, how often read. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.reading_fields import integers, key, words
from k8sshim.objects import Key, Raw
from topo.fields import Fields

NAME = "service-scale"
PODWIRE, IPTABLES, NFTABLES = "podwire", "iptables", "nftables"
PEERS = (IPTABLES, NFTABLES)
SIZES = (1, 10, 100, 1000, 5000)
MAX_SIZE, MAX_ENDPOINTS = 20_000, 100


@dataclass(frozen=True)
class Scaling:
    """The experiment's parameters."""

    client: Key  # the pod that asks
    servers: str  # the label `app` of the pods that answer, in the client's namespace
    sizes: tuple[int, ...] = SIZES  # numbers of Services, one after the other
    endpoints: int = 3  # of each Service
    first_packets: int = 40  # connections one by one, each to a Service that was not asked before, if there are so many
    connections: int = 1000  # of one burst
    changes: int = 10  # endpoints that come, at each size
    peers: tuple[str, ...] = PEERS

    def to_raw(self) -> Raw:
        """As the scenario has them."""
        return {
            "client": str(self.client),
            "servers": self.servers,
            "sizes": list(self.sizes),
            "endpoints": self.endpoints,
            "firstPackets": self.first_packets,
            "connections": self.connections,
            "changes": self.changes,
            "peers": list(self.peers),
        }

    @property
    def systems(self) -> tuple[str, ...]:
        """Everything that is measured at each size."""
        return (PODWIRE, *self.peers)


def of(parameters: object) -> Scaling:
    """The parameters of a scenario that is known to be of this kind."""
    assert isinstance(parameters, Scaling)
    return parameters


def parse(fields: Fields) -> Scaling:
    """The parameters, defaults filled in; problems are noted in the fields."""
    parsed = Scaling(
        client=key(fields, "client"),
        servers=fields.required("servers") or "",
        sizes=tuple(sorted(integers(fields, "sizes", SIZES, 1, MAX_SIZE))),
        endpoints=fields.integer("endpoints", Scaling.endpoints, 1, MAX_ENDPOINTS),
        first_packets=fields.integer("firstPackets", Scaling.first_packets, 1, 10_000),
        connections=fields.integer("connections", Scaling.connections, 1, 100_000),
        changes=fields.integer("changes", Scaling.changes, 1, 1000),
        peers=words(fields, "peers", PEERS),
    )
    fields.close()
    return parsed
