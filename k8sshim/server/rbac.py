"""Who may do what: role-based access control over the Roles and bindings that are stored.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/. Aggregated ClusterRoles are not put together. Pure,
but for reading the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from k8sshim.objects import Key, Raw
from k8sshim.store import Store

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = (AUTHENTICATED,)
    uid: str = ""

    @classmethod
    def of_account(cls, subject: str) -> User:
        """A ServiceAccount by its name as a user: `system:serviceaccount:NAMESPACE:NAME`."""
        namespace = subject.split(":")[2]
        return cls(subject, ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED))


@dataclass(frozen=True)
class Asked:
    """What is asked for: a verb on a resource, or on a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""  # with its subresource: pods/log
    name: str = ""
    namespace: str = ""  # "" for cluster-scoped resources, and for all namespaces
    path: str = ""  # of what is no resource


@dataclass(frozen=True)
class Authorizer:
    """Decides. Where `enabled` is not, whoever is known may do all."""

    store: Store
    enabled: bool = False

    def why(self, user: User, asked: Asked) -> str | None:
        """Why a user may do something; None where it may not."""
        if not self.enabled:
            return "every user of this lab may do everything: RBAC is not turned on"
        if MASTERS in user.groups:
            return f"{MASTERS} may do everything"
        for binding, rule in self.rules(user, asked.namespace):
            if allows(rule, asked):
                return f"RBAC: allowed by {binding}"
        return None

    def rules(self, user: User, namespace: str) -> Iterator[tuple[str, Raw]]:
        """The rules that hold for a user in a namespace, each with the binding that it comes by."""
        for kind, scope in (("ClusterRoleBinding", ""), ("RoleBinding", namespace)):
            if kind == "RoleBinding" and not namespace:
                continue
            for record in self.store.records(f"{kind.lower()}s.{GROUP}", scope):
                binding = record.decode()
                if any(is_of(subject, user, scope) for subject in binding.get("subjects") or ()):
                    for rule in self.rules_of(binding.get("roleRef") or {}, scope):
                        yield f'{kind} "{record.key.name}"', rule

    def rules_of(self, reference: Raw, namespace: str) -> list[Raw]:
        """The rules of the Role that a binding refers to."""
        local = reference.get("kind") == "Role"
        resource, key = ("roles", namespace) if local else ("clusterroles", "")
        record = self.store.get(f"{resource}.{GROUP}", Key(key, str(reference.get("name") or "")))
        return list(record.decode().get("rules") or ()) if record else []


def is_of(subject: Raw, user: User, namespace: str) -> bool:
    """Whether a binding's subject is the user."""
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "ServiceAccount":
        return user.name == f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
    return name in user.groups if kind == "Group" else kind == "User" and name == user.name


def allows(rule: Raw, asked: Asked) -> bool:
    """Whether one rule allows what is asked for."""
    if not _names(rule.get("verbs"), asked.verb):
        return False
    if asked.path:
        return any(_covers(path, asked.path) for path in rule.get("nonResourceURLs") or ())
    sub, wanted = asked.resource.partition("/")[2], rule.get("resources") or ()
    resource = "*" in wanted or asked.resource in wanted or (sub != "" and f"*/{sub}" in wanted)
    names = rule.get("resourceNames") or ()
    return _names(rule.get("apiGroups"), asked.group) and resource and (not names or asked.name in names)


def _names(known: list[str] | None, wanted: str) -> bool:
    return "*" in (known or ()) or wanted in (known or ())


def _covers(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
