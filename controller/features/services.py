"""ClusterIP Services: a new connection gets one of the ready endpoints and is translated to it for its whole life.

A select group puts the choice into registers; EndpointDnat has a flow for each endpoint that the choice can name. Where
there is no endpoint, and on ports that the Service does not declare, the connection is translated to a closed port of
the client's own node, whose kernel refuses it as kernels do: a TCP reset, an ICMP port unreachable for UDP. That comes
back translated, so it seems to come from the Service, and no controller is needed for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Actions, Ct, Goto, Nat, Resubmit, SetField, ToGroup, load
from controller.flows import IP, PORT_FIELDS, PROTOCOLS, Fields, Flow, Group, Owner
from controller.intents import Backend, Refusal, VirtualAddress, VirtualPort
from controller.marks import (
    ENDPOINT,
    ENDPOINT_IPV4,
    ENDPOINT_PORT,
    REFUSED_PORT,
    SERVICE_PORT,
    TRANSLATED,
    ZONE,
    Endpoint,
    Feature,
    Priority,
)
from controller.tables import EGRESS_POLICY, ENDPOINT_DNAT, ROUTING, SERVICE_LOAD_BALANCING

FEATURE = Feature.SERVICES
REFUSE: Actions = (load(ENDPOINT, Endpoint.REFUSED), Goto(ENDPOINT_DNAT))


def virtual_port(port: VirtualPort, owner: Owner) -> Iterator[Flow | Group]:
    """One port of one Service."""
    protocol = PROTOCOLS[port.protocol]
    fields: Fields = {
        "eth_type": IP, "ip_proto": protocol, "ipv4_dst": port.address, PORT_FIELDS[protocol]: port.port,
    }  # fmt: skip
    if not port.backends:
        yield owner.flow(SERVICE_LOAD_BALANCING, Priority.SPECIFIC, fields, *REFUSE)
        return
    choose = (load(SERVICE_PORT, port.group), ToGroup(port.group))
    yield owner.flow(SERVICE_LOAD_BALANCING, Priority.SPECIFIC, fields, *choose)
    yield owner.group(port.group, tuple(map(_choice, port.backends)))
    for backend in port.backends:
        yield _translation(port, backend, protocol, owner)


def virtual_address(one: VirtualAddress, owner: Owner) -> Iterator[Flow]:
    """Ports that the Service does not declare."""
    for protocol in PROTOCOLS.values():
        fields: Fields = {"eth_type": IP, "ip_proto": protocol, "ipv4_dst": one.address}
        yield owner.flow(SERVICE_LOAD_BALANCING, Priority.FALLBACK, fields, *REFUSE)


def refusal(one: Refusal, owner: Owner) -> Iterator[Flow]:
    """Where a bridge sends what is refused: past policy, which has no say in it."""
    nat = Nat("dst", one.address, REFUSED_PORT)
    refuse = Ct(ZONE.name, commit=True, nat=nat, load=((TRANSLATED.name, 1),), table=ROUTING)
    yield owner.flow(ENDPOINT_DNAT, Priority.NORMAL, {"eth_type": IP, ENDPOINT.name: Endpoint.REFUSED}, refuse)


def _choice(backend: Backend) -> Actions:
    return (
        load(ENDPOINT, Endpoint.CHOSEN),
        SetField(ENDPOINT_IPV4.name, backend.address),
        load(ENDPOINT_PORT, backend.port),
        Resubmit(ENDPOINT_DNAT),
    )


def _translation(port: VirtualPort, backend: Backend, protocol: int, owner: Owner) -> Flow:
    """Only while the register holds this Service port: two Services may share an endpoint, each has its own flow."""
    fields: Fields = {
        "eth_type": IP, "ip_proto": protocol, SERVICE_PORT.name: port.group,
        ENDPOINT_IPV4.name: backend.address, ENDPOINT_PORT.name: backend.port,
    }  # fmt: skip
    nat = Nat("dst", backend.address, backend.port)
    translate = Ct(ZONE.name, commit=True, nat=nat, load=((TRANSLATED.name, 1),), table=EGRESS_POLICY)
    return owner.flow(ENDPOINT_DNAT, Priority.SPECIFIC, fields, translate)
