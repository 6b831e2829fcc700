"""What an update may not change, kind by kind, in the words of Kubernetes' own validation. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from k8sshim.errors import Problem, invalid
from k8sshim.kinds import Kind
from k8sshim.objects import Raw
from k8sshim.validation.field import Field

from . import pod_updates
from .resources import resource_name

_ONCE_SET = "Forbidden: field is immutable when `immutable` is set"
_STATEFUL = (
    *("replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit"),
    *("persistentVolumeClaimRetentionPolicy", "minReadySeconds"),
)
_STATEFUL_FORBIDDEN = (
    "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' "
    "are forbidden"
)
_CLAIM_FORBIDDEN = (
    "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName "
    "for bound claims"
)
_USUAL = {  # where an object is silent
    "preemptionPolicy": "PreemptLowerPriority",
    "volumeBindingMode": "Immediate",
    "reclaimPolicy": "Delete",
    "type": "Opaque",
}

# Fields that stay what they are: "Invalid value: ...: field is immutable".
_FIXED: dict[str, tuple[str, ...]] = {
    "deployments.apps": ("spec.selector",),
    "replicasets.apps": ("spec.selector",),
    "daemonsets.apps": ("spec.selector",),
    "controllerrevisions.apps": ("data",),
    "jobs.batch": ("spec.selector", "spec.completionMode"),
    "endpointslices.discovery.k8s.io": ("addressType",),
    "secrets": ("type",),
    "ingressclasses.networking.k8s.io": ("spec.controller",),
    "runtimeclasses.node.k8s.io": ("handler",),
    "priorityclasses.scheduling.k8s.io": ("preemptionPolicy",),
    "storageclasses.storage.k8s.io": ("volumeBindingMode",),
    "volumeattributesclasses.storage.k8s.io": ("driverName", "parameters"),
    "volumeattachments.storage.k8s.io": ("spec",),
    "customresourcedefinitions.apiextensions.k8s.io": ("spec.scope", "spec.names.kind"),
}

# Those that are refused in words of their own.
_WORDED: dict[str, dict[str, str]] = {
    "priorityclasses.scheduling.k8s.io": {"value": "Forbidden: may not be changed in an update."},
    "storageclasses.storage.k8s.io": {
        name: f"Forbidden: updates to {name} are forbidden." for name in ("parameters", "provisioner", "reclaimPolicy")
    },
}


def changed(kind: Kind, old: Raw, new: Raw) -> Iterator[Problem]:
    """A problem for each field that may not change and did."""
    resource = resource_name(kind)
    before, after = Field(old), Field(new)
    for path in _FIXED.get(resource, ()):
        steps = path.split(".")
        if _meant(before.at(*steps)) != _meant(after.at(*steps)):
            yield after.at(*steps).invalid("field is immutable")
    for path, message in _WORDED.get(resource, {}).items():
        if _meant(before[path]) != _meant(after[path]):
            yield after[path].problem(message)
    if rule := _RULES.get(resource):
        yield from rule(before, after)


def _meant(field: Field) -> Any:
    return field.value if field else _USUAL.get(field.path)


def _role_reference(old: Field, new: Field) -> Iterator[Problem]:
    if old["roleRef"].value != new["roleRef"].value:
        yield new["roleRef"].problem(invalid(new["roleRef"].value, "cannot change roleRef"))


def _once_set(old: Field, new: Field) -> Iterator[Problem]:
    """ConfigMaps and Secrets that are immutable stay so, with what they hold."""
    if old["immutable"].value is not True:
        return
    if new["immutable"].value is not True:
        yield new["immutable"].problem(_ONCE_SET)
    for name in ("data", "binaryData"):
        if (old[name].value or {}) != (new[name].value or {}):
            yield new[name].problem(_ONCE_SET)


def _stateful_set(old: Field, new: Field) -> Iterator[Problem]:
    if _without(old["spec"], _STATEFUL) != _without(new["spec"], _STATEFUL):
        yield new["spec"].problem(_STATEFUL_FORBIDDEN)


def _claim(old: Field, new: Field) -> Iterator[Problem]:
    """Until a claim has a volume, one may be named."""
    free = ("resources", "volumeAttributesClassName") if old.at("spec", "volumeName") else ("volumeName",)
    if _without(old["spec"], free) != _without(new["spec"], free):
        yield new["spec"].problem(_CLAIM_FORBIDDEN)


def _job(old: Field, new: Field) -> Iterator[Problem]:
    """The template, unless the Job waits; completions, unless indexed ones are as many as run at a time."""
    before, after = old["spec"], new["spec"]
    if before["suspend"].value is not True and before["template"].value != after["template"].value:
        yield after["template"].invalid("field is immutable")
    elastic = after["completionMode"].value == "Indexed" and after["completions"].value == after["parallelism"].value
    if before["completions"].value != after["completions"].value and not elastic:
        yield after["completions"].invalid("field is immutable")


def _without(spec: Field, names: tuple[str, ...]) -> Any:
    return {name: value for name, value in (spec.value or {}).items() if name not in names and value is not None}


_RULES: dict[str, Callable[[Field, Field], Iterator[Problem]]] = {
    "rolebindings.rbac.authorization.k8s.io": _role_reference,
    "clusterrolebindings.rbac.authorization.k8s.io": _role_reference,
    "configmaps": _once_set,
    "secrets": _once_set,
    "statefulsets.apps": _stateful_set,
    "persistentvolumeclaims": _claim,
    "jobs.batch": _job,
    "pods": pod_updates.changed,
}
