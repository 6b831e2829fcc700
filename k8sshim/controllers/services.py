"""Services' endpoints, as EndpointSlices and as Endpoints: what `k8sshim.endpoints` says, kept written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial

from k8sshim import endpoints
from k8sshim.client import ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, SERVICES
from k8sshim.controllers import legacy_endpoints
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import NOTHING, Create, Delete, Plan, Update, Write
from k8sshim.objects import ZONE_LABEL, Key, Raw


@dataclass(frozen=True)
class Slices:
    """The controller of EndpointSlices."""

    name: str = "endpointslice"
    delay_s: float = 0.005

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource == SERVICES:
            yield change.key
        elif change.resource == PODS:
            yield from _selecting(change, world)
        elif change.resource == NODES:
            yield from _on_node(change, world)
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
        return slice_writes(
            endpoints.slices(service, _selected(service, world), existing, cache(partial(_zone_of, world)))
        )


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


def slice_writes(changes: endpoints.Changes) -> Plan:
    """What is there stays until what takes its place has come."""
    writes: list[Write] = [Create(ENDPOINT_SLICES, raw) for raw in changes.create]
    writes.extend(Update(ENDPOINT_SLICES, raw) for raw in changes.update)
    uids = ((raw, raw["metadata"].get("uid") or "") for raw in changes.delete)
    return Plan.of(writes, [Delete(ENDPOINT_SLICES, Key.of(raw), uid) for raw, uid in uids])


def _is_own(raw: Raw) -> bool:
    return (raw["metadata"].get("labels") or {}).get(endpoints.MANAGED_BY_LABEL) == endpoints.MANAGER


def _selecting(change: Change, world: World) -> set[Key]:
    """The Services that pick a pod, as it was or as it is, where their endpoints change with it."""
    if endpoints.essence(change.old) == endpoints.essence(change.new):
        return set()
    return {key for pod in change.present for key in _picking(pod, world)}


def _picking(pod: Raw, world: World) -> Iterable[Key]:
    labels = pod["metadata"].get("labels") or {}
    for label in labels.items():
        for key, service in world.found(SERVICES, pod["metadata"]["namespace"], label).items():
            if service["spec"]["selector"].items() <= labels.items():
                yield key


def _on_node(change: Change, world: World) -> set[Key]:
    """The Services with pods on a node, where the node's zone is another than it was."""
    zones = {_zone(raw) for raw in (change.old, change.new)}
    if len(zones) == 1:
        return set()
    pods = [pod for ns in world.namespaces(PODS) for pod in world.found(PODS, ns, change.key.name).values()]
    return {key for pod in pods for key in _picking(pod, world)}


def _zone_of(world: World, node: str) -> str:
    return _zone(world.get(NODES, Key("", node)))


def _zone(node: Raw | None) -> str:
    return str(((node or {"metadata": {}})["metadata"].get("labels") or {}).get(ZONE_LABEL) or "")


def _selected(service: Raw, world: World) -> list[Raw]:
    """The pods that a Service picks, looked for among those with its rarest label."""
    selector = (service["spec"].get("selector") or {}).items()
    if not selector:
        return []
    namespace = service["metadata"].get("namespace") or ""
    rarest = min((world.found(PODS, namespace, label) for label in selector), key=len)
    return [pod for pod in rarest.values() if selector <= (pod["metadata"].get("labels") or {}).items()]
