"""What a bridge learns about a client of a Service with session affinity. Pure."""

from __future__ import annotations

from .actions import Learn, SetField
from .flows import IP
from .marks import SERVICE_PORT, Feature, Priority, cookie
from .services import Backend, Choice
from .tables import AFFINITY_CLIENTS

LONGEST_S = 0xFFFF  # that a flow can be idle: 18 hours and 12 minutes; Kubernetes allows a day


def remember(one: Choice, backend: Backend, chosen: tuple[SetField, ...], subject: str) -> Learn:
    """The same endpoint for this client's next connections.

    Whoever knows the endpoint knows the flow's cookie: it is deleted with the endpoint, and kept by a new controller.
    """
    content = f"{one.number} {backend.address}:{backend.port} {one.affinity_s}"
    return Learn(
        AFFINITY_CLIENTS,
        Priority.SPECIFIC,
        cookie(Feature.AFFINITY, subject, content),
        min(one.affinity_s, LONGEST_S),
        (("eth_type", IP), (SERVICE_PORT.name, one.number)),
        ("ipv4_src",),
        chosen,
    )
