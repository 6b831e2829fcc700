"""One stored object served in two API versions: Events and HorizontalPodAutoscalers.

Events are kept as v1, autoscalers as autoscaling/v2; the other shape is made on the way out and undone on the way in.
"""

from __future__ import annotations

from k8sshim.kinds import Kind
from k8sshim.objects import Raw

from .custom import CustomKind
from .resources import stored_kind

_EVENT_NAMES = (  # v1, events.k8s.io/v1
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
)


def converted(kind: Kind) -> bool:
    """Whether objects of this kind may be kept in another shape."""
    return stored_kind(kind) is not kind or isinstance(kind, CustomKind)


def to_stored(kind: Kind, raw: Raw) -> Raw:
    """An object as a client wrote it, in the shape that is kept."""
    if not converted(kind):
        return raw
    if isinstance(kind, CustomKind):
        return raw
    change = _rename(raw, {new: old for old, new in _EVENT_NAMES}) if kind.kind == "Event" else _autoscaler_v2(raw)
    return change | {"apiVersion": stored_kind(kind).api_version}


def from_stored(kind: Kind, raw: Raw) -> Raw:
    """A kept object in the shape that a client asked for."""
    if not converted(kind):
        return raw
    if isinstance(kind, CustomKind):
        return raw | {"apiVersion": kind.api_version}
    change = _rename(raw, dict(_EVENT_NAMES)) if kind.kind == "Event" else _autoscaler_v1(raw)
    return change | {"apiVersion": kind.api_version}


def _rename(raw: Raw, names: dict[str, str]) -> Raw:
    return {names.get(name, name): value for name, value in raw.items()}


def _autoscaler_v2(raw: Raw) -> Raw:
    if not isinstance(raw.get("spec"), dict):  # which is for validation to say
        return raw
    spec = dict(raw["spec"])
    percentage = spec.pop("targetCPUUtilizationPercentage", None)
    if percentage is not None:
        target = {"type": "Utilization", "averageUtilization": percentage}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    return raw | {"spec": spec}


def _autoscaler_v1(raw: Raw) -> Raw:
    if not isinstance(raw.get("spec"), dict):
        return raw
    spec = {name: value for name, value in raw["spec"].items() if name not in ("metrics", "behavior")}
    for metric in raw["spec"].get("metrics") or ():
        resource = metric.get("resource") or {}
        percentage = (resource.get("target") or {}).get("averageUtilization")
        if resource.get("name") == "cpu" and percentage is not None:
            spec["targetCPUUtilizationPercentage"] = percentage
    return raw | {"spec": spec}
