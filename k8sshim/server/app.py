"""The HTTP application: requests to reads and writes, their outcome to responses, errors to `Status` objects."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from k8sshim.objects import Raw

from . import discovery, openapi, requests, routing
from .patches import prepare
from .reads import Reader
from .responses import body, json_response, list_body, status_response
from .routing import Target
from .selection import parse as parse_selection
from .status import ApiError, failure, method_not_allowed, no_such_resource, success
from .writes import Writer

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Api:
    """The endpoints of the application."""

    reader: Reader
    writer: Writer

    async def resource(self, request: Request) -> Response:
        """Everything below `/api/VERSION/` and `/apis/GROUP/VERSION/`."""
        path = request.path_params
        target = routing.parse(path.get("group", ""), path["version"], path["rest"])
        if request.method in ("GET", "HEAD"):
            return self.reader.read(target, requests.ReadRequest.of(request))
        content = await requests.content(request)
        handlers: dict[str, Callable[[Target, Request, bytes], Response]] = {
            "POST": self._post,
            "PUT": self._put,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        return handlers[request.method](target, request, content)

    def _post(self, target: Target, request: Request, content: bytes) -> Response:
        raw, dry_run = requests.json_object(request, content), requests.dry_run(request)
        if target.subresource == "binding" or target.kind.kind == "Binding":
            name = target.name or str((raw.get("metadata") or {}).get("name") or "")
            self.writer.bind(requests.pod_target(target.namespace, name), raw, dry_run=dry_run)
            return status_response(success(code=201))
        if target.name:
            raise method_not_allowed()
        return self.reader.respond(target, self.writer.create(target, raw, dry_run=dry_run), request, 201)

    def _put(self, target: Target, request: Request, content: bytes) -> Response:
        if not target.name or target.subresource == "binding":
            raise method_not_allowed()
        raw = requests.json_object(request, content)
        return self.reader.respond(target, self.writer.update(target, raw, dry_run=requests.dry_run(request)), request)

    def _patch(self, target: Target, request: Request, content: bytes) -> Response:
        if not target.name or target.subresource == "binding":
            raise method_not_allowed()
        kind = target.kind
        patch = prepare(
            requests.media_type(request),
            requests.json_value(content),
            kind=kind.kind,
            strategic=requests.built_in(kind),
        )
        record = self.writer.patch(target, patch, dry_run=requests.dry_run(request))
        return self.reader.respond(target, record, request)

    def _delete(self, target: Target, request: Request, content: bytes) -> Response:
        if target.subresource:
            raise method_not_allowed()
        options = requests.delete_options(request, content)
        if target.name:
            record = self.writer.delete(target, options)
            if self.reader.holds(record) or target.kind.plural in ("pods", "services"):
                return json_response(body(target.kind, record))
            return json_response(success(target.kind, target.name, record.uid))
        selection = parse_selection(target.kind, target.namespace, "", request.query_params)
        records = self.writer.delete_all(self.reader.select(selection), options)
        return json_response(list_body(target.kind, records, self.reader.version))


def create(api: Api) -> Starlette:
    """The application, without its guard."""
    routes = [
        Route("/api/{version}/{rest:path}", api.resource, methods=_METHODS),
        Route("/apis/{group}/{version}/{rest:path}", api.resource, methods=_METHODS),
        Route("/api", _core_versions),
        Route("/apis", _group_list),
        Route("/apis/{group}", _group),
        Route("/api/{version}", _resource_list),
        Route("/apis/{group}/{version}", _resource_list),
        Route("/version", _version),
        Route("/openapi/v2", _openapi),
        *(Route(f"/{name}", _healthy) for name in ("healthz", "livez", "readyz")),
    ]
    handlers = {ApiError: _api_error, HTTPException: _http_error, Exception: _internal_error}
    return Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]


async def _api_error(_: Request, error: ApiError) -> Response:
    return status_response(error.status)


async def _http_error(_: Request, error: HTTPException) -> Response:
    return status_response((method_not_allowed() if error.status_code == 405 else no_such_resource()).status)


async def _internal_error(request: Request, error: Exception) -> Response:
    """A fault of ours: the client hears of it, the log has where it was, and the server goes on."""
    _log.error("%s %s failed", request.method, request.url.path)
    return status_response(failure(500, "InternalError", f"Internal error occurred: {type(error).__name__}: {error}"))


async def _core_versions(request: Request) -> Response:
    return json_response(discovery.core_versions(request.url.netloc))


async def _group_list(_: Request) -> Response:
    return json_response(discovery.group_list())


async def _group(request: Request) -> Response:
    return _found(discovery.group(request.path_params["group"]))


async def _resource_list(request: Request) -> Response:
    return _found(discovery.resource_list(request.path_params.get("group", ""), request.path_params["version"]))


def _found(raw: Raw | None) -> Response:
    if raw is None:
        raise no_such_resource()
    return json_response(raw)


async def _version(_: Request) -> Response:
    return json_response(discovery.version())


async def _openapi(request: Request) -> Response:
    accept = request.headers.get("accept", "")
    if openapi.ACCEPTED in accept or openapi.PROTOBUF in accept:
        return Response(openapi.protobuf(), media_type=openapi.PROTOBUF)
    return json_response(openapi.document())


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok")
