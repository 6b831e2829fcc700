"""Questions about access that are asked as objects: reviews are answered, and never stored.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from k8sshim.objects import Raw

from .rbac import AUTHENTICATED, Asked, Authorizer, User
from .routing import Target
from .status import bad_request, method_not_allowed

Identify = Callable[[str], "User | None"]  # by a bearer token


@dataclass(frozen=True)
class Reviews:
    """Answers reviews."""

    authorizer: Authorizer
    identify: Identify

    def answer(self, target: Target, body: Raw, user: User) -> Raw:
        """The review with its status. Raises ApiError 400, 405."""
        spec = body.get("spec") or {}
        if not isinstance(spec, dict) or not isinstance(spec.get("groups") or [], list):
            raise bad_request("spec must be an object, and its groups a list")
        kind = target.kind.kind
        if kind == "SelfSubjectReview":
            status: Raw = {"userInfo": _shown(user)}
        elif kind == "TokenReview":
            status = self._token(str(spec.get("token") or ""))
        elif kind == "SelfSubjectAccessReview":
            status = self._access(user, spec, "")
        elif kind in ("SubjectAccessReview", "LocalSubjectAccessReview"):
            other = User(str(spec.get("user") or ""), (*(spec.get("groups") or ()), AUTHENTICATED))
            status = self._access(other, spec, target.namespace)
        elif kind == "SelfSubjectRulesReview":
            status = self._rules(user, str(spec.get("namespace") or ""))
        else:
            raise method_not_allowed()
        head = {"kind": kind, "apiVersion": target.kind.api_version, "metadata": {"creationTimestamp": None}}
        return head | ({"spec": spec} if kind != "SelfSubjectReview" else {}) | {"status": status}

    def _token(self, token: str) -> Raw:
        user = self.identify(token)
        if user is None:
            return {"authenticated": False, "error": "the token is not known here"}
        return {"authenticated": True, "user": _shown(user)}

    def _access(self, user: User, spec: Raw, namespace: str) -> Raw:
        resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if not isinstance(resource or path, dict):
            raise bad_request("exactly one of resourceAttributes or nonResourceAttributes must be specified")
        if path:
            asked = Asked(str(path.get("verb") or ""), path=str(path.get("path") or "/"))
        else:
            asked = _asked(resource or {}, namespace)
        why = self.authorizer.why(user, asked)
        return {"allowed": why is not None, "reason": why} if why else {"allowed": False}

    def _rules(self, user: User, namespace: str) -> Raw:
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        anything = self.authorizer.why(user, Asked("*", "*", "*", namespace=namespace)) is not None
        rules = [everything] if anything else [rule for _, rule in self.authorizer.rules(user, namespace)]
        resources = [rule for rule in rules if rule.get("resources")]
        others = (
            [{"verbs": ["*"], "nonResourceURLs": ["*"]}] if anything else [r for r in rules if r.get("nonResourceURLs")]
        )
        return {"resourceRules": resources, "nonResourceRules": others, "incomplete": False}


def _asked(raw: Raw, namespace: str) -> Asked:
    resource = str(raw.get("resource") or "")
    if raw.get("subresource"):
        resource = f"{resource}/{raw['subresource']}"
    return Asked(
        str(raw.get("verb") or ""),
        str(raw.get("group") or ""),
        resource,
        str(raw.get("name") or ""),
        namespace or str(raw.get("namespace") or ""),
    )


def _shown(user: User) -> Raw:
    return {"username": user.name, "groups": list(user.groups)} | ({"uid": user.uid} if user.uid else {})
