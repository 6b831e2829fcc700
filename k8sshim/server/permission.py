"""Whether a request may be made: what it asks for, and the answer where it may not. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .rbac import Asked, Authorizer, User
from .routing import Target
from .status import ApiError

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_TRUE = ("true", "1", "t")


def verb_of(method: str, target: Target, query: Mapping[str, str]) -> str:
    """The verb of a request, as Roles have it."""
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    if method in _VERBS:
        return _VERBS[method]
    if query.get("watch") in _TRUE:
        return "watch"
    return "get" if target.name else "list"


def permit(authorizer: Authorizer, user: User, target: Target, verb: str) -> None:
    """Raises ApiError 403 where a user may not do that."""
    kind = target.kind
    resource = f"{kind.plural}/{target.subresource}" if target.subresource else kind.plural
    asked = Asked(verb, kind.group, resource, target.name, target.namespace)
    if authorizer.why(user, asked) is None:
        raise _forbidden(user, asked, target)


def _forbidden(user: User, asked: Asked, target: Target) -> ApiError:
    qualified = f"{target.kind.plural}.{asked.group}" if asked.group else target.kind.plural
    what = f'{qualified} "{asked.name}"' if asked.name else qualified
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    how = f'cannot {asked.verb} resource "{asked.resource}" in API group "{asked.group}" {where}'
    details = {"kind": target.kind.plural} | ({"name": asked.name} if asked.name else {})
    details |= {"group": asked.group} if asked.group else {}
    return ApiError(403, "Forbidden", f'{what} is forbidden: User "{user.name}" {how}', details)
