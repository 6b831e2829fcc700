"""The parameters of the experiment `self-check`: between whom it looks. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.reading_fields import key
from k8sshim.objects import Key, Raw
from topo.fields import Fields

NAME = "self-check"


@dataclass(frozen=True)
class SelfCheck:
    """The experiment's parameters."""

    client: Key
    server: Key  # on another node; runs iperf3 and irtt
    requests: int = 2000  # of one reading of loss

    def to_raw(self) -> Raw:
        """As the scenario has them."""
        return {"client": str(self.client), "server": str(self.server), "requests": self.requests}


def of(parameters: object) -> SelfCheck:
    """The parameters of a scenario that is known to be of this kind."""
    assert isinstance(parameters, SelfCheck)
    return parameters


def parse(fields: Fields) -> SelfCheck:
    """The parameters, defaults filled in; problems are noted in the fields."""
    parsed = SelfCheck(
        client=key(fields, "client"),
        server=key(fields, "server"),
        requests=fields.integer("requests", SelfCheck.requests, 100, 100_000),
    )
    fields.close()
    return parsed
