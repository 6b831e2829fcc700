"""Endpoints: which pods stand behind a Service, as EndpointSlices and as the older Endpoints.

The rules are those of Kubernetes' EndpointSlice controller
(https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/ and `k8s.io/endpointslice` in its source):
an endpoint a pod that has an address and has not finished; ready if the pod is and is not on its way out; pods that
resolve a named port to different numbers stand in different slices; 100 endpoints a slice.

Names follow from what a slice holds, and an endpoint stays in the slice it is in: unchanged endpoints cost no write,
and a writer that repeats itself after a crash meets its own slices instead of making second ones. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from k8sshim.objects import Key, Raw

MAX_ENDPOINTS = 100
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS_LABEL = "service.kubernetes.io/headless"
TOPOLOGY_ANNOTATIONS = ("service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints")
_HINTS = {
    "PreferClose": frozenset({"forZones"}),
    "PreferSameZone": frozenset({"forZones"}),
    "PreferSameNode": frozenset({"forZones", "forNodes"}),
}

ZoneOf = Callable[[str], str]  # of a node's name; "" for none


@dataclass(frozen=True)
class Changes:
    """What has to be written so that a Service's slices say what is."""

    create: tuple[Raw, ...] = ()
    update: tuple[Raw, ...] = ()
    delete: tuple[Raw, ...] = ()


@dataclass(frozen=True, order=True)
class Shape:
    """What all endpoints of a slice have in common."""

    family: str
    ports: str  # as JSON


def slices(service: Raw, pods: Iterable[Raw], existing: Sequence[Raw], zone_of: ZoneOf = lambda node: "") -> Changes:
    """The changes to a Service's own slices. `pods` are those that its selector picks, `existing` the slices it has."""
    if not has_own(service):
        return Changes()
    wanted, held = _wanted(service, pods, zone_of), _held(existing)
    names = {str(each["metadata"]["name"]) for each in existing}
    create, update = list[Raw](), list[Raw]()
    delete = [each for shape, olds in held.items() if shape not in wanted for each in olds]
    for shape, endpoints in sorted(wanted.items()):
        for place, (old, content) in enumerate(_fill(endpoints, held.get(shape, []))):
            if old is None:
                create.append(_slice(service, shape, content, _new_metadata(service, shape, names)))
            elif not content and (endpoints or place):
                delete.append(old)
            else:
                new = {**old, **_slice(service, shape, content, old["metadata"])}
                update.extend([new] if new != old else [])
    return Changes(tuple(create), tuple(update), tuple(delete))


def has_own(service: Raw) -> bool:
    """Whether a Service's endpoints follow from its selector, and not from what somebody writes by hand."""
    spec = service.get("spec") or {}
    return bool(spec.get("selector")) and spec.get("type") != "ExternalName"


def address_types(service: Raw) -> tuple[str, ...]:
    """The address types that a Service has endpoints of."""
    spec = service.get("spec") or {}
    families = tuple(spec.get("ipFamilies") or ())
    addresses = [a for a in spec.get("clusterIPs") or [spec.get("clusterIP")] if a and a != "None"]
    return families or tuple(map(family_of, addresses)) or ("IPv4",)


def _wanted(service: Raw, pods: Iterable[Raw], zone_of: ZoneOf) -> dict[Shape, dict[str, Raw]]:
    """The endpoints by shape and their pod's UID. A family without endpoints has an empty slice."""
    pods, hints, wanted = list(pods), _hints(service), dict[Shape, dict[str, Raw]]()
    for family in address_types(service):
        found = by_ports(service, family, pods) or {"[]": {}}
        for ports, endpoints in found.items():
            placed = {uid: _placed(each, hints, zone_of(each["nodeName"])) for uid, each in endpoints.items()}
            wanted[Shape(family, ports)] = placed
    return wanted


