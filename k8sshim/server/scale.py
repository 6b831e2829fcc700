"""The subresource `scale`: an autoscaling/v1 Scale as a view of anything that has replicas. Pure."""

from __future__ import annotations

from typing import Any

from k8sshim.errors import Problem
from k8sshim.kinds import Kind
from k8sshim.objects import Raw
from k8sshim.selectors import Selector

from .columns import at
from .custom import CustomKind
from .resources import REPLICATION_CONTROLLERS
from .routing import Target
from .status import bad_request, invalid

_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def view(kind: Kind, raw: Raw) -> Raw:
    """The Scale of an object."""
    if isinstance(kind, CustomKind) and kind.scale:
        return _shown(raw, *(at(raw, path) for path in (kind.scale.replicas, kind.scale.current, kind.scale.selector)))
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    read = Selector.from_labels if kind is REPLICATION_CONTROLLERS else Selector.from_raw
    return _shown(raw, spec.get("replicas", 0), status.get("replicas", 0), str(read(spec.get("selector"))))


def _shown(raw: Raw, replicas: Any, current: Any, selector: Any) -> Raw:
    metadata = raw["metadata"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in _METADATA if name in metadata},
        "spec": {"replicas": replicas or 0},
        "status": {"replicas": current or 0, "selector": selector or ""},
    }


def set_replicas(kind: Kind, raw: Raw, replicas: int) -> None:
    """Write into an object how many it is to have."""
    path = kind.scale.replicas if isinstance(kind, CustomKind) and kind.scale else "spec.replicas"
    *steps, last = path.split(".")
    for step in steps:
        raw = raw.setdefault(step, {})
    raw[last] = replicas


def check(target: Target, body: Any) -> Raw:
    """A Scale as a client sent it. Raises ApiError 400 and 422."""
    if not isinstance(body, dict) or body.get("kind", "Scale") != "Scale":
        raise bad_request("the body of the request is no Scale")
    metadata, spec = body.get("metadata") or {}, body.get("spec") or {}
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        raise bad_request("metadata and spec of a Scale are objects")
    if metadata.get("name", target.name) != target.name:
        raise bad_request(f"the name of the object does not match the name on the URL ({target.name})")
    replicas = spec.get("replicas", 0)
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0:
        problem = Problem(f"Invalid value: {replicas!r}: must be an integer, 0 or greater", field="spec.replicas")
        raise invalid(target.kind, target.name, [problem])
    return {"metadata": metadata, "spec": spec}
