"""The parameters of the experiment `load-balancing`: whose answers are counted, and who asks. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.reading_fields import key
from k8sshim import names
from k8sshim.objects import Key, Raw
from topo.fields import Fields

NAME = "load-balancing"
HASH, SOURCE, WEIGHTED, ROUND_ROBIN, CONSISTENT = "hash", "source", "weighted", "round-robin", "consistent"
MODES = (HASH, SOURCE, WEIGHTED, ROUND_ROBIN, CONSISTENT)
BY_ADDRESS = (SOURCE, CONSISTENT)  # what these choose by: a client's address alone, whatever its port
WEIGHT = "podwire.dev/weight"
MAX_CONNECTIONS = 100_000


@dataclass(frozen=True)
class Balancing:
    """The experiment's parameters. The Services pick the same pods: those that are asked, and of which one leaves."""

    namespace: str
    clients: str  # the label `app` of the pods that ask
    services: tuple[tuple[str, Key], ...]  # by mode
    port: int = 80
    connections: int = 2000  # of one reading, over all clients together

    def to_raw(self) -> Raw:
        """As the scenario has them."""
        return {
            "namespace": self.namespace,
            "clients": self.clients,
            "services": {mode: str(service) for mode, service in self.services},
            "port": self.port,
            "connections": self.connections,
        }


def of(parameters: object) -> Balancing:
    """The parameters of a scenario that is known to be of this kind."""
    assert isinstance(parameters, Balancing)
    return parameters


def parse(fields: Fields) -> Balancing:
    """The parameters, defaults filled in; problems are noted in the fields."""
    parsed = Balancing(
        namespace=_label(fields, "namespace"),
        clients=_label(fields, "clients"),
        services=_parse_services(fields.fields("services")),
        port=fields.integer("port", Balancing.port, 1, 65535),
        connections=fields.integer("connections", Balancing.connections, 1, MAX_CONNECTIONS),
    )
    fields.close()
    return parsed


def _label(fields: Fields, name: str) -> str:
    value = fields.required(name) or ""
    if value and (wrong := names.no_dns_label(value)):
        fields.wrong(name, wrong)
    return value


def _parse_services(fields: Fields) -> tuple[tuple[str, Key], ...]:
    found = tuple((mode, key(fields, mode)) for mode in MODES if fields.raw.get(mode) is not None)
    if not found:
        fields.problems.add(fields.path, f"is required: a Service for each of {', '.join(MODES)}, or for some of them")
    fields.close()
    return found
