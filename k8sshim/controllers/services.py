"""Services' endpoints, as EndpointSlices and as Endpoints: what `k8sshim.endpoints` says, kept written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from k8sshim import endpoints
from k8sshim.client import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES
from k8sshim.controllers import legacy_endpoints
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import NOTHING, Create, Delete, Plan, Update, Write
from k8sshim.objects import Key, Raw
from k8sshim.selectors import Selector


@dataclass(frozen=True)
class Slices:
    """The controller of EndpointSlices."""

    name: str = "endpointslice"
    delay_s: float = 0.02

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource == SERVICES:
            yield change.key
        elif change.resource == PODS:
            yield from _selecting(change, world)
        elif change.resource == ENDPOINT_SLICES:
            for raw in change.present:
                if _is_own(raw):
                    yield Key(change.key.namespace, raw["metadata"]["labels"].get(endpoints.SERVICE_LABEL) or "")

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        service = world.get(SERVICES, key)
        if service is None or service["metadata"].get("deletionTimestamp"):
            return NOTHING
        existing = [
            raw
            for raw in world.owned(ENDPOINT_SLICES, service["metadata"].get("uid") or "")
            if _is_own(raw) and not raw["metadata"].get("deletionTimestamp")
        ]
        changes = endpoints.slices(service, _selected(service, world), existing)
        writes: list[Write] = [Create(ENDPOINT_SLICES, raw) for raw in changes.create]
        writes.extend(Update(ENDPOINT_SLICES, raw) for raw in changes.update)
        uids = ((raw, raw["metadata"].get("uid") or "") for raw in changes.delete)
        return Plan.of(writes, [Delete(ENDPOINT_SLICES, Key.of(raw), uid) for raw, uid in uids])


@dataclass(frozen=True)
class Endpoints:
    """The controller of Endpoints, for those who look at them. Nothing in podwire does, so it takes its time."""

    name: str = "endpoints"
    delay_s: float = 1.0

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource in (SERVICES, ENDPOINTS):
            yield change.key
        elif change.resource == PODS:
            yield from _selecting(change, world)

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        service, old = world.get(SERVICES, key), world.get(ENDPOINTS, key)
        ours = old is not None and legacy_endpoints.is_own(old)
        if service is None:
            return Plan.of([Delete(ENDPOINTS, key, old["metadata"].get("uid") or "")] if old and ours else [])
        if not endpoints.has_own(service) or (old is not None and not ours):
            return NOTHING
        new = legacy_endpoints.wanted(service, _selected(service, world), old)
        if new is None:
            return NOTHING
        return Plan.of([Update(ENDPOINTS, new) if old is not None else Create(ENDPOINTS, new)])


def _is_own(raw: Raw) -> bool:
    return (raw["metadata"].get("labels") or {}).get(endpoints.MANAGED_BY_LABEL) == endpoints.MANAGER


def _selecting(change: Change, world: World) -> Iterable[Key]:
    """The Services that pick a pod, as it was or as it is."""
    labels = [raw["metadata"].get("labels") or {} for raw in change.present]
    for service in world.all(SERVICES, change.key.namespace):
        selector = (service.get("spec") or {}).get("selector")
        if selector and any(selector.items() <= each.items() for each in labels):
            yield Key.of(service)


def _selected(service: Raw, world: World) -> list[Raw]:
    selector = Selector.from_labels(service["spec"].get("selector"))
    pods = world.all(PODS, service["metadata"].get("namespace") or "")
    return [pod for pod in pods if selector.matches(pod["metadata"].get("labels") or {})]
