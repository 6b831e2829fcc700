"""What random watchers are held against: a log of all writes, and what a selection should be told of each.

Nothing here is the server's code: selections are Python predicates beside the text that a client would send.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from k8sshim.objects import Raw
from k8sshim.store import Store

Place = tuple[str, str]  # namespace and name
Told = tuple[str, Place, int]  # what a watch says: type, whose, resourceVersion
_TURNS = 6  # of the loop, after which a stream that has something has said it


@dataclass(frozen=True)
class Asked:
    """A selection as a query, and as what it means."""

    namespace: str
    query: tuple[tuple[str, str], ...]
    means: Callable[[Raw], bool]

    def takes(self, raw: Raw | None) -> bool:
        return raw is not None and self.namespace in ("", raw["metadata"]["namespace"]) and self.means(raw)


@dataclass
class Log:
    """Every write that was acknowledged: the object before and after, None where it is absent."""

    entries: list[tuple[int, Place, Raw | None, Raw | None]] = field(default_factory=list)

    def note(self, version: int, place: Place, after: Raw | None) -> None:
        assert not self.entries or version > self.entries[-1][0], "a version that is not new"
        self.entries.append((version, place, self.at().get(place), after))

    def at(self, version: int | None = None) -> dict[Place, Raw]:
        """All objects as they were at a version, or are."""
        objects: dict[Place, Raw] = {}
        for number, place, _, after in self.entries:
            if version is not None and number > version:
                break
            objects.pop(place, None)
            if after is not None:
                objects[place] = after
        return dict(sorted(objects.items()))

    def selected(self, asked: Asked, version: int | None = None) -> dict[Place, Raw]:
        return {place: raw for place, raw in self.at(version).items() if asked.takes(raw)}

    def told(self, asked: Asked, since: int) -> Iterator[Told]:
        """What a watch from that version on must say, in this order and nothing else."""
        for version, place, before, after in self.entries:
            if version > since and (asked.takes(before) or asked.takes(after)):
                kind = "DELETED" if not asked.takes(after) else "MODIFIED" if asked.takes(before) else "ADDED"
                yield kind, place, version


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time stands until it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def turn(self) -> None:
        for _ in range(_TURNS):
            self.run_until_complete(asyncio.sleep(0))


class Stream:
    """An answer that is read whenever the test wants to, and can be broken off."""

    def __init__(self, loop: Clock, chunks: AsyncIterator[bytes], store: Store) -> None:
        self._loop, self._chunks, self._store = loop, chunks, store
        self._reading = loop.create_task(self._first())
        self.began_at = self.horizon = 0  # versions, as the store had them when the stream began
        self.ended = False

    async def _first(self) -> bytes | None:
        self.began_at, self.horizon = self._store.version, self._store.horizon
        return await self._next()

    async def _next(self) -> bytes | None:
        return await anext(self._chunks, None)

    def ready(self) -> list[dict[str, Any]]:
        """The events that have come by now."""
        found: list[dict[str, Any]] = []
        self._loop.turn()
        while self._reading.done() and not self.ended:
            chunk = self._reading.result()
            if chunk is None:
                self.ended = True
                break
            found += map(json.loads, chunk.splitlines())
            self._reading = self._loop.create_task(self._next())
            self._loop.turn()
        return found

    def break_off(self) -> None:
        self._reading.cancel()
        self._loop.turn()
        self.ended = True


def place_of(raw: Raw) -> Place:
    return raw["metadata"]["namespace"], raw["metadata"]["name"]


def version_of(raw: Raw) -> int:
    return int(raw["metadata"]["resourceVersion"])
