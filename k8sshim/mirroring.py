"""Mirroring: Endpoints that somebody wrote by hand, as the EndpointSlices that everybody reads.

The rules are those of Kubernetes' EndpointSliceMirroring controller
(https://kubernetes.io/docs/concepts/services-networking/service/#over-capacity-endpoints and
https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#endpointslice-mirroring): Services without a
selector alone; subsets with the same ports become one slice an address family, of at most 1,000 addresses. A slice's
name follows from its family and ports, so a writer that repeats itself meets its own slices. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from k8sshim.endpoints import (
    MANAGED_BY_LABEL,
    SERVICE_LABEL,
    Changes,
    Shape,
    family_of,
    owner_reference,
    ports_key,
)
from k8sshim.objects import Key, Raw

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP_LABEL = "endpointslice.kubernetes.io/skip-mirror"
MAX_ADDRESSES = 1000
_LEADER_ANNOTATION = "control-plane.alpha.kubernetes.io/leader"  # of Endpoints that were a lock once
_NOT_COPIED = ("kubectl.kubernetes.io/last-applied-configuration", "endpoints.kubernetes.io/last-change-trigger-time")


def slices(service: Raw | None, endpoints: Raw | None, existing: Sequence[Raw]) -> Changes:
    """The changes to the slices that mirror a Service's Endpoints. `existing` are those that there are."""
    wanted = {each["metadata"]["name"]: each for each in _wanted(endpoints)} if _mirrored(service, endpoints) else {}
    held = {each["metadata"]["name"]: each for each in existing}
    new = [_over(held[name], each) for name, each in wanted.items() if name in held]
    return Changes(
        create=tuple(each for name, each in wanted.items() if name not in held),
        update=tuple(each for each in new if each != held[each["metadata"]["name"]]),
        delete=tuple(each for name, each in held.items() if name not in wanted),
    )


def _mirrored(service: Raw | None, endpoints: Raw | None) -> bool:
    if service is None or endpoints is None or endpoints["metadata"].get("deletionTimestamp"):
        return False
    metadata = endpoints["metadata"]
    skipped = (metadata.get("labels") or {}).get(SKIP_LABEL) == "true"
    lock = _LEADER_ANNOTATION in (metadata.get("annotations") or {})
    return not (service.get("spec") or {}).get("selector") and not skipped and not lock


def _over(old: Raw, new: Raw) -> Raw:
    return {**old, **new, "metadata": {**old["metadata"], **new["metadata"]}}


def _wanted(endpoints: Raw | None) -> Iterable[Raw]:
    shaped: dict[Shape, dict[str, Raw]] = {}
    for subset in (endpoints or {}).get("subsets") or ():
        ports = ports_key(_port(each) for each in subset.get("ports") or ())
        for name, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(name) or ():
                group = shaped.setdefault(Shape(family_of(address["ip"]), ports), {})
                if address["ip"] not in group and len(group) < MAX_ADDRESSES:
                    group[address["ip"]] = _endpoint(address, ready=ready)
    for shape, group in shaped.items():
        yield _slice(endpoints or {}, shape, list(group.values()))


def _port(port: Raw) -> Raw:
    return {**port, "name": port.get("name") or "", "protocol": port.get("protocol") or "TCP"}


def _endpoint(address: Raw, *, ready: bool) -> Raw:
    kept = {name: address[name] for name in ("hostname", "nodeName", "targetRef") if address.get(name)}
    return {"addresses": [address["ip"]], "conditions": {"ready": ready}, **kept}


def _slice(endpoints: Raw, shape: Shape, content: list[Raw]) -> Raw:
    key, metadata = Key.of(endpoints), endpoints["metadata"]
    digest = hashlib.sha256(f"{shape.family} {shape.ports}".encode()).hexdigest()[:5]
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k not in _NOT_COPIED}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": key.namespace,
            "name": f"{key.name}-{digest}",
            "labels": {**(metadata.get("labels") or {}), SERVICE_LABEL: key.name, MANAGED_BY_LABEL: MANAGER},
            "ownerReferences": [owner_reference(endpoints, "Endpoints")],
            **({"annotations": annotations} if annotations else {}),
        },
        "addressType": shape.family,
        "endpoints": content,
        "ports": json.loads(shape.ports),
    }
