"""What the server says about itself: groups, versions, resources, health. Clients build their paths from it. Pure."""

from __future__ import annotations

from k8sshim.kinds import KINDS, Kind
from k8sshim.objects import Raw

from .resources import group_versions, subresources

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
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


def core_versions(address: str) -> Raw:
    """`/api`."""
    by_address = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": group_versions()[""], "serverAddressByClientCIDRs": by_address}


def group_list() -> Raw:
    """`/apis`."""
    groups = [_group(name) for name in group_versions() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(name: str) -> Raw | None:
    """`/apis/GROUP`."""
    if not name or name not in group_versions():
        return None
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name)


def _group(name: str) -> Raw:
    versions = [{"groupVersion": f"{name}/{each}", "version": each} for each in group_versions()[name]]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(group: str, version: str) -> Raw | None:
    """`/api/v1` and `/apis/GROUP/VERSION`."""
    kinds = [kind for kind in KINDS if kind.stored and (kind.group, kind.version) == (group, version)]
    if not kinds:
        return None
    resources = [entry for kind in kinds for entry in _resources(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def _resources(kind: Kind) -> list[Raw]:
    entry: Raw = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": _VERBS,
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
    return entry | {"kind": "Binding", "verbs": ["create"]} if name == "binding" else entry
