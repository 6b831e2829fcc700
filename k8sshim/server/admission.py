"""What must be true of an object before it is stored, and the metadata that the server alone writes.

The identity of the object against the path it was sent to; fields that may not change; generation; the status that a
new object starts with. Pure, but for the ApiErrors raised.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from k8sshim.kinds import KINDS, Kind
from k8sshim.objects import POD_NETWORK_ANNOTATION, Raw

from . import immutable
from .resources import NODES, PODS, resource_name
from .routing import Target
from .status import bad_request, conflict, invalid, stale

# Fields of metadata that a client's word does not change
_SERVER_OWNED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")

# Kinds that have a spec but, in Kubernetes, no metadata.generation
_WITHOUT_GENERATION = frozenset(
    {"namespaces", "nodes", "services", "persistentvolumes", "persistentvolumeclaims", "resourcequotas", "limitranges"}
    | {"leases.coordination.k8s.io", "events", "serviceaccounts", "secrets", "configmaps", "endpoints"}
    | {"roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io"}
    | {"clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io"}
    | {"controllerrevisions.apps", "podtemplates", "componentstatuses", "horizontalpodautoscalers.autoscaling"}
    | {"storageclasses.storage.k8s.io", "csinodes.storage.k8s.io"}
)

_NEW_STATUS: dict[str, Raw] = {
    "replicasets.apps": {"replicas": 0},
    "replicationcontrollers": {"replicas": 0},
    "statefulsets.apps": {"replicas": 0, "availableReplicas": 0},
    "daemonsets.apps": {
        "currentNumberScheduled": 0,
        "desiredNumberScheduled": 0,
        "numberMisscheduled": 0,
        "numberReady": 0,
    },
}


def timestamp(moment: datetime) -> str:
    """As metav1.Time: RFC 3339 in UTC, whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def check_identity(target: Target, raw: Any) -> Raw:
    """The object of a request's body, its apiVersion, kind, name and namespace filled in from the path.

    Raises ApiError 400 where they contradict each other.
    """
    if not isinstance(raw, dict):
        raise bad_request("the body of the request is no object")
    kind = target.kind
    for field, expected in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        given = raw.setdefault(field, expected)
        if given != expected:
            raise bad_request(f"{field} in the data ({given}) does not match the expected {field} ({expected})")
    metadata = raw.get("metadata")
    if metadata is None:
        metadata = raw["metadata"] = {}
    if not isinstance(metadata, dict):
        raise bad_request("metadata is no object")
    _check_name(target, metadata)
    return raw


def _check_name(target: Target, metadata: Raw) -> None:
    if target.namespace:
        if metadata.setdefault("namespace", target.namespace) not in (target.namespace, "", None):
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        metadata["namespace"] = target.namespace
    else:
        metadata.pop("namespace", None)
    if target.name:
        given = metadata.get("name") or target.name
        if given != target.name:
            raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({target.name})")
        metadata["name"] = target.name


def new_metadata(kind: Kind, metadata: Raw, *, uid: str, now: datetime) -> None:
    """The server's part of a new object's metadata."""
    for field in (*_SERVER_OWNED, "managedFields", "selfLink", "resourceVersion"):
        metadata.pop(field, None)
    if kind is PODS:  # given with the binding: what a manifest brings along could be another pod's address
        (metadata.get("annotations") or {}).pop(POD_NETWORK_ANNOTATION, None)
    tidy_metadata(metadata)
    metadata["uid"] = uid
    metadata["creationTimestamp"] = timestamp(now)
    if resource_name(kind) not in _WITHOUT_GENERATION:
        metadata["generation"] = 1


def initial_status(kind: Kind, raw: Raw) -> None:
    """A new object's status is the server's affair; nodes alone register with theirs, as the kubelet does it."""
    if not kind.has_status or kind is NODES:
        return
    raw.pop("status", None)
    if kind is PODS:
        raw["status"] = {"phase": "Pending", "qosClass": qos_class(raw.get("spec") or {})}
    elif resource_name(kind) in ("services", "ingresses.networking.k8s.io"):
        raw["status"] = {"loadBalancer": {}}
    elif resource_name(kind) in ("persistentvolumes", "persistentvolumeclaims"):
        raw["status"] = {"phase": "Pending"}
    elif resource_name(kind) == "namespaces":
        raw["status"] = {"phase": "Active"}
    elif kind in KINDS:  # Kubernetes' own types always have one
        raw["status"] = dict(_NEW_STATUS.get(resource_name(kind), {}))


def qos_class(spec: Raw) -> str:
    """https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/"""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    limits = [(container.get("resources") or {}).get("limits") or {} for container in containers]
    requests = [(container.get("resources") or {}).get("requests") or {} for container in containers]
    if not any(limits) and not any(requests):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(limit) and all(request.get(name, limit[name]) == limit[name] for name in limit)
        for limit, request in zip(limits, requests, strict=True)
    )
    return "Guaranteed" if guaranteed else "Burstable"


def check_preconditions(kind: Kind, old: Raw, metadata: Raw) -> None:
    """A resourceVersion or UID that a writer names must be the object's. Raises ApiError 409."""
    current = old["metadata"]
    if metadata.get("resourceVersion") not in (None, "", "0", current["resourceVersion"]):
        raise stale(kind, current["name"])
    if metadata.get("uid") not in (None, "", current["uid"]):
        why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {current['uid']}"
        raise conflict(kind, current["name"], why)


def tidy_metadata(metadata: Raw) -> None:
    """What is empty is left out, as by Kubernetes' own types."""
    for field in ("labels", "annotations", "finalizers", "ownerReferences", "generateName"):
        if field in metadata and not metadata[field]:
            del metadata[field]


def written_accounts(old: Raw, new: Raw) -> list[Raw] | None:
    """The managedFields that a writer sets by hand (one empty entry clears them), or None."""
    given, present = new["metadata"].get("managedFields"), old["metadata"].get("managedFields")
    if given is None or _timeless(given) == _timeless(present):  # clients write times in ways of their own
        return None
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise bad_request("metadata.managedFields is no list of objects")
    return [each for each in given if each]


def _timeless(accounts: Any) -> Any:
    if not isinstance(accounts, list) or not all(isinstance(each, dict) for each in accounts):
        return accounts
    return [{name: value for name, value in each.items() if name != "time"} for each in accounts]


def keep_metadata(old: Raw, new: Raw) -> None:
    """Put back what the server alone writes."""
    before, metadata = old["metadata"], new["metadata"]
    tidy_metadata(metadata)
    metadata.pop("selfLink", None)
    for field in (*_SERVER_OWNED, "resourceVersion", "managedFields"):
        if field in before:
            metadata[field] = before[field]
        else:
            metadata.pop(field, None)


def bump_generation(kind: Kind, old: Raw, new: Raw) -> None:
    """Generation counts the changes of what is wanted: all but metadata and status."""
    if resource_name(kind) not in _WITHOUT_GENERATION and _wanted(old) != _wanted(new):
        new["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1


def _wanted(raw: Raw) -> Raw:
    return {name: value for name, value in raw.items() if name not in ("metadata", "status")}


def check_immutable(kind: Kind, old: Raw, new: Raw) -> None:
    """Raises ApiError 422 where an update changes what may not change."""
    if problems := list(immutable.changed(kind, old, new)):
        raise invalid(kind, new["metadata"]["name"], problems)