def _hints(service: Raw) -> frozenset[str]:
    """Which hints a Service's endpoints carry: none, for their own zone, for their own node too.

    The annotation asks Kubernetes for a share of the endpoints by the zones' processors; a lab's zones are equal, so
    it means what PreferSameZone means.
    """
    annotations = service["metadata"].get("annotations") or {}
    if any(annotations.get(name) in ("Auto", "auto") for name in TOPOLOGY_ANNOTATIONS):
        return frozenset({"forZones"})
    return _HINTS.get(service["spec"].get("trafficDistribution") or "", frozenset())


def _placed(endpoint: Raw, hints: frozenset[str], zone: str) -> Raw:
    """An endpoint with its zone, and the hints whom it is meant for."""
    given: Raw = {}
    if zone and "forZones" in hints:
        given["forZones"] = [{"name": zone}]
    if "forNodes" in hints:
        given["forNodes"] = [{"name": endpoint["nodeName"]}]
    return {**endpoint, **({"zone": zone} if zone else {}), **({"hints": given} if given else {})}


def family_of(address: str) -> str:
    """The address type of an address."""
    return "IPv6" if ":" in address else "IPv4"


def _held(existing: Sequence[Raw]) -> dict[Shape, list[Raw]]:
    held: dict[Shape, list[Raw]] = {}
    for each in sorted(existing, key=lambda each: str(each["metadata"]["name"])):
        shape = Shape(each.get("addressType") or "", ports_key(each.get("ports") or ()))
        held.setdefault(shape, []).append(each)
    return held


def by_ports(service: Raw, family: str, pods: Iterable[Raw]) -> dict[str, dict[str, Raw]]:
    """The endpoints of one address type, by their ports (as JSON) and their pod's UID."""
    ports = service["spec"].get("ports") or []
    found: dict[tuple[int | None, ...], dict[str, Raw]] = {}
    for pod in pods:
        endpoint = _endpoint(service, family, pod)
        if endpoint:
            numbers = tuple(_target_number(port, pod) for port in ports)
            found.setdefault(numbers, {})[pod["metadata"]["uid"]] = endpoint
    merged: dict[str, dict[str, Raw]] = {}
    for numbers, endpoints in found.items():
        resolved = [_port(port, number) for port, number in zip(ports, numbers, strict=True) if number is not None]
        merged.setdefault(ports_key(resolved), {}).update(endpoints)
    return merged


def ports_key(ports: Iterable[Raw]) -> str:
    """A slice's ports as JSON, the same for the same ports in any order."""
    fields = [{k: p[k] for k in ("name", "protocol", "port", "appProtocol") if k in p} for p in ports]
    return json.dumps(sorted(fields, key=lambda port: str(port.get("name"))), sort_keys=True)


def _endpoint(service: Raw, family: str, pod: Raw) -> Raw | None:
    spec, metadata = pod.get("spec") or {}, pod["metadata"]
    address = next((a for a in pod_addresses(pod) if family_of(a) == family), None)
    if not address or is_finished(pod):
        return None
    serving, terminating = is_ready(pod), bool(metadata.get("deletionTimestamp"))
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    endpoint: Raw = {
        "addresses": [address],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "nodeName": spec.get("nodeName") or "",
        "targetRef": _target(pod),
    }
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        endpoint["hostname"] = spec["hostname"]
    return endpoint


def _target(pod: Raw) -> Raw:
    metadata = pod["metadata"]
    return {"kind": "Pod", "namespace": metadata.get("namespace"), "name": metadata["name"], "uid": metadata["uid"]}


def pod_addresses(pod: Raw) -> list[str]:
    """A pod's addresses, one a family, as its node has reported them."""
    status = pod.get("status") or {}
    several = [entry.get("ip") for entry in status.get("podIPs") or ()]
    return [address for address in several or [status.get("podIP")] if address]


