"""What several objects may ask for, and one of them has: an address and port of Services, a port of a node. Pure.

Nothing keeps Services from naming one external address, nor pods that are put on a node by name from asking for one of
its ports. The switches would keep whichever flow came last. So the first has it: a cluster address's own Service, then
the older object, then the first by name; when that goes, the next one has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from k8sshim.objects import Key, Pod, Service

from .intents import HostPort, Intent
from .services import ClosedPort, FrontEnd, VirtualAddress

Unit = tuple[str, Key]  # kind and key of an object
Claim = tuple[str | int, ...]
Rank = tuple[bool, str]  # the lowest is the first


class Claims:
    """Who asks for what."""

    def __init__(self) -> None:
        self._claims_of: dict[Unit, dict[Claim, Rank]] = {}
        self._claimants: dict[Claim, dict[Unit, Rank]] = defaultdict(dict)

    def put(self, unit: Unit, claims: dict[Claim, Rank]) -> list[Unit]:
        """An object asks for these alone. The others that this may matter to."""
        before = self._claims_of.pop(unit, {})
        if claims:
            self._claims_of[unit] = claims
        changed = [claim for claim in before.keys() | claims.keys() if before.get(claim) != claims.get(claim)]
        for claim in changed:
            self._claimants[claim].pop(unit, None)
        others = sorted({other for claim in changed for other in self._claimants[claim]})
        for claim in changed:
            if claim in claims:
                self._claimants[claim][unit] = claims[claim]
            elif not self._claimants[claim]:
                del self._claimants[claim]
        return others

    def granted(self, unit: Unit, intents: Iterable[Intent]) -> tuple[Intent, ...]:
        """Of an object's intents, those that ask for nothing which another object has."""
        return tuple(one for one in intents if (claim := _claim(one)) is None or self._first(claim) == unit)

    def _first(self, claim: Claim) -> Unit:
        claimants = self._claimants[claim]
        return next(iter(claimants)) if len(claimants) == 1 else min(claimants, key=lambda one: (claimants[one], one))


def claims_of(view: object, intents: Iterable[Intent]) -> dict[Claim, Rank]:
    """What an object's intents ask for."""
    created = view.created if isinstance(view, Service | Pod) else ""
    own = view.cluster_ips if isinstance(view, Service) else ()
    claims = (_claim(one) for one in intents)
    return {claim: (claim[0] not in own, created) for claim in claims if claim}


def _claim(intent: Intent) -> Claim | None:
    match intent:
        case FrontEnd() | ClosedPort():
            return (intent.address, intent.protocol, intent.port)
        case VirtualAddress():
            return (intent.address,)
        case HostPort():
            return (intent.address, intent.protocol, intent.port, intent.dpid)
    return None
