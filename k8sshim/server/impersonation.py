"""Acting as somebody else: `kubectl --as`, for those who may.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .rbac import AUTHENTICATED, Asked, Authorizer, User
from .status import ApiError, bad_request

_PREFIX, _EXTRA = "impersonate-", "extra-"
_ACCOUNT = "system:serviceaccount:"
_ANONYMOUS, _UNAUTHENTICATED = "system:anonymous", "system:unauthenticated"
_AUTHENTICATION = "authentication.k8s.io"


def acting(user: User, headers: Iterable[tuple[bytes, bytes]], authorizer: Authorizer) -> User:
    """Whom a request is to be taken for. Raises ApiError 400, 403."""
    said = [
        (name.decode("latin-1").lower().removeprefix(_PREFIX), value.decode("latin-1"))
        for name, value in headers
        if name.lower().startswith(_PREFIX.encode())
    ]
    if not said:
        return user
    name = next((value for header, value in said if header == "user"), "")
    groups = tuple(value for header, value in said if header == "group")
    uid = next((value for header, value in said if header == "uid"), "")
    if not name:
        raise bad_request("requested impersonation of groups, a UID or extra fields without impersonating a user")
    for asked in _asked(name, said):
        if authorizer.why(user, asked) is None:
            raise _forbidden(user, asked)
    return User(name, _groups(name, groups), uid)


def _groups(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """The groups that were asked for, or those that an account has of itself; whoever has a name is authenticated."""
    if name.startswith(_ACCOUNT) and name.count(":") == 3 and not groups:
        return User.of_account(name).groups
    rest = _UNAUTHENTICATED if name == _ANONYMOUS else AUTHENTICATED
    return groups if rest in groups else (*groups, rest)


def _asked(name: str, said: list[tuple[str, str]]) -> Iterator[Asked]:
    """What the one who asks must be allowed to do."""
    if name.startswith(_ACCOUNT) and name.count(":") == 3:
        _, _, namespace, account = name.split(":")
        yield Asked("impersonate", "", "serviceaccounts", account, namespace)
    else:
        yield Asked("impersonate", "", "users", name)
    for header, value in said:
        if header == "group":
            yield Asked("impersonate", "", "groups", value)
        elif header == "uid":
            yield Asked("impersonate", _AUTHENTICATION, "uids", value)
        elif header.startswith(_EXTRA):
            yield Asked("impersonate", _AUTHENTICATION, f"userextras/{header.removeprefix(_EXTRA)}", value)


def _forbidden(user: User, asked: Asked) -> ApiError:
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    how = f'cannot impersonate resource "{asked.resource}" in API group "{asked.group}" {where}'
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    message = f'{qualified} "{asked.name}" is forbidden: User "{user.name}" {how}'
    return ApiError(403, "Forbidden", message, {"name": asked.name, "kind": asked.resource})