def is_finished(pod: Raw) -> bool:
    """Whether all of a pod's containers have ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def essence(pod: Raw | None) -> object:
    """All of a pod that its endpoints follow from; None where it has none. What leaves it as it was concerns nobody."""
    addresses = pod_addresses(pod) if pod else []
    if pod is None or not addresses or is_finished(pod):
        return None
    spec, metadata = pod.get("spec") or {}, pod["metadata"]
    terminating, names = bool(metadata.get("deletionTimestamp")), (spec.get("hostname"), spec.get("subdomain"))
    return metadata["uid"], addresses, is_ready(pod), terminating, spec.get("nodeName"), names, metadata.get("labels")


def is_ready(pod: Raw) -> bool:
    """Whether the pod's condition Ready holds."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _port(port: Raw, number: int) -> Raw:
    """A Service's port where its target is that number."""
    resolved: Raw = {"name": port.get("name") or "", "protocol": port.get("protocol") or "TCP", "port": number}
    if port.get("appProtocol"):
        resolved["appProtocol"] = port["appProtocol"]
    return resolved


def _target_number(port: Raw, pod: Raw) -> int | None:
    """A Service's targetPort as the pod resolves it; None where it has no port of that name."""
    target: Any = port.get("targetPort") or port["port"]
    if isinstance(target, int) or str(target).isdigit():
        return int(target)
    spec, protocol = pod.get("spec") or {}, port.get("protocol") or "TCP"
    staying = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in (*(spec.get("containers") or ()), *staying):
        for declared in container.get("ports") or ():
            if declared.get("name") == target and (declared.get("protocol") or "TCP") == protocol:
                return int(declared["containerPort"])
    return None


def _fill(wanted: dict[str, Raw], existing: Sequence[Raw]) -> list[tuple[Raw | None, list[Raw]]]:
    """Endpoints laid into slices: each stays where it is, new ones fill the gaps, the rest goes into new slices."""
    left = dict(wanted)
    filled: list[tuple[Raw | None, list[Raw]]] = []
    for old in existing:
        uids = [(each.get("targetRef") or {}).get("uid") for each in old.get("endpoints") or ()]
        filled.append((old, [left.pop(uid) for uid in uids[:MAX_ENDPOINTS] if uid in left]))
    rest = [left[uid] for uid in sorted(left, key=lambda uid: str(left[uid]["targetRef"]["name"]))]
    for _, content in filled:
        room = MAX_ENDPOINTS - len(content)
        content.extend(rest[:room])
        del rest[:room]
    filled.extend((None, rest[at : at + MAX_ENDPOINTS]) for at in range(0, len(rest), MAX_ENDPOINTS))
    return filled or [(None, [])]


def _slice(service: Raw, shape: Shape, content: list[Raw], metadata: Raw) -> Raw:
    """The slice as it should be."""
    labels = {k: v for k, v in (service["metadata"].get("labels") or {}).items() if k != HEADLESS_LABEL}
    labels.update({SERVICE_LABEL: service["metadata"]["name"], MANAGED_BY_LABEL: MANAGER})
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS_LABEL] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "labels": labels, "ownerReferences": [owner_reference(service)]},
        "addressType": shape.family,
        "endpoints": content,
        "ports": json.loads(shape.ports),
    }


def _new_metadata(service: Raw, shape: Shape, names: set[str]) -> Raw:
    """A name for a new slice, which then is taken: of the Service and of what the slice holds, so that a creation
    that is repeated is a conflict."""
    key, number = Key.of(service), 0
    while True:
        digest = hashlib.sha256(f"{shape.family} {shape.ports} {number}".encode()).hexdigest()[:5]
        name = f"{key.name}-{digest}"
        if name not in names:
            names.add(name)
            return {"namespace": key.namespace, "name": name}
        number += 1


def owner_reference(owner: Raw, kind: str = "Service", api_version: str = "v1") -> Raw:
    """What an object's metadata says of the controller that made it."""
    return {
        "apiVersion": owner.get("apiVersion") or api_version,
        "kind": owner.get("kind") or kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"].get("uid") or "",
        "controller": True,
        "blockOwnerDeletion": True,
    }
