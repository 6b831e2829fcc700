"""The OpenAPI documents as they are asked for: made once, kept as bytes, made anew when custom resources change."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from k8sshim.kinds import Kind
from k8sshim.records import encode

from . import openapi, openapi_protobuf
from .discovery import version
from .openapi import Schemas
from .responses import JSON, json_response
from .status import no_such_resource

_KEPT_S = 3600  # a document under its hash never changes


class Documents:
    """Serves `/openapi/v2` and `/openapi/v3`."""

    def __init__(self, kinds: Callable[[], Sequence[Kind]], own: Callable[[], Schemas]) -> None:
        """`own` gives the schemas of kinds that Kubernetes does not publish."""
        self._kinds = kinds
        self._own = own
        self._made: dict[str, tuple[str, bytes]] = {}

    def routes(self) -> list[Route]:
        return [
            Route("/openapi/v2", self._v2),
            Route("/openapi/v3", self._index),
            Route("/openapi/v3/{path:path}", self._v3),
        ]

    def _by_path(self) -> Mapping[str, list[Kind]]:
        found: dict[str, list[Kind]] = {}
        for kind in self._kinds():
            found.setdefault(openapi.path_of(kind), []).append(kind)
        return found

    def _hash(self, kinds: Sequence[Kind]) -> str:
        """What a document depends on, without the document."""
        own = self._own()
        parts = [(str(kind), own.get(kind)) for kind in kinds]
        return hashlib.sha256(encode({"version": version(), "parts": parts})).hexdigest().upper()

    async def _index(self, _: Request) -> Response:
        urls = {path: f"/openapi/v3/{path}?hash={self._hash(kinds)}" for path, kinds in self._by_path().items()}
        return json_response({"paths": {path: {"serverRelativeURL": url} for path, url in urls.items()}})

    async def _v3(self, request: Request) -> Response:
        path = request.path_params["path"]
        kinds = self._by_path().get(path)
        if not kinds:
            raise no_such_resource()
        own = self._own()
        content = await self._document(path, kinds, lambda: openapi.v3(kinds, own))
        headers = {"Cache-Control": f"public, max-age={_KEPT_S}, immutable"} if "hash" in request.query_params else {}
        return Response(content, media_type=JSON, headers={**headers, "ETag": f'"{self._hash(kinds)}"'})

    async def _v2(self, request: Request) -> Response:
        accept = request.headers.get("accept", "")
        kinds, own = list(self._kinds()), self._own()
        if openapi_protobuf.ACCEPTED in accept or openapi_protobuf.PROTOBUF in accept:
            make = lambda: openapi_protobuf.document(openapi.v2(kinds, own))  # noqa: E731 - made in another thread
            content = await self._document(openapi_protobuf.PROTOBUF, kinds, make)
            return Response(content, media_type=openapi_protobuf.PROTOBUF)
        return Response(await self._document(JSON, kinds, lambda: encode(openapi.v2(kinds, own))), media_type=JSON)

    async def _document(self, name: str, kinds: Sequence[Kind], make: Callable[[], bytes]) -> bytes:
        """A document; it takes a while to make, so other requests go on meanwhile."""
        key = self._hash(kinds)
        kept = self._made.get(name)
        if kept is None or kept[0] != key:
            kept = self._made[name] = (key, await asyncio.to_thread(make))
        return kept[1]
