"""The API's errors: `Status` objects with the reason, code and wording that Kubernetes gives, raised as `ApiError`.

Reasons and codes: https://github.com/kubernetes/apimachinery/blob/master/pkg/apis/meta/v1/types.go (StatusReason).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from k8sshim.errors import PodwireError, Problem
from k8sshim.kinds import Kind
from k8sshim.objects import Raw

from .resources import resource_name

_CAUSES = {
    "Required value": "FieldValueRequired",
    "Duplicate value": "FieldValueDuplicate",
    "Unsupported value": "FieldValueNotSupported",
    "Forbidden": "FieldValueForbidden",
    "Too many": "FieldValueTooMany",
    "Too long": "FieldValueTooLong",
}


class ApiError(PodwireError):
    """A request that is answered with a `Status` of failure."""

    def __init__(self, code: int, reason: str, message: str, details: Raw | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = failure(code, reason, message, details)


def failure(code: int, reason: str, message: str, details: Raw | None = None) -> Raw:
    status: Raw = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    if details:
        status["details"] = details
    return status


def success(kind: Kind | None = None, name: str = "", uid: str = "", code: int = 200) -> Raw:
    status: Raw = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if kind is not None:
        status["details"] = _details(kind, name) | {"uid": uid}
    if code != 200:
        status["code"] = code
    return status


def _details(kind: Kind, name: str) -> Raw:
    """What a client's message names; `kind` holds the plural here, as Kubernetes does it."""
    return {"name": name, "kind": kind.plural} | ({"group": kind.group} if kind.group else {})


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(kind: Kind, name: str, why: str, causes: list[Raw] | None = None) -> ApiError:
    message = f'{resource_name(kind)} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, _details(kind, name) | ({"causes": causes} if causes else {}))


def not_found(kind: Kind, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource_name(kind)} "{name}" not found', _details(kind, name))


def no_such_resource() -> ApiError:
    """A path that leads nowhere; the wording is what kubectl recognises."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def upgrade_required() -> ApiError:
    """A stream is asked for by a request that cannot become one."""
    return ApiError(400, "BadRequest", "Upgrade request required: streams are served over WebSocket")


def already_exists(kind: Kind, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{resource_name(kind)} "{name}" already exists', _details(kind, name))


def conflict(kind: Kind, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource_name(kind)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(kind, name))


def stale(kind: Kind, name: str) -> ApiError:
    return conflict(
        kind, name, "the object has been modified; please apply your changes to the latest version and try again"
    )


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def from_the_future(version: int, current: int) -> ApiError:
    """A resourceVersion that has not been given out yet: the client waits, and asks again."""
    message = f"Too large resource version: {version}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})


def too_large(limit: int) -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def too_many(message: str, causes: list[Raw], *, retry_after_s: int = 0) -> ApiError:
    """Not now: `kubectl drain` asks again."""
    details: Raw = {"causes": causes} | ({"retryAfterSeconds": retry_after_s} if retry_after_s else {})
    return ApiError(429, "TooManyRequests", message, details)


def unsupported_media_type(given: str, accepted: Iterable[str]) -> ApiError:
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return ApiError(415, "UnsupportedMediaType", f"{message} (given: {given or 'none'})")


def invalid(kind: Kind, name: str, problems: Iterable[Problem]) -> ApiError:
    """422 with a cause a problem, so that a client can say which field is wrong."""
    found = list(problems)
    text = [f"{problem.field}: {problem.message}" if problem.field else problem.message for problem in found]
    summary = text[0] if len(text) == 1 else f"[{', '.join(text)}]"
    qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    causes = [{"reason": _cause(p.message), "message": p.message, "field": p.field} for p in found]
    details = _details(kind, name) | {"kind": kind.kind, "causes": causes}
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {summary}', details)


def undecodable(kind: Kind, problems: Iterable[Problem]) -> ApiError:
    """400 for a body in which values are of types that the kind does not have there."""
    what = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
    return bad_request(f"{what}: {', '.join(f'{problem.field}: {problem.message}' for problem in problems)}")


def invalid_options(method: str, field: str, given: str, *supported: str) -> ApiError:
    """What a query asks for beside the object, in a way that there is none."""
    options = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}.get(method, "DeleteOptions")
    why = f'Unsupported value: "{given}": supported values: {", ".join(map(json.dumps, supported))}'
    cause = {"reason": "FieldValueNotSupported", "message": why, "field": field}
    details = {"group": "meta.k8s.io", "kind": options, "causes": [cause]}
    return ApiError(422, "Invalid", f'{options}.meta.k8s.io "" is invalid: {field}: {why}', details)


def _cause(message: str) -> str:
    """What a client's program may tell apart; the words before the colon say it to a person."""
    return _CAUSES.get(message.partition(":")[0], "FieldValueInvalid")


def internal_error(why: str) -> ApiError:
    return ApiError(500, "InternalError", f"Internal error occurred: {why}", {"causes": [{"message": why}]})


def invalid_patch(message: str) -> ApiError:
    return ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {message}")
