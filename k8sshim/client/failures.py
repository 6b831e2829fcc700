"""What can go wrong with a request, as podwire's errors."""

from __future__ import annotations

import json
from http import HTTPStatus

from k8sshim.errors import BadInput, Conflict, PodwireError, Problem
from k8sshim.objects import Raw


class Unreachable(PodwireError):
    """The API server does not answer."""


class Absent(PodwireError):
    """The object that was to be changed does not exist (404)."""


class Expired(PodwireError):
    """The server does not hold the changes since that resourceVersion: list again.

    It no longer does (410), or does not yet (504): then it has gone back in time, as by a copy of its store.
    """


_ERRORS: dict[int, type[PodwireError]] = {
    HTTPStatus.NOT_FOUND: Absent,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.GONE: Expired,
    HTTPStatus.SERVICE_UNAVAILABLE: Unreachable,
}
_OF_THE_FUTURE = "ResourceVersionTooLarge"  # a cause of the API's


def decoded(content: bytes) -> Raw:
    """The JSON of an answer. Raises PodwireError where it is none."""
    try:
        raw: Raw = json.loads(content)
    except ValueError as error:
        raise PodwireError(f"the API server's answer is no JSON: {error}") from error
    return raw


def unreachable(url: str, error: Exception) -> Unreachable:
    """The connection failed."""
    return Unreachable(f"the API server at {url} does not answer: {error or type(error).__name__}")


def of_answer(code: int, content: bytes) -> PodwireError:
    """The server answered, and not with what was asked for."""
    try:
        status = json.loads(content)
    except ValueError:
        status = None
    return of_status(code, status if isinstance(status, dict) else {"message": content.decode(errors="replace")})


def of_status(code: int, status: Raw) -> PodwireError:
    """A Status object as one of podwire's errors: each field that it blames, or its message as it came."""
    details = status.get("details") or {}
    if code == HTTPStatus.UNPROCESSABLE_ENTITY and details.get("causes"):
        name = f"{details.get('kind', '')} {details.get('name', '')}".strip()
        causes = details["causes"]
        return BadInput(*(Problem(str(c.get("message")), object=name, field=str(c.get("field") or "")) for c in causes))
    message = " ".join(str(status.get("message") or f"the API server answered {code}").split())
    if any(cause.get("reason") == _OF_THE_FUTURE for cause in details.get("causes") or ()):
        return Expired(message)
    if code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        return BadInput.of(message)
    return _ERRORS.get(code, PodwireError)(message)
