"""What the feeder keeps of each object: a cluster's objects whole would cost it several times its own size. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from k8sshim.objects import Raw

_METADATA = ("name", "namespace", "uid", "resourceVersion")
_SERVICE_NAME = "kubernetes.io/service-name"


def service(raw: Raw) -> Raw:
    """Of a Service what its names are made of."""
    spec = raw.get("spec") or {}
    kept = _some(spec, ("type", "clusterIP", "clusterIPs", "externalName", "publishNotReadyAddresses"))
    ports = [_some(port, ("name", "protocol", "port")) for port in spec.get("ports") or ()]
    return {"metadata": _metadata(raw), "spec": {**kept, "ports": ports}}


def endpoint_slice(raw: Raw) -> Raw:
    """Of an EndpointSlice what names are made of."""
    endpoints = [
        {**_some(one, ("addresses", "hostname")), "conditions": _some(one.get("conditions") or {}, ("ready",))}
        for one in raw.get("endpoints") or ()
    ]
    labels = _some(raw["metadata"].get("labels") or {}, (_SERVICE_NAME,))
    ports = raw.get("ports") or ()
    return {"metadata": {**_metadata(raw), "labels": labels}, "endpoints": endpoints, "ports": ports}


def pod(raw: Raw) -> Raw:
    """Of a pod its addresses, and whether it still has them."""
    return {"metadata": _metadata(raw), "status": _some(raw.get("status") or {}, ("phase", "podIPs"))}


def _metadata(raw: Raw) -> Raw:
    return _some(raw["metadata"], _METADATA)


def _some(raw: Mapping[str, object], fields: tuple[str, ...]) -> Raw:
    return {field: raw[field] for field in fields if field in raw}
