"""Who writes Roles and bindings gives away no more than they have: privilege escalation prevention.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping. Pure,
but for reading the store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from k8sshim.objects import Raw

from .rbac import GROUP, MASTERS, Asked, Authorizer, User, allows
from .routing import Target
from .status import forbidden

_ROLES, _BINDINGS = ("Role", "ClusterRole"), ("RoleBinding", "ClusterRoleBinding")


def concerned(target: Target) -> bool:
    """Whether a write of this may give somebody something."""
    return target.kind.group == GROUP


def check(authorizer: Authorizer, user: User, target: Target, raw: Raw) -> None:
    """Raises ApiError 403 where a Role, or what a binding binds, allows what its writer may not do."""
    if not authorizer.enabled or MASTERS in user.groups:
        return
    kind, name = target.kind, raw["metadata"]["name"]
    verb, resource, about, given = "escalate", kind.plural, name, raw.get("rules") or []
    if kind.kind in _BINDINGS:
        reference = raw.get("roleRef") or {}
        verb, resource, about = "bind", f"{str(reference.get('kind')).lower()}s", str(reference.get("name") or "")
        given = authorizer.rules_of(reference, target.namespace)
    elif (raw.get("aggregationRule") or {}).get("clusterRoleSelectors"):
        given = [*given, {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    if authorizer.why(user, Asked(verb, GROUP, resource, about, target.namespace)) is not None:
        return
    held = [rule for _, rule in authorizer.rules(user, target.namespace)]
    missing = [rule for rule in given if not _covered(rule, held)]
    if missing:
        groups = " ".join(json.dumps(group) for group in user.groups)
        who = f'user "{user.name}" (groups=[{groups}])'
        shown = "\n".join(map(_shown, missing))
        raise forbidden(kind, name, f"{who} is attempting to grant RBAC permissions not currently held:\n{shown}")


def _covered(rule: Raw, held: Iterable[Raw]) -> bool:
    known = list(held)
    return all(any(allows(each, asked) for each in known) for asked in _asked(rule))


def _asked(rule: Raw) -> Iterator[Asked]:
    """Everything that a rule allows, piece by piece."""
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield Asked(verb, path=path)
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or ("",):
                    yield Asked(verb, group, resource, name)


def _shown(rule: Raw) -> str:
    names = ("apiGroups", "resources", "resourceNames", "nonResourceURLs", "verbs")
    words = [
        f"{name[0].upper()}{name[1:]}:[{' '.join(map(json.dumps, rule[name]))}]" for name in names if rule.get(name)
    ]
    return f"{{{', '.join(words)}}}".replace("ApiGroups", "APIGroups")
