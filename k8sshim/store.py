"""The API server's memory: objects and their recent history, in a SQLite file that survives `kill -9`.

One append-only table of revisions is both the objects and the log that watches resume from, so a write is one insert
and a restart is one ordered read. Committed rows are in the operating system's hands before the write is acknowledged;
the death of the process cannot take them back (a power cut may cost the last ones, never consistency).

In memory an object is its encoded JSON and the little that selecting needs; it is encoded once a version and decoded by
who changes it. What was superseded stays until the history outgrows its budget; then its oldest part is compacted away,
and a watch from before that point is told so (`Compacted`).
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from k8sshim.errors import BadInput, PodwireError
from k8sshim.objects import Key, Raw
from k8sshim.records import Event, Fields, Record, decode, encode

ALL = ""  # subscribes to every resource
HISTORY_BYTES = 16 * 1024 * 1024
_EVENT_OVERHEAD = 1024  # bytes of Python objects around a record

_SCHEMA = """
CREATE TABLE IF NOT EXISTS revisions (
  version INTEGER PRIMARY KEY, resource TEXT NOT NULL, deleted INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS compaction (horizon INTEGER NOT NULL);
"""

FieldsOf = Callable[[str, Raw], Fields]  # resource and object -> what field selectors can ask for
Listener = Callable[[Event], None]


class Compacted(PodwireError):
    """The history that a watch asked for is no longer held."""


class Store:
    """Objects by resource, namespace and name. Not thread-safe: it belongs to the server's event loop."""

    def __init__(
        self, connection: sqlite3.Connection, fields_of: FieldsOf, *, history_bytes: int = HISTORY_BYTES
    ) -> None:
        self._connection = connection
        self._fields_of = fields_of
        self._history_bytes = history_bytes
        self._objects: dict[str, dict[str, dict[str, Record]]] = {}  # resource -> namespace -> name
        self._by_uid: dict[str, Record] = {}
        self._dependants: dict[str, dict[str, None]] = {}  # owner's UID -> UIDs, in order of their appearance
        self._history: list[Event] = []
        self._history_cost = 0
        self._listeners: dict[str, dict[Listener, None]] = {}
        self.version = 0  # of the newest write
        self.horizon = 0  # the newest version that the history no longer holds

    @classmethod
    def open(
        cls, path: Path, fields_of: FieldsOf, *, history_bytes: int = HISTORY_BYTES, timeout_s: float = 5.0
    ) -> Store:
        """The store in that file, made where it is missing. Raises BadInput where it is none or stays in use."""
        try:
            connection = sqlite3.connect(path, isolation_level=None, timeout=timeout_s)
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
            store = cls(connection, fields_of, history_bytes=history_bytes)
            store._load()
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise BadInput.of(f"cannot be used as a store: {error}", file=str(path)) from error
        return store

    def close(self) -> None:
        self._connection.close()

    def _load(self) -> None:
        row = self._connection.execute("SELECT horizon FROM compaction").fetchone()
        if row is None:
            self._connection.execute("INSERT INTO compaction VALUES (0)")
        self.version = self.horizon = row[0] if row else 0
        rows = self._connection.execute("SELECT version, resource, deleted, body FROM revisions ORDER BY version")
        for version, resource, deleted, body in rows:
            event = self._event(resource, version, decode(body), body, bool(deleted))
            self._index(event)
            self.version = max(self.version, version)
            if version > self.horizon:
                self._remember(event)

    # Reading

    def get(self, resource: str, key: Key) -> Record | None:
        return self._objects.get(resource, {}).get(key.namespace, {}).get(key.name)

    def records(self, resource: str, namespace: str = "") -> list[Record]:
        """The objects of a resource, of one namespace where one is given, by namespace and name."""
        namespaces = self._objects.get(resource, {})
        chosen = (namespaces.get(namespace, {}),) if namespace else tuple(namespaces[n] for n in sorted(namespaces))
        return [records[name] for records in chosen for name in sorted(records)]

    def records_at(self, resource: str, version: int, namespace: str = "") -> list[Record]:
        """The same as they were at an earlier version. Raises Compacted where that is no longer known."""
        records = {record.key: record for record in self.records(resource, namespace)}
        for event in reversed(self.events_after(version)):
            if event.record.resource == resource and namespace in ("", event.record.key.namespace):
                if event.previous is None:
                    records.pop(event.record.key, None)
                else:
                    records[event.record.key] = event.previous
        return [records[key] for key in sorted(records, key=lambda key: (key.namespace, key.name))]

    def by_uid(self, uid: str) -> Record | None:
        return self._by_uid.get(uid)

    def dependants(self, uid: str) -> list[Record]:
        """The objects that name this one as an owner."""
        return [self._by_uid[each] for each in self._dependants.get(uid, ())]

    def in_namespace(self, namespace: str) -> list[Record]:
        """Every object of a namespace, whatever its resource."""
        return [
            record for by_namespace in self._objects.values() for record in by_namespace.get(namespace, {}).values()
        ]

    def all(self) -> Iterator[Record]:
        return iter(list(self._by_uid.values()))

    # Writing

    def put(self, resource: str, raw: Raw) -> Record:
        """Store an object (whose metadata has a name and a UID), giving it the next resourceVersion."""
        return self._write(resource, raw, deleted=False)

    def remove(self, record: Record) -> Record:
        """Delete an object; the record that comes back is its end, with the deletion's resourceVersion."""
        return self._write(record.resource, record.decode(), deleted=True)

    def _write(self, resource: str, raw: Raw, *, deleted: bool) -> Record:
        version = self.version + 1
        raw["metadata"]["resourceVersion"] = str(version)
        body = encode(raw)
        event = self._event(resource, version, raw, body, deleted)
        self._connection.execute("INSERT INTO revisions VALUES (?, ?, ?, ?)", (version, resource, deleted, body))
        self.version = version
        self._index(event)
        self._remember(event)
        for listener in (*self._listeners.get(resource, ()), *self._listeners.get(ALL, ())):
            listener(event)
        if self._history_cost > self._history_bytes:
            self.compact(self._history_bytes // 2)
        return event.record

    def _event(self, resource: str, version: int, raw: Raw, body: bytes, deleted: bool) -> Event:
        metadata = raw["metadata"]
        record = Record(
            resource=resource,
            key=Key.of(raw),
            version=version,
            uid=metadata["uid"],
            labels=dict(metadata.get("labels") or {}),
            fields=self._fields_of(resource, raw),
            owners=tuple(dict.fromkeys(owner["uid"] for owner in metadata.get("ownerReferences") or ())),
            body=body,
        )
        return Event(record, self.get(resource, record.key), deleted)

    def _index(self, event: Event) -> None:
        record, previous = event.record, event.previous
        for owner in previous.owners if previous else ():
            self._dependants[owner].pop(record.uid, None)
            if not self._dependants[owner]:
                del self._dependants[owner]
        names = self._objects.setdefault(record.resource, {}).setdefault(record.key.namespace, {})
        if event.deleted:
            names.pop(record.key.name, None)
            self._by_uid.pop(record.uid, None)
            return
        names[record.key.name] = record
        self._by_uid[record.uid] = record
        for owner in record.owners:
            self._dependants.setdefault(owner, {})[record.uid] = None

    # History

    def _remember(self, event: Event) -> None:
        self._history.append(event)
        self._history_cost += _cost(event)

    def events_after(self, version: int) -> list[Event]:
        """Every write after that version, oldest first. Raises Compacted where some of them are no longer held."""
        if version < self.horizon:
            raise Compacted(f"too old resource version: {version} ({self.horizon})")
        return self._history[bisect_right(self._history, version, key=lambda event: event.record.version) :]

    def subscribe(self, resource: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every write to a resource (or ALL) from now on; call what comes back to end that."""
        listeners = self._listeners.setdefault(resource, {})
        listeners[listener] = None
        return lambda: listeners.pop(listener, None)

    def compact(self, keep_bytes: int) -> None:
        """Forget the oldest history until what is left fits; the newest write is always kept."""
        dropped = 0
        while self._history_cost > keep_bytes and dropped < len(self._history) - 1:
            self._history_cost -= _cost(self._history[dropped])
            dropped += 1
        if not dropped:
            return
        gone, self._history = self._history[:dropped], self._history[dropped:]
        self.horizon = gone[-1].record.version
        versions = [(event.previous.version,) for event in gone if event.previous]
        versions += [(event.record.version,) for event in gone if event.deleted]
        with self._transaction():
            self._connection.executemany("DELETE FROM revisions WHERE version = ?", versions)
            self._connection.execute("UPDATE compaction SET horizon = ?", (self.horizon,))

    def _transaction(self) -> _Transaction:
        return _Transaction(self._connection)


class _Transaction:
    """One commit for several statements, or none of them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


def _cost(event: Event) -> int:
    return len(event.record.body) + _EVENT_OVERHEAD
