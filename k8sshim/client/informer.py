"""Follows all objects of one resource: lists them, watches them, and survives restarts of the server.

A component sees one steady stream of differences, whatever happens between it and the server: after a gap the informer
lists again, compares with what it knew, and reports what differs and nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from k8sshim.client.connection import Client
from k8sshim.client.failures import Absent, Expired
from k8sshim.client.resources import Resource
from k8sshim.client.watch import Watch
from k8sshim.errors import PodwireError
from k8sshim.objects import Key, Raw

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


@dataclass(frozen=True)
class Added:
    """An object that was not known before."""

    raw: Raw


@dataclass(frozen=True)
class Modified:
    """A known object changed."""

    raw: Raw
    old: Raw


@dataclass(frozen=True)
class Deleted:
    """A known object is gone; `raw` is its last state that was seen."""

    raw: Raw


@dataclass(frozen=True)
class Synced:
    """The first list is through: whatever existed then has been Added."""


Event: TypeAlias = Added | Modified | Deleted | Synced
Handler = Callable[[Event], None]
Spawn = Callable[[Callable[[], None]], object]
Transform = Callable[[Raw], Raw]


def spawn_thread(run: Callable[[], None]) -> None:
    """The default way to start an informer: a daemon thread."""
    threading.Thread(target=run, name="informer", daemon=True).start()


class Informer:
    """Calls `handler` for every difference, in the informer's own thread.

    `cache` holds the objects as last reported (already changed when the handler is called); other threads may look keys
    up in it, and iterate over `list(informer.cache.items())`. `spawn` starts the thread; the OpenFlow controller passes
    its framework's. `transform` says what is kept of an object and handed on: its metadata's name, namespace, uid and
    resourceVersion must be among it.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        handler: Handler,
        *,
        field_selector: str = "",
        label_selector: str = "",
        namespace: str | None = None,
        spawn: Spawn = spawn_thread,
        transform: Transform = lambda raw: raw,
    ) -> None:
        self.cache: dict[Key, Raw] = {}
        self.synced = threading.Event()
        self._client = client
        self._resource = resource
        self._handler = handler
        self._fields = field_selector
        self._labels = label_selector
        self._namespace = namespace
        self._spawn = spawn
        self._transform = transform
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._watch: Watch | None = None
        self._version = ""  # the resourceVersion to watch from; "" asks for a list
        self._pause_s = _FIRST_PAUSE_S

    def start(self) -> None:
        self._spawn(self._run)

    def stop(self) -> None:
        """Ask the thread to end, at once where it waits for the server; `join` waits for that."""
        self._stopping.set()
        if self._watch is not None:
            self._watch.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the thread; whether it has ended."""
        return self._ended.wait(timeout_s)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn()
                self._stopping.wait(self._pause_s)
        finally:
            self._ended.set()

    def _turn(self) -> None:
        """List if need be, then watch for as long as it goes."""
        try:
            if not self._version:
                self._list()
            self._follow()
        except Expired:
            self._version = ""
        except Absent:
            self._is_not_served()
        except PodwireError as error:
            log.warning("%s: %s; trying again in %.2f s", self._resource.plural, error, self._pause_s)
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    def _is_not_served(self) -> None:
        """Another API server may not have the kind, or not yet: until it has, there are no objects of it."""
        if not self.synced.is_set():
            log.info("%s: not served here", self._resource.plural)
            self._report(Synced())
            self.synced.set()
        self._pause_s = _LONGEST_PAUSE_S

    def _list(self) -> None:
        items, version = self._client.list(self._resource, self._namespace, self._labels, fields=self._fields)
        found = {Key.of(raw): raw for raw in items}
        for key in [key for key in self.cache if key not in found]:
            self._forget(key, self.cache[key])
        for key, raw in found.items():
            self._learn(key, raw)
        if not self.synced.is_set():
            self._report(Synced())
            self.synced.set()
        self._version, self._pause_s = version, _FIRST_PAUSE_S

    def _follow(self) -> None:
        self._watch = self._client.watch(
            self._resource, self._version, namespace=self._namespace, fields=self._fields, labels=self._labels
        )
        if self._stopping.is_set():  # since before there was a watch that `stop` could close
            return
        with self._watch as watch:
            for kind, raw in watch:
                if kind == "DELETED":
                    self._forget(Key.of(raw), raw)
                elif kind != "BOOKMARK":
                    self._learn(Key.of(raw), raw)
                self._version, self._pause_s = _version(raw), _FIRST_PAUSE_S

    def _learn(self, key: Key, raw: Raw) -> None:
        old = self.cache.get(key)
        if old is not None and _uid(old) != _uid(raw):  # deleted and made anew while nobody watched
            self._forget(key, old)
            old = None
        if old is not None and _version(old) == _version(raw):
            return
        raw = self._transform(raw)
        self.cache[key] = raw
        self._report(Added(raw) if old is None else Modified(raw, old))

    def _forget(self, key: Key, last: Raw) -> None:
        if self.cache.pop(key, None) is not None:
            self._report(Deleted(last))

    def _report(self, event: Event) -> None:
        try:
            self._handler(event)
        except Exception:  # a handler that stumbles over one object must not blind its component to all others
            log.exception("%s: the handler failed on %s", self._resource.plural, _describe(event))


def _describe(event: Event) -> str:
    return type(event).__name__ if isinstance(event, Synced) else f"{type(event).__name__} {Key.of(event.raw)}"


def _version(raw: Raw) -> str:
    return str(raw["metadata"].get("resourceVersion") or "")


def _uid(raw: Raw) -> str:
    return str(raw["metadata"].get("uid") or "")
