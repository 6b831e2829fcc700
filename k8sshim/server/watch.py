"""Watches: every change of a selection from a resourceVersion on, as a stream of JSON lines.

A watch is fed by the store, synchronously, and drained by its connection; between the two stands a queue of what has
been written and not yet sent. Nothing is lost or doubled: the past and the subscription to the future are taken in the
same step. Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from k8sshim.kinds import Kind
from k8sshim.records import Event, Record, decode, encode
from k8sshim.store import Compacted, Store

from .selection import Selection
from .status import expired

BOOKMARK_INTERVAL_S = 60.0
DEFAULT_TIMEOUT_S = 1800.0
MAX_QUEUED = 50_000  # events; a client that does not read is cut off and starts again

EncodeObject = Callable[[Record], bytes]


@dataclass(frozen=True)
class WatchOptions:
    """What a client may ask of a watch."""

    version: str = ""  # resourceVersion; "" and "0" begin with what there is
    bookmarks: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S
    initial_events: bool = False  # sendInitialEvents: what there is, then a bookmark that says so


class Watch:
    """One client's watch."""

    def __init__(
        self, store: Store, kind: Kind, selection: Selection, options: WatchOptions, encode_object: EncodeObject
    ) -> None:
        self._store = store
        self._kind = kind
        self._selection = selection
        self._options = options
        self._encode = encode_object
        self.queued: list[bytes] = []
        self._wake = asyncio.Event()
        self._ended = False

    def end(self) -> None:
        """Close the stream after what is queued."""
        self._ended = True
        self._wake.set()

    async def lines(self) -> AsyncIterator[bytes]:
        """The stream, as chunks of whole lines."""
        loop = asyncio.get_running_loop()
        unsubscribe = self._store.subscribe(self._selection.resource, self._on_event)
        timers = [loop.call_later(self._options.timeout_s, self.end)]
        if self._options.bookmarks:
            timers.append(loop.call_later(BOOKMARK_INTERVAL_S, self._bookmark_and_again, timers))
        try:
            self._begin()
            while True:
                ready, self.queued = self.queued, []
                self._wake.clear()
                if ready:
                    yield b"".join(ready)
                elif self._ended:
                    return
                else:
                    await self._wake.wait()
        finally:
            unsubscribe()
            for timer in timers:
                timer.cancel()

    def _begin(self) -> None:
        options = self._options
        if options.initial_events or options.version in ("", "0"):
            for record in self._selection.records(self._store):
                self._push("ADDED", self._encode(record))
            if options.initial_events and options.bookmarks:
                self._bookmark({"k8s.io/initial-events-end": "true"})
            return
        try:
            past: Sequence[Event] = self._store.events_after(int(options.version))
        except Compacted as error:
            self._push("ERROR", encode(expired(str(error)).status))
            self.end()
            return
        for event in past:
            if event.record.resource == self._selection.resource:
                self._on_event(event)

    def _on_event(self, event: Event) -> None:
        """What a write means for the selection: an object may come into it or leave it by being changed."""
        before = event.previous is not None and self._selection.matches(event.previous)
        if not event.deleted and self._selection.matches(event.record):
            self._push("MODIFIED" if before else "ADDED", self._encode(event.record))
        elif before and event.previous is not None:
            self._push("DELETED", self._encode(event.record if event.deleted else _left(event.previous, event.record)))

    def _push(self, event_type: str, body: bytes) -> None:
        if self._ended:  # what is written before the connection hears of that
            return
        if len(self.queued) >= MAX_QUEUED:
            self.queued.clear()
            self.end()
            return
        self.queued.append(b'{"type":"%b","object":%b}\n' % (event_type.encode(), body))
        self._wake.set()

    def _bookmark(self, annotations: dict[str, str] | None = None) -> None:
        metadata: dict[str, object] = {"resourceVersion": str(self._store.version)}
        if annotations:
            metadata["annotations"] = annotations
        mark = {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": metadata}
        self._push("BOOKMARK", encode(mark))

    def _bookmark_and_again(self, timers: list[asyncio.TimerHandle]) -> None:
        self._bookmark()
        timers[1] = asyncio.get_running_loop().call_later(BOOKMARK_INTERVAL_S, self._bookmark_and_again, timers)


def _left(previous: Record, record: Record) -> Record:
    """An object that left the selection: as it was when it was in it, with the version at which it left."""
    raw = decode(previous.body)
    raw["metadata"]["resourceVersion"] = str(record.version)
    return Record(
        previous.resource,
        previous.key,
        record.version,
        previous.uid,
        previous.labels,
        previous.fields,
        previous.owners,
        encode(raw),
    )
