"""Which resource a path means: `/api/v1/namespaces/default/pods/web/status` and its like.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from k8sshim.kinds import Kind
from k8sshim.objects import Key

from .resources import lookup as built_in
from .resources import storage_name, subresources
from .status import no_such_resource

_NAMESPACE_SUBRESOURCES = ("status", "finalize")


@dataclass(frozen=True)
class Target:
    """What a request is about: a collection where `name` is empty, else an object or one of its subresources."""

    kind: Kind
    namespace: str  # "" for cluster-scoped resources, and for collections over all namespaces
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        return Key(self.namespace, self.name)

    @property
    def resource(self) -> str:
        """The resource as the store knows it."""
        return storage_name(self.kind)


Lookup = Callable[[str, str, str], "Kind | None"]  # by group, version and plural


def parse(group: str, version: str, rest: str, lookup: Lookup = built_in) -> Target:
    """The target of what follows `/api/VERSION/` or `/apis/GROUP/VERSION/`. Raises ApiError 404."""
    steps = rest.strip("/").split("/")
    namespace, in_namespace = "", False
    if steps[0] == "namespaces" and len(steps) >= 3 and not (len(steps) == 3 and steps[2] in _NAMESPACE_SUBRESOURCES):
        namespace, in_namespace, steps = steps[1], True, steps[2:]
    if len(steps) > 3 or "" in steps:
        raise no_such_resource()
    plural, name, subresource = (*steps, "", "")[:3]
    kind = lookup(group, version, plural)
    if kind is None or (in_namespace and not kind.namespaced) or (kind.namespaced and name and not in_namespace):
        raise no_such_resource()
    if subresource and subresource not in subresources(kind):
        raise no_such_resource()
    return Target(kind, namespace, name, subresource)
