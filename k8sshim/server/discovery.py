"""What the server says about itself: groups, versions, resources, health. Clients build their paths from it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from k8sshim.kinds import Kind
from k8sshim.objects import Raw

from . import metrics
from .resources import TOKEN_REQUESTS, group_versions, subresources

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_STREAM = ["create", "get"]
_OTHERS: dict[str, Raw] = {
    "attach": {"kind": "PodAttachOptions", "verbs": _STREAM},
    "binding": {"kind": "Binding", "verbs": ["create"]},
    "eviction": {"kind": "Eviction", "group": "policy", "version": "v1", "verbs": ["create"]},
    "exec": {"kind": "PodExecOptions", "verbs": _STREAM},
    "log": {"verbs": ["get"]},
    "portforward": {"kind": "PodPortForwardOptions", "verbs": _STREAM},
    "token": {
        "kind": TOKEN_REQUESTS.kind,
        "group": TOKEN_REQUESTS.group,
        "version": TOKEN_REQUESTS.version,
        "verbs": ["create"],
    },
}
_SCALE = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
MINOR = "32"  # of the Kubernetes whose behaviour is the model


def version() -> Raw:
    return {
        "major": "1",
        "minor": MINOR,
        "gitVersion": f"v1.{MINOR}.0+podwire",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def core_versions(kinds: Iterable[Kind], address: str) -> Raw:
    """`/api`."""
    by_address = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {
        "kind": "APIVersions",
        "versions": group_versions(_shown(kinds))[""],
        "serverAddressByClientCIDRs": by_address,
    }


def _shown(kinds: Iterable[Kind]) -> list[Kind]:
    """The kinds that have a collection; others are only ever asked."""
    return [kind for kind in kinds if kind.stored]


def group_list(kinds: Iterable[Kind]) -> Raw:
    """`/apis`."""
    versions = group_versions(_shown(kinds))
    groups = [_group(name, versions[name]) for name in versions if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(kinds: Iterable[Kind], name: str) -> Raw | None:
    """`/apis/GROUP`."""
    found = group_versions(_shown(kinds))
    if not name or name not in found:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name, found[name])


def _group(name: str, found: Iterable[str]) -> Raw:
    versions = [{"groupVersion": f"{name}/{each}", "version": each} for each in found]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(served: Iterable[Kind], group: str, version: str) -> Raw | None:
    """`/api/v1` and `/apis/GROUP/VERSION`."""
    kinds = [kind for kind in _shown(served) if (kind.group, kind.version) == (group, version)]
    if not kinds:
        return None
    resources = [entry for kind in kinds for entry in _resources(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def aggregated(kinds: Iterable[Kind], *, core: bool, version: str) -> Raw:
    """Groups with all that is in them, in one answer (https://kubernetes.io/docs/concepts/overview/kubernetes-api/)."""
    shown = _shown(kinds)
    found = group_versions(shown)
    items = [_aggregated_group(name, found[name], shown) for name in found if (name == "") is core]
    head = {"kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{version}", "metadata": {}}
    return head | {"items": items}


def _aggregated_group(name: str, found: Iterable[str], kinds: Iterable[Kind]) -> Raw:
    versions = [
        {
            "version": version,
            "freshness": "Current",
            "resources": [
                _aggregated_resource(kind) for kind in kinds if (kind.group, kind.version) == (name, version)
            ],
        }
        for version in found
    ]
    return {"metadata": {"name": name, "creationTimestamp": None}, "versions": versions}


def _aggregated_resource(kind: Kind) -> Raw:
    main, *others = _resources(kind)
    raw = _described(kind, main, "resource", kind.plural) | {"scope": "Namespaced" if kind.namespaced else "Cluster"}
    raw |= {name: main[name] for name in ("shortNames", "categories") if name in main}
    raw["singularResource"] = kind.singular
    if others:
        raw["subresources"] = [_described(kind, each, "subresource", each["name"].partition("/")[2]) for each in others]
    return raw


def _described(kind: Kind, entry: Raw, what: str, name: str) -> Raw:
    group, version = entry.get("group", kind.group), entry.get("version", kind.version)
    response = {"group": group, "version": version, "kind": entry["kind"]}
    return {what: name, "responseKind": response, "verbs": entry["verbs"]}


def _resources(kind: Kind) -> list[Raw]:
    entry: Raw = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": ["get", "list"] if kind in metrics.KINDS else _VERBS,
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.in_all:
        entry["categories"] = ["all"]
    return [entry, *(_subresource(kind, name) for name in subresources(kind))]


def _subresource(kind: Kind, name: str) -> Raw:
    entry: Raw = {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": ["get", "patch", "update"],
    }
    if name == "scale":
        return entry | _SCALE
    return entry | _OTHERS.get(name, {})
