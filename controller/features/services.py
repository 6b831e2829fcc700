"""Services: a new connection gets one of the endpoints that may answer it, and is translated to it for its whole life.

The front end that it asked names a choice of endpoints; balancing puts one of them into registers; EndpointDnat has a
flow for each that can be chosen. Where there is none, and on ports that the Service does not declare, the connection is
translated to a closed port of the client's own node, whose kernel refuses it as kernels do: a TCP reset, an ICMP port
unreachable for UDP. That comes back translated, so it seems to come from the Service, and no controller is needed.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Actions, Ct, Goto, Move, Nat, Resubmit, load
from controller.flows import IP, PORT_FIELDS, PROTOCOLS, Fields, Flow, Owner
from controller.intents import Bridge, Refusal
from controller.marks import (
    ENDPOINT,
    ENDPOINT_IPV4,
    ENDPOINT_PORT,
    MASQUERADE,
    MASQUERADED,
    OUTSIDE,
    REFUSED_PORT,
    SERVICE_LABEL,
    SERVICE_PORT,
    TRANSLATED,
    ZONE,
    Endpoint,
    Feature,
    Priority,
)
from controller.services import Backend, Choice, ClosedPort, FrontEnd, VirtualAddress
from controller.tables import (
    DNAT_AGAIN,
    ENDPOINT_DNAT,
    ROUTING,
    SERVICE_AFFINITY,
    SERVICE_FRONT_END,
    SERVICE_LOAD_BALANCING,
)
from controller.translation import asked, untranslated_yet

FEATURE = Feature.SERVICES
REFUSE: Actions = (load(ENDPOINT, Endpoint.REFUSED), Goto(ENDPOINT_DNAT))


def front_end(one: FrontEnd, owner: Owner) -> Iterator[Flow]:
    """What is asked, and by whom: to the choice that answers."""
    clients: Fields = {"ipv4_src": one.clients} if one.clients else {}
    outside: Fields = {OUTSIDE.name: 1} if one.outside_only else {}
    priority = Priority.FIRST if one.outside_only else Priority.SPECIFIC
    seen_as = (Move(OUTSIDE.name, MASQUERADE.name),) if one.masquerade else ()
    fields = {**asked(one.address, one.protocol, one.port), **clients, **outside}
    choice = load(SERVICE_PORT, one.choice)
    yield owner.flow(SERVICE_FRONT_END, priority, fields, choice, *seen_as, Goto(SERVICE_AFFINITY))
    yield untranslated_yet(one.address, one.protocol, one.port, owner)


def closed_port(one: ClosedPort, owner: Owner) -> Iterator[Flow]:
    """Who is in none of the ranges is dropped."""
    yield owner.flow(SERVICE_FRONT_END, Priority.NORMAL, asked(one.address, one.protocol, one.port))


def virtual_address(one: VirtualAddress, owner: Owner) -> Iterator[Flow]:
    """Ports that the Service does not declare."""
    for protocol in PROTOCOLS.values():
        fields: Fields = {"eth_type": IP, "ip_proto": protocol, "ipv4_dst": one.address}
        yield owner.flow(SERVICE_FRONT_END, Priority.FALLBACK, fields, *REFUSE)


def choice(one: Choice, owner: Owner) -> Iterator[Flow]:
    """The translation to each endpoint that may answer; where there is none, refusal."""
    if not one.backends:
        fields: Fields = {SERVICE_PORT.name: one.number}
        yield owner.flow(SERVICE_LOAD_BALANCING, Priority.SPECIFIC, fields, *(REFUSE if one.refused else ()))
    for backend in one.backends:
        yield _translation(one, backend, owner)
    for backend in one.asked_directly:
        yield _as_it_is(one, backend, owner)


def bridge(one: Bridge, owner: Owner) -> Iterator[Flow]:
    """An endpoint was chosen (by affinity, say) that is none any more: another is. What is not translated is, again.

    One client asks one endpoint from a port that conntrack still has a connection of, and Open vSwitch takes another
    for it. It looks at no more than some 250, half of them in a row (its `nat_get_unique_l4`): of a client that opens
    thousands of connections in a few seconds, one in thirty finds none there, and goes on as it was.
    """
    if one.fabric:
        return
    chosen: Fields = {"eth_type": IP, ENDPOINT.name: Endpoint.CHOSEN}
    untranslated: Fields = {**chosen, "ct_state": "+trk+new", TRANSLATED.name: 0}
    yield owner.flow(DNAT_AGAIN, Priority.NORMAL, untranslated, Resubmit(ENDPOINT_DNAT))
    again = (load(ENDPOINT, 0), Resubmit(SERVICE_LOAD_BALANCING))
    yield owner.flow(ENDPOINT_DNAT, Priority.FALLBACK, chosen, *again)


def refusal(one: Refusal, owner: Owner) -> Iterator[Flow]:
    """Where a bridge sends what is refused: past policy, which has no say in it."""
    nat = Nat("dst", one.address, REFUSED_PORT)
    refuse = Ct(ZONE.name, commit=True, nat=nat, load=((TRANSLATED.name, 1),), table=ROUTING)
    yield owner.flow(ENDPOINT_DNAT, Priority.NORMAL, {"eth_type": IP, ENDPOINT.name: Endpoint.REFUSED}, refuse)


def _translation(one: Choice, backend: Backend, owner: Owner) -> Flow:
    """Only while the register holds this choice: two Services may share an endpoint, each has its own flow."""
    to = Nat("dst", backend.address, backend.port)
    return owner.flow(ENDPOINT_DNAT, Priority.SPECIFIC, _chosen(one, backend), _commit(one, to))


def _as_it_is(one: Choice, backend: Backend, owner: Owner) -> Flow:
    """What was asked is the endpoint: Open vSwitch 3.1 ends in an assertion after a translation to the same."""
    own: Fields = {"ipv4_dst": backend.address, PORT_FIELDS[PROTOCOLS[one.protocol]]: backend.port}
    return owner.flow(ENDPOINT_DNAT, Priority.FIRST, {**_chosen(one, backend), **own}, _commit(one, None))


def _chosen(one: Choice, backend: Backend) -> Fields:
    return {
        "eth_type": IP, "ip_proto": PROTOCOLS[one.protocol], SERVICE_PORT.name: one.number,
        ENDPOINT_IPV4.name: backend.address, ENDPOINT_PORT.name: backend.port,
    }  # fmt: skip


def _commit(one: Choice, nat: Nat | None) -> Ct:
    return Ct(
        ZONE.name,
        commit=True,
        nat=nat,
        load=((TRANSLATED.name, 1), (SERVICE_LABEL.name, one.label)),
        move=(Move(MASQUERADE.name, MASQUERADED.name),),
        table=DNAT_AGAIN,
    )
