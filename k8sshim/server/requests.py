"""What a request says beside its path: body, query, headers. Raises ApiError where it says it badly."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request

from k8sshim.manifests import yaml_text
from k8sshim.objects import Raw
from k8sshim.records import decode

from . import protobuf
from .lifecycle import DeleteOptions
from .resources import PODS
from .routing import Target
from .status import ApiError, bad_request, invalid_options, too_large, unsupported_media_type
from .unknown_fields import POLICIES, FieldValidation
from .watch import DEFAULT_TIMEOUT_S, WatchOptions

MAX_BODY_BYTES = 3 * 1024 * 1024  # as the API server of Kubernetes
MAX_MANAGER = 128  # characters of a field manager's name
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(f"the body of the request is no JSON: {error}") from error


def value(request: Request, body: bytes) -> Any:
    """What a body says, in any of the forms in which objects may come."""
    given = media_type(request)
    if given == protobuf.MEDIA_TYPE:
        return _protobuf(body)
    if given not in ("", "application/json"):
        raise unsupported_media_type(given, ["application/json", protobuf.MEDIA_TYPE])
    return json_value(body)


def _protobuf(body: bytes) -> Raw:
    try:
        return protobuf.decode(body)
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise bad_request(f"the body of the request is no protobuf of Kubernetes: {error}") from error


def object_of(request: Request, body: bytes) -> Raw:
    """The object that a body is."""
    raw = value(request, body)
    if not isinstance(raw, dict):
        raise bad_request("the body of the request is no object")
    return raw


def field_validation(request: Request) -> FieldValidation:
    asked = request.query_params.get("fieldValidation") or ""
    if asked not in POLICIES:
        raise invalid_options(request.method, "fieldValidation", asked, *sorted(filter(None, POLICIES)))
    return FieldValidation(asked)


def dry_run(request: Request) -> bool:
    """Whether nothing is to be stored. Raises ApiError 422 where that is asked for in no way that is known."""
    return _dry(request, request.query_params.getlist("dryRun"))


def _dry(request: Request, stages: Iterable[Any]) -> bool:
    given = list(stages)
    for stage in given:
        if stage != "All":
            raise invalid_options(request.method, "dryRun", str(stage), "All")
    return bool(given)


def manager(request: Request) -> str:
    """Who writes: as it says, or by its User-Agent (`kubectl/v1.32 ...` is kubectl)."""
    agent = request.headers.get("user-agent", "").partition("/")[0].strip()
    return (request.query_params.get("fieldManager") or agent or "unknown")[:MAX_MANAGER]


def named_manager(request: Request) -> str:
    """The manager that a request names itself; "" where it does not."""
    return (request.query_params.get("fieldManager") or "")[:MAX_MANAGER]


def applied(request: Request, body: bytes) -> Raw:
    """What a server-side apply wants: an object in YAML, which JSON is. Raises ApiError 400."""
    try:
        raw = json_value(body)
    except ApiError:
        raw = _yaml(body)
    if not isinstance(raw, dict):
        raise bad_request("the body of the request is no object")
    if not request.query_params.get("fieldManager"):
        raise bad_request(
            "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch"
        )
    return raw


def _yaml(body: bytes) -> Any:
    try:
        documents, problems = yaml_text.read(body.decode())
    except UnicodeDecodeError as error:
        raise bad_request(f"the body of the request is no YAML: {error}") from error
    if problems or len(documents) != 1:
        why = problems[0].message if problems else f"it holds {len(documents)} documents"
        raise bad_request(f"the body of the request is no YAML: {why}")
    return documents[0]


def forced(request: Request) -> bool:
    return request.query_params.get("force") in _TRUE


def pod_target(namespace: str, name: str) -> Target:
    if not name:
        raise bad_request("the Binding names no pod")
    return Target(PODS, namespace, name)


def delete_options(request: Request, body: bytes) -> DeleteOptions:
    """DeleteOptions from the body, or from the query where the body is silent."""
    return options_of(value(request, body) if body else {}, request)


def options_of(raw: Any, request: Request) -> DeleteOptions:
    """The same from DeleteOptions that stand somewhere in a body."""
    if not isinstance(raw, dict):
        raise bad_request("DeleteOptions are no object")
    query = request.query_params
    grace = raw.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    propagation = raw.get("propagationPolicy") or query.get("propagationPolicy") or "Background"
    if raw.get("orphanDependents") or query.get("orphanDependents") in _TRUE:
        propagation = "Orphan"
    if propagation not in ("Background", "Foreground", "Orphan"):
        raise bad_request(f"propagationPolicy is {propagation!r}, expected Background, Foreground or Orphan")
    conditions, dry = raw.get("preconditions") or {}, raw.get("dryRun") or ()
    if not isinstance(conditions, dict) or not isinstance(dry, list | tuple):
        raise bad_request("DeleteOptions: preconditions must be an object, dryRun a list")
    return DeleteOptions(
        grace_period_s=None if grace is None else _integer("gracePeriodSeconds", grace),
        propagation=propagation,
        uid=conditions.get("uid") or "",
        resource_version=conditions.get("resourceVersion") or "",
        dry_run=_dry(request, dry) or dry_run(request),
    )


def _integer(name: str, value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise bad_request(f"{name} is {value!r}, expected a whole number") from error
    if not -(1 << 63) <= number < 1 << 63:
        raise bad_request(f"{name} is {value!r}, expected a 64-bit integer")
    return number


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
