"""The HTTP application: requests to reads and writes, their outcome to responses, errors to `Status` objects."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from k8sshim.objects import Raw
from k8sshim.records import Record

from . import discovery, grants, metrics, requests, routing
from .discovery_routes import Discovery
from .documents import Documents
from .evictions import Evictions
from .patches import APPLY_PATCH, STRATEGIC_MERGE_PATCH, media_types, prepare
from .permission import permit, verb_of
from .reads import Reader
from .resources import REVIEWED, STREAMS, created_only
from .responses import body, json_response, list_body, status_response, with_warnings
from .reviews import Reviews
from .routing import Target
from .selection import parse as parse_selection
from .served import Served
from .status import ApiError, failure, method_not_allowed, no_such_resource, success
from .streams import logs, upgrade
from .streams.nodes import Nodes, why_no_stream
from .streams.sockets import Sockets
from .tokens import Tokens
from .writes import Writer

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Api:
    """The endpoints of the application."""

    reader: Reader
    writer: Writer
    tokens: Tokens
    documents: Documents
    served: Served
    reviews: Reviews
    metrics: metrics.Metrics
    nodes: Nodes
    evictions: Evictions

    async def resource(self, request: Request) -> Response:
        """Everything below `/api/VERSION/` and `/apis/GROUP/VERSION/`."""
        path = request.path_params
        target = routing.parse(path.get("group", ""), path["version"], path["rest"], self.served.lookup)
        permit(
            self.reviews.authorizer, request.state.user, target, verb_of(request.method, target, request.query_params)
        )
        if target.kind in metrics.KINDS:
            if request.method != "GET":
                raise method_not_allowed()
            return await self.metrics.answer(target, request.query_params)
        if target.subresource == "log" and request.method == "GET":
            return await logs.answer(self.nodes, target, request.query_params)
        if target.subresource in STREAMS and upgrade.wanted(request):
            return await upgrade.answer(self.nodes, target, request)
        if target.subresource in STREAMS:
            raise await why_no_stream(self.nodes, target, request.query_params)
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
        raw, dry_run = requests.object_of(request, content), requests.dry_run(request)
        if target.subresource == "binding" or target.kind.kind == "Binding":
            name = target.name or str((raw.get("metadata") or {}).get("name") or "")
            self.writer.bind(requests.pod_target(target.namespace, name), raw, dry_run=dry_run)
            return status_response(success(code=201))
        if target.kind.group in REVIEWED:
            return json_response(self.reviews.answer(target, raw, request.state.user), 201)
        if target.subresource == "eviction":
            self.evictions.evict(target, raw, requests.options_of(raw.get("deleteOptions") or {}, request))
            return status_response(success(code=201))
        if target.subresource == "token":
            return json_response(self.tokens.issue(target, raw), 201)
        if target.name:
            raise method_not_allowed()
        validation = requests.field_validation(request)
        wanted = validation.checked(target.kind, raw)
        self._judge_grant(target, request, lambda: self.writer.create(target, copy.deepcopy(wanted), dry_run=True))
        record = self.writer.create(target, wanted, dry_run=dry_run, manager=requests.named_manager(request))
        return with_warnings(self.reader.respond(target, record, request, 201), validation.warnings)

    def _put(self, target: Target, request: Request, content: bytes) -> Response:
        if not target.name or created_only(target.kind, target.subresource):
            raise method_not_allowed()
        validation = requests.field_validation(request)
        raw = validation.checked(target.kind, requests.object_of(request, content))
        self._judge_grant(target, request, lambda: self.writer.update(target, copy.deepcopy(raw), dry_run=True))
        record = self.writer.update(target, raw, dry_run=requests.dry_run(request), manager=requests.manager(request))
        return with_warnings(self.reader.respond(target, record, request), validation.warnings)

    def _patch(self, target: Target, request: Request, content: bytes) -> Response:
        if not target.name or created_only(target.kind, target.subresource):
            raise method_not_allowed()
        kind = target.kind
        if requests.media_type(request) == APPLY_PATCH:
            return self._apply(target, request, content)
        patch = prepare(
            requests.media_type(request),
            requests.json_value(content),
            kind=kind.kind,
            strategic=STRATEGIC_MERGE_PATCH in media_types(kind),
        )
        validation = requests.field_validation(request)
        checked = validation.of_patch(kind, patch)
        dry_run, manager = requests.dry_run(request), requests.manager(request)

        def tried() -> Record:
            """With a validation of its own: a warning is given once."""
            again = requests.field_validation(request).of_patch(kind, patch)
            return self.writer.patch(target, again, dry_run=True)

        self._judge_grant(target, request, tried)
        record = self.writer.patch(target, checked, dry_run=dry_run, manager=manager)
        return with_warnings(self.reader.respond(target, record, request), validation.warnings)

    def _apply(self, target: Target, request: Request, content: bytes) -> Response:
        if target.subresource == "scale":
            raise method_not_allowed()
        validation = requests.field_validation(request)
        wanted = validation.checked(target.kind, requests.applied(request, content))
        manager, force = requests.manager(request), requests.forced(request)

        def apply(wanted: Raw, *, dry_run: bool) -> tuple[Record, bool]:
            return self.writer.apply(target, wanted, manager=manager, force=force, dry_run=dry_run)

        self._judge_grant(target, request, lambda: apply(copy.deepcopy(wanted), dry_run=True)[0])
        record, made = apply(wanted, dry_run=requests.dry_run(request))
        response = self.reader.respond(target, record, request, 201 if made else 200)
        return with_warnings(response, validation.warnings)

    def _judge_grant(self, target: Target, request: Request, tried: Callable[[], Record]) -> None:
        """Of what gives people rights, see what would come of it first. Raises ApiError 403."""
        if grants.concerned(target) and self.reviews.authorizer.enabled:
            grants.check(self.reviews.authorizer, request.state.user, target, tried().decode())

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
        return json_response(list_body(target.kind, records, {"resourceVersion": str(self.reader.version)}))


def create(api: Api) -> Starlette:
    """The application, without its guard."""
    routes = [
        WebSocketRoute("/api/{version}/{rest:path}", Sockets(api.nodes, api.served, api.reviews.authorizer).serve),
        Route("/api/{version}/{rest:path}", api.resource, methods=_METHODS),
        Route("/apis/{group}/{version}/{rest:path}", api.resource, methods=_METHODS),
        *Discovery(api.served).routes(),
        Route("/version", _version),
        *api.documents.routes(),
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


async def _version(_: Request) -> Response:
    return json_response(discovery.version())


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok")
