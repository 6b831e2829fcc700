"""The resources served: the table of kinds as the API server looks things up in it.

Two kinds are served in two shapes of one stored object (Events, HorizontalPodAutoscalers); `stored_kind` says which
shape is kept, and `conversion` turns one into the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from k8sshim.kinds import KINDS, Kind, find

_STORED_ELSEWHERE = {
    ("events.k8s.io/v1", "Event"): ("v1", "Event"),
    ("autoscaling/v1", "HorizontalPodAutoscaler"): ("autoscaling/v2", "HorizontalPodAutoscaler"),
}


def resource_name(kind: Kind) -> str:
    """`pods`, `deployments.apps`: the name of a resource in messages and in the store."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def stored_kind(kind: Kind) -> Kind:
    """The kind in whose shape objects of this kind are kept."""
    elsewhere = _STORED_ELSEWHERE.get((kind.api_version, kind.kind))
    return _known(*elsewhere) if elsewhere else kind


def storage_name(kind: Kind) -> str:
    """The resource by which the store knows objects of this kind."""
    return _STORAGE_NAMES.get(kind) or resource_name(kind)


def by_storage_name(resource: str) -> Kind:
    """The kind in whose shape the store keeps a resource."""
    return _BY_STORAGE_NAME[resource]


def lookup(group: str, version: str, plural: str) -> Kind | None:
    return _BY_PATH.get((group, version, plural))


def subresources(kind: Kind) -> tuple[str, ...]:
    """The subresources that are served, in the order of discovery."""
    found = (kind.has_status and "status", kind.has_scale and "scale")
    return (*(name for name in found if name), *_OTHERS.get(kind, ()))


def created_only(kind: Kind, subresource: str) -> bool:
    """Whether a subresource is asked for by a POST, and there is nothing to read or change."""
    return subresource in _CREATED_ONLY and subresource in _OTHERS.get(kind, ())


def group_versions(kinds: Iterable[Kind]) -> dict[str, list[str]]:
    """Every group that has something to serve, with its versions, the preferred one first; the core group is ""."""
    groups: dict[str, list[str]] = {}
    for kind in kinds:
        versions = groups.setdefault(kind.group, [])
        if kind.version not in versions:
            versions.append(kind.version)
    return groups


def _known(api_version: str, name: str) -> Kind:
    kind = find(api_version, name)
    if kind is None:
        raise LookupError(f"the table of kinds lacks {api_version} {name}")
    return kind


_BY_PATH = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}
_STORAGE_NAMES = {kind: resource_name(stored_kind(kind)) for kind in KINDS}
_BY_STORAGE_NAME = {resource_name(kind): kind for kind in KINDS if stored_kind(kind) is kind}

PODS = _known("v1", "Pod")
NAMESPACES = _known("v1", "Namespace")
DEFINITIONS = _known("apiextensions.k8s.io/v1", "CustomResourceDefinition")
NODES = _known("v1", "Node")
SERVICES = _known("v1", "Service")
REPLICATION_CONTROLLERS = _known("v1", "ReplicationController")
SECRETS = _known("v1", "Secret")
SERVICE_ACCOUNTS = _known("v1", "ServiceAccount")
BUDGETS = _known("policy/v1", "PodDisruptionBudget")
TOKEN_REQUESTS = replace(_known("authentication.k8s.io/v1", "TokenReview"), kind="TokenRequest")

REVIEWED = ("authentication.k8s.io", "authorization.k8s.io")  # groups of questions: answered, not stored
STREAMS = ("log", "exec", "attach", "portforward")  # of pods, answered by their nodes
_OTHERS = {
    PODS: ("binding", "ephemeralcontainers", "eviction", *STREAMS),
    SERVICE_ACCOUNTS: ("token",),
}
_CREATED_ONLY = ("binding", "eviction", "token")
