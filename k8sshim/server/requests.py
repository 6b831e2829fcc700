"""What a request says beside its path: body, query, headers. Raises ApiError where it says it badly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request

from k8sshim.kinds import Kind
from k8sshim.objects import GROUP, Raw
from k8sshim.records import decode

from .lifecycle import DeleteOptions
from .resources import PODS
from .routing import Target
from .status import bad_request, too_large, unsupported_media_type
from .watch import DEFAULT_TIMEOUT_S, WatchOptions

MAX_BODY_BYTES = 3 * 1024 * 1024  # as the API server of Kubernetes
_TRUE = ("true", "1", "t")


async def content(request: Request) -> bytes:
    """The body, as long as it is no longer than it may be."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise too_large(MAX_BODY_BYTES)
        parts.append(part)
    return b"".join(parts)


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip()


def json_value(body: bytes) -> Any:
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_request(f"the body of the request is no JSON: {error}") from error


def json_object(request: Request, body: bytes) -> Raw:
    given = media_type(request)
    if given not in ("", "application/json"):
        raise unsupported_media_type(given, ["application/json"])
    value = json_value(body)
    if not isinstance(value, dict):
        raise bad_request("the body of the request is no object")
    return value


def dry_run(request: Request) -> bool:
    return "All" in request.query_params.getlist("dryRun")


def built_in(kind: Kind) -> bool:
    return kind.group != GROUP


def pod_target(namespace: str, name: str) -> Target:
    if not name:
        raise bad_request("the Binding names no pod")
    return Target(PODS, namespace, name)


def delete_options(request: Request, body: bytes) -> DeleteOptions:
    """DeleteOptions from the body, or from the query where the body is silent."""
    raw = json_value(body) if body else {}
    if not isinstance(raw, dict):
        raise bad_request("DeleteOptions are no object")
    query = request.query_params
    grace = raw.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    propagation = raw.get("propagationPolicy") or query.get("propagationPolicy") or "Background"
    if raw.get("orphanDependents") or query.get("orphanDependents") in _TRUE:
        propagation = "Orphan"
    if propagation not in ("Background", "Foreground", "Orphan"):
        raise bad_request(f"propagationPolicy is {propagation!r}, expected Background, Foreground or Orphan")
    conditions = raw.get("preconditions") or {}
    return DeleteOptions(
        grace_period_s=None if grace is None else _integer("gracePeriodSeconds", grace),
        propagation=propagation,
        uid=conditions.get("uid") or "",
        resource_version=conditions.get("resourceVersion") or "",
        dry_run="All" in (raw.get("dryRun") or ()) or dry_run(request),
    )


def _integer(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise bad_request(f"{name} is {value!r}, expected a whole number") from error


@dataclass(frozen=True)
class ReadRequest:
    """A GET as the reading half needs it."""

    query: Mapping[str, str]
    accept: str

    @classmethod
    def of(cls, request: Request) -> ReadRequest:
        return cls(request.query_params, request.headers.get("accept", ""))

    @property
    def watching(self) -> bool:
        return self.query.get("watch") in _TRUE

    def watch_options(self) -> WatchOptions:
        version = self.query.get("resourceVersion") or ""
        if version:
            _integer("resourceVersion", version)
        timeout_s = _integer("timeoutSeconds", self.query.get("timeoutSeconds") or 0)
        return WatchOptions(
            version=version,
            bookmarks=self.query.get("allowWatchBookmarks") in _TRUE,
            timeout_s=timeout_s or DEFAULT_TIMEOUT_S,
            initial_events=self.query.get("sendInitialEvents") in _TRUE,
        )
