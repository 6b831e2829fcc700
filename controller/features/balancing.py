"""Chooses the endpoint of a new connection to a Service port, in the way that the Service asks for.

`hash` and `weighted` use a select group, whose choice bridges remember for each hash value, so that most connections
need no decision of ovs-vswitchd. The group's hash leaves UDP's ports out, so UDP gets a slot by a hash of addresses and
ports; so does every Service with session affinity, whose first choice a later connection must not find remembered.
`source` and `consistent` hash the client's address into a slot. `round-robin` asks the controller for the slot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from controller.actions import (
    CONNECTION,
    SOURCE_ADDRESS,
    WHOLE_PACKET,
    Action,
    Actions,
    Goto,
    Multipath,
    Resubmit,
    SetField,
    ToController,
    ToGroup,
    load,
)
from controller.affinity import remember
from controller.balancing import HASH_VALUES, bucket_weights, consistent, most_slots, weighted
from controller.flows import IP, Fields, Flow, Group, Owner
from controller.marks import (
    ENDPOINT,
    ENDPOINT_IPV4,
    ENDPOINT_PORT,
    SERVICE_PORT,
    SLOT,
    SLOT_GIVEN,
    Endpoint,
    Feature,
    Priority,
)
from controller.services import Backend, Choice
from controller.tables import ENDPOINT_DNAT, ENDPOINT_SELECTION, SERVICE_LOAD_BALANCING

FEATURE = Feature.BALANCING
HASH, SOURCE, WEIGHTED, ROUND_ROBIN, CONSISTENT = "hash", "source", "weighted", "round-robin", "consistent"
BY_SOURCE = (SOURCE, CONSISTENT)
BASIS_BITS = 0xFFFF


def choice(one: Choice, owner: Owner) -> Iterator[Flow | Group]:
    """Only where there is somebody to choose, and affinity has not said whom."""
    if len(one.backends) == 1:
        yield _first_step(one, owner, {}, *_take(one, one.backends[0], owner), Goto(ENDPOINT_DNAT))
    elif one.backends and _by_group(one):
        yield from _group(one, owner)
    elif one.backends:
        yield from _slots(one, owner)


def _by_group(one: Choice) -> bool:
    fits = len(one.backends) <= HASH_VALUES
    return fits and one.balancing in (HASH, WEIGHTED) and one.protocol != "UDP" and not one.affinity_s


def _group(one: Choice, owner: Owner) -> Iterator[Flow | Group]:
    weights = bucket_weights([backend.weight if one.balancing == WEIGHTED else 1 for backend in one.backends])
    backends = (*one.backends, one.backends[0])[: len(weights)]
    buckets = tuple((*_take(one, backend, owner), Resubmit(ENDPOINT_DNAT)) for backend in backends)
    yield owner.group(one.number, buckets, weights)
    yield _first_step(one, owner, {}, ToGroup(one.number))


def _slots(one: Choice, owner: Owner) -> Iterator[Flow]:
    """One step names the slot, the next the endpoint. Whoever has most slots gets every number that is not a slot."""
    slots = _table(one)
    if one.balancing == ROUND_ROBIN:
        yield _first_step(one, owner, {SLOT_GIVEN.name: 0}, load(SLOT, len(slots)), ToController(WHOLE_PACKET))
        yield _first_step(one, owner, {SLOT_GIVEN.name: 1}, Goto(ENDPOINT_SELECTION))
    else:
        fields = SOURCE_ADDRESS if one.balancing in BY_SOURCE else CONNECTION
        draw = Multipath(fields, one.number & BASIS_BITS, len(slots), SLOT.name)
        yield _first_step(one, owner, {}, draw, Goto(ENDPOINT_SELECTION))
    common = most_slots(slots)
    yield _second_step(one, owner, Priority.NORMAL, {}, common)
    for number, place in enumerate(slots):
        if place != common:
            yield _second_step(one, owner, Priority.SPECIFIC, {SLOT.name: number}, place)


def _table(one: Choice) -> Sequence[int]:
    """The endpoint of each slot, by its place."""
    if one.balancing == CONSISTENT:
        return consistent([f"{backend.address}:{backend.port}" for backend in one.backends])
    return weighted([backend.weight if one.balancing == WEIGHTED else 1 for backend in one.backends])


def _first_step(one: Choice, owner: Owner, also: Fields, *actions: Action) -> Flow:
    fields: Fields = {"eth_type": IP, SERVICE_PORT.name: one.number, ENDPOINT.name: 0, **also}
    return owner.flow(SERVICE_LOAD_BALANCING, Priority.SPECIFIC, fields, *actions)


def _second_step(one: Choice, owner: Owner, priority: Priority, also: Fields, place: int) -> Flow:
    fields: Fields = {"eth_type": IP, SERVICE_PORT.name: one.number, ENDPOINT.name: 0, **also}
    take = _take(one, one.backends[place], owner)
    return owner.flow(ENDPOINT_SELECTION, priority, fields, *take, Goto(ENDPOINT_DNAT))


def _take(one: Choice, backend: Backend, owner: Owner) -> Actions:
    """The endpoint, into the registers; and into the memory of Services with affinity."""
    chosen = (
        load(ENDPOINT, Endpoint.CHOSEN),
        SetField(ENDPOINT_IPV4.name, backend.address),
        load(ENDPOINT_PORT, backend.port),
    )
    if not one.affinity_s:
        return chosen
    return (*chosen, remember(one, backend, chosen, owner.subject))
