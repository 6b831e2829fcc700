"""Everything that reads: get, list, watch, and the form in which a record is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from k8sshim.records import Record
from k8sshim.store import Store

from . import scale, tables
from .pages import page
from .requests import ReadRequest
from .resources import created_only
from .responses import JSON, body, json_response, list_body
from .routing import Target
from .selection import Selection
from .selection import parse as parse_selection
from .status import from_the_future, method_not_allowed, not_found
from .tables import Form
from .watch import Watch


class Reader:
    """The read half of the API; it knows the open watches, to end them when the server ends."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._watches: set[Watch] = set()

    @property
    def version(self) -> int:
        return self._store.version

    def holds(self, record: Record) -> bool:
        """Whether the object is still there."""
        return self._store.by_uid(record.uid) is not None

    def select(self, selection: Selection) -> list[Record]:
        return selection.records(self._store)

    def end_watches(self) -> None:
        for watch in self._watches:
            watch.end()

    def read(self, target: Target, request: ReadRequest) -> Response:
        if not target.kind.stored or created_only(target.kind, target.subresource):
            raise method_not_allowed()
        form = tables.requested(request.accept, request.query.get("includeObject", ""))
        if request.watching and not target.subresource:
            return self._watch(target, request, form)
        if target.name:
            return self._get(target, form)
        shown = page(self._store, parse_selection(target.kind, target.namespace, "", request.query), request.query)
        if form:
            return json_response(tables.many(target.kind, shown.records, form, shown.metadata, self._now()))
        return json_response(list_body(target.kind, shown.records, shown.metadata))

    def _get(self, target: Target, form: Form | None) -> Response:
        record = self._store.get(target.resource, target.key)
        if record is None:
            raise not_found(target.kind, target.name)
        return self._one(target, record, form, 200)

    def respond(self, target: Target, record: Record, request: Request, code: int = 200) -> Response:
        """The outcome of a write."""
        accept, include = request.headers.get("accept", ""), request.query_params.get("includeObject", "")
        return self._one(target, record, tables.requested(accept, include), code)

    def _one(self, target: Target, record: Record, form: Form | None, code: int) -> Response:
        if target.subresource == "scale":
            return json_response(scale.view(target.kind, record.decode()), code)
        if form:
            return json_response(tables.one(target.kind, record, form, self._now()), code)
        return json_response(body(target.kind, record), code)

    def _watch(self, target: Target, request: ReadRequest, form: Form | None) -> Response:
        selection = parse_selection(target.kind, target.namespace, target.name, request.query)
        options = request.watch_options()
        if int(options.version or 0) > self.version:
            raise from_the_future(int(options.version), self.version)
        watch = Watch(self._store, target.kind, selection, options, self._encoder(target, form))
        return StreamingResponse(self._lines(watch), media_type=JSON)

    async def _lines(self, watch: Watch) -> AsyncIterator[bytes]:
        self._watches.add(watch)
        try:
            async for chunk in watch.lines():
                yield chunk
        finally:
            self._watches.discard(watch)

    def _encoder(self, target: Target, form: Form | None) -> Callable[[Record], bytes]:
        if form is None:
            return lambda record: body(target.kind, record)
        first = True

        def encode_row(record: Record) -> bytes:
            nonlocal first
            row = tables.one(target.kind, record, form, self._now(), header=first)
            first = False
            return row

        return encode_row
