"""Endpoints written by hand, mirrored: what `k8sshim.mirroring` says, kept written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from k8sshim import endpoints, mirroring
from k8sshim.client import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.services import slice_writes
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import Plan
from k8sshim.objects import Key, Raw


@dataclass(frozen=True)
class Mirror:
    """The controller; its keys are those of Endpoints, which have their Service's name."""

    name: str = "endpointslicemirroring"
    delay_s: float = 0.02

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource in (SERVICES, ENDPOINTS):
            yield change.key
        elif change.resource == ENDPOINT_SLICES:
            yield from {_mirrors(raw) for raw in change.present if _is_mirror(raw)}

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        mirrors = world.found(ENDPOINT_SLICES, key.namespace, (endpoints.SERVICE_LABEL, key.name)).values()
        existing = [raw for raw in mirrors if _is_mirror(raw) and not raw["metadata"].get("deletionTimestamp")]
        return slice_writes(mirroring.slices(world.get(SERVICES, key), world.get(ENDPOINTS, key), existing))


def _is_mirror(raw: Raw) -> bool:
    return (raw["metadata"].get("labels") or {}).get(endpoints.MANAGED_BY_LABEL) == mirroring.MANAGER


def _mirrors(raw: Raw) -> Key:
    return Key(raw["metadata"]["namespace"], raw["metadata"]["labels"].get(endpoints.SERVICE_LABEL) or "")
