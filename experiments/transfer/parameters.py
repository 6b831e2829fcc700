"""The parameters of the experiment `transfer`: between whom, and what is measured. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.reading_fields import key, words
from k8sshim.objects import Key, Raw
from topo.fields import Fields

NAME = "transfer"
THROUGHPUT, PATH_MTU, OVERHEAD, LATENCY, FIRST_PACKET = "throughput", "path-mtu", "overhead", "latency", "first-packet"
MEASURES = (THROUGHPUT, PATH_MTU, OVERHEAD, LATENCY, FIRST_PACKET)
MAX_STREAMS = 64


@dataclass(frozen=True)
class Transfer:
    """The experiment's parameters."""

    client: Key
    server: Key  # on another node; runs iperf3 and irtt, and has a stand-in's port
    measure: tuple[str, ...] = MEASURES
    streams: int = 1
    port: int = 8080  # the stand-in's, which new connections go to
    connections: int = 20  # of one reading of first-packet

    def to_raw(self) -> Raw:
        """As the scenario has them."""
        return {
            "client": str(self.client),
            "server": str(self.server),
            "measure": list(self.measure),
            "streams": self.streams,
            "port": self.port,
            "connections": self.connections,
        }


def of(parameters: object) -> Transfer:
    """The parameters of a scenario that is known to be of this kind."""
    assert isinstance(parameters, Transfer)
    return parameters


def parse(fields: Fields) -> Transfer:
    """The parameters, defaults filled in; problems are noted in the fields."""
    parsed = Transfer(
        client=key(fields, "client"),
        server=key(fields, "server"),
        measure=words(fields, "measure", MEASURES),
        streams=fields.integer("streams", Transfer.streams, 1, MAX_STREAMS),
        port=fields.integer("port", Transfer.port, 1, 65535),
        connections=fields.integer("connections", Transfer.connections, 1, 10_000),
    )
    if not parsed.measure:
        fields.wrong("measure", f"must have one or more of {', '.join(MEASURES)}")
    fields.close()
    return parsed
