"""Keeps the name server at what the API says: one thread follows each kind of object, one decides.

The server starts with every record in its zones' files, and is sent differences from then on. Where it dies, or takes a
difference badly, it is started anew with everything: no state but the API's is ever relied on.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from k8sshim.client import ENDPOINT_SLICES, PODS, SERVICES, Client, Deleted, Event, Informer, Synced
from k8sshim.dns import lean
from k8sshim.dns.configuration import Settings
from k8sshim.dns.ledger import POD, SERVICE, SLICE, Ledger
from k8sshim.dns.named import Named, NamedError
from k8sshim.objects import Key

log = logging.getLogger(__name__)
FOLLOWED = (
    (SERVICE, SERVICES, lean.service),
    (SLICE, ENDPOINT_SLICES, lean.endpoint_slice),
    (POD, PODS, lean.pod),
)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 5.0
_STEADY_S = 10.0  # a name server that lived this long is given the short pause again


@dataclass(frozen=True)
class _Ended:
    """A run of the name server is over."""

    named: Named


_News = tuple[str, Event] | _Ended


class Feeder:
    """One name server and what it knows."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._settings = settings
        self._ledger = Ledger(settings.domain)
        self._news: queue.SimpleQueue[_News] = queue.SimpleQueue()
        self._informers = [
            Informer(client, resource, self._hearing(kind), transform=transform)
            for kind, resource, transform in FOLLOWED
        ]
        self._named: Named | None = None
        self._pause_s = _FIRST_PAUSE_S

    def ready(self) -> bool:
        """Whether the name server answers, and knows the cluster."""
        named = self._named
        return named is not None and named.answers()

    def run(self) -> None:
        """Feed for ever. Only the thread that lives as long as the process may call this."""
        for informer in self._informers:
            informer.start()
        waiting = len(self._informers)
        while waiting:
            waiting -= self._learn(self._news.get())
        self._start()
        while True:
            self._turn()

    def end(self) -> None:
        """End the name server."""
        if self._named:
            self._named.end()

    def _turn(self) -> None:
        """Wait for news, and pass on what they change together with those that have come meanwhile."""
        self._learn(self._news.get())
        for _ in range(self._news.qsize()):
            self._learn(self._news.get())
        named = self._named
        if named is None or named.process.poll() is not None:
            self._start()
            return
        try:
            if changes := self._ledger.take():
                named.send(changes)
        except NamedError as error:
            log.warning("%s; it is started again", error)
            named.end()
            self._start()

    def _start(self) -> None:
        """Start the name server with all there is, however often it takes."""
        while True:
            begun = time.monotonic()
            self._ledger.take()  # all of it is in what it starts with
            named = Named.start(self._settings, self._ledger)
            try:
                named.wait_until_answering()
            except NamedError as error:
                named.end()
                log.warning("%s; trying again in %.2f s", error, self._pause_s)
                time.sleep(self._pause_s)
                self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
                continue
            self._named, self._pause_s = named, _FIRST_PAUSE_S
            log.info(
                "named answers with %d records, %.3f s after its start", len(self._ledger), time.monotonic() - begun
            )
            threading.Thread(target=self._mourn, args=(named,), name="named", daemon=True).start()
            return

    def _mourn(self, named: Named) -> None:
        """Tell of the end of a run."""
        code = named.process.wait()
        log.warning("named ended with exit code %d", code)
        self._news.put(_Ended(named))

    def _hearing(self, kind: str) -> Callable[[Event], None]:
        return lambda event: self._news.put((kind, event))

    def _learn(self, news: _News) -> bool:
        """Note it; whether a kind of object is now known whole."""
        if isinstance(news, _Ended):
            return False
        kind, event = news
        if isinstance(event, Synced):
            return True
        if isinstance(event, Deleted):
            self._ledger.drop(kind, Key.of(event.raw))
        else:
            self._ledger.put(kind, event.raw)
        return False
