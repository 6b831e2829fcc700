"""The parameters of the experiment `ecmp`: between whom, and how many connections at a time. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.reading_fields import integers, key
from k8sshim.objects import Key, Raw
from topo.fields import Fields

NAME = "ecmp"
FLOWS = (1, 4, 16, 64, 256, 1024)
MAX_FLOWS = 20_000


@dataclass(frozen=True)
class Spread:
    """The experiment's parameters."""

    client: Key
    server: Key  # on another node, with a stand-in's port
    port: int = 8080
    flows: tuple[int, ...] = FLOWS  # connections of one reading

    def to_raw(self) -> Raw:
        """As the scenario has them."""
        return {"client": str(self.client), "server": str(self.server), "port": self.port, "flows": list(self.flows)}


def of(parameters: object) -> Spread:
    """The parameters of a scenario that is known to be of this kind."""
    assert isinstance(parameters, Spread)
    return parameters


def parse(fields: Fields) -> Spread:
    """The parameters, defaults filled in; problems are noted in the fields."""
    parsed = Spread(
        client=key(fields, "client"),
        server=key(fields, "server"),
        port=fields.integer("port", Spread.port, 1, 65535),
        flows=tuple(sorted(integers(fields, "flows", FLOWS, 1, MAX_FLOWS))),
    )
    fields.close()
    return parsed
