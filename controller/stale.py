"""Connections that a change of a Service leaves with an endpoint that is none any more, and that nobody ends. Pure.

A TCP connection ends with its pod. A client's UDP packets would be translated to the old endpoint for as long as they
follow one another: so what the bridges remember of them is forgotten, and their next packet chooses anew. The same for
what was refused, or went elsewhere, before there was an endpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .intents import HostPort, Intent
from .services import EVERY_NODE, Backend, Choice, FrontEnd

UDP = "UDP"
Asked = tuple[str, int]  # address, or THIS_NODE, and port
Answering = Mapping[int, frozenset[Backend]]  # by datapath id, or EVERY_NODE


@dataclass(frozen=True)
class Stale:
    """UDP connections to an address and port, those that are translated to one endpoint, or all (None)."""

    address: str  # or THIS_NODE
    port: int
    endpoint: Backend | None


def between(before: Iterable[Intent], after: Iterable[Intent], bridges: Iterable[int]) -> dict[int, list[Stale]]:
    """What is to be forgotten on which bridge, or on EVERY_NODE, when an object's intents change."""
    old, new = _answering(before), _answering(after)
    found: dict[int, list[Stale]] = {}
    for asked in old.keys() | new.keys():
        there, here = old.get(asked, {}), new.get(asked, {})
        places = (EVERY_NODE,) if there.keys() | here.keys() <= {EVERY_NODE} else bridges
        for place in places:
            stale = _stale(asked, _at(there, place), _at(here, place))
            if stale:
                found.setdefault(place, []).extend(stale)
    return found


def _stale(asked: Asked, before: frozenset[Backend], after: frozenset[Backend]) -> list[Stale]:
    if before and after:
        return [Stale(*asked, backend) for backend in sorted(before - after)]
    return [Stale(*asked, None)] if before or after else []


def _at(answering: Answering, place: int) -> frozenset[Backend]:
    return answering.get(place, frozenset()) | answering.get(EVERY_NODE, frozenset())


def _answering(intents: Iterable[Intent]) -> dict[Asked, Answering]:
    """Who answers UDP, by what is asked and where."""
    backends: dict[int, dict[int, frozenset[Backend]]] = {}
    front_ends: dict[Asked, set[int]] = {}
    found: dict[Asked, dict[int, frozenset[Backend]]] = {}
    for one in intents:
        if isinstance(one, Choice) and one.protocol == UDP:
            places = {Backend(backend.address, backend.port) for backend in one.backends}
            backends.setdefault(one.number, {})[one.dpid] = frozenset(places)
        elif isinstance(one, FrontEnd) and one.protocol == UDP:
            front_ends.setdefault((one.address, one.port), set()).add(one.choice)
        elif isinstance(one, HostPort) and one.protocol == UDP:
            found[(one.address, one.port)] = {one.dpid: frozenset((one.backend,))}
    for asked, choices in front_ends.items():
        answering = found.setdefault(asked, {})
        for place, some in (item for number in choices for item in backends.get(number, {}).items()):
            answering[place] = answering.get(place, frozenset()) | some
    return dict(found)
