"""The Services that there are, as the node agent needs them: by namespace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from k8sshim.client import Deleted, Event, Synced
from k8sshim.objects import Key, Labels, Service

Listener = Callable[[Key, "Service | None"], None]


class Catalogue:
    """Every Service; used in the event loop's thread alone."""

    def __init__(self) -> None:
        self.synced = asyncio.Event()
        self._services: dict[str, dict[str, Service]] = {}
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Have `listener` called with every Service from now on that appears or changes, and with None when it goes."""
        self._listeners.append(listener)

    def handle(self, event: Event) -> None:
        """Take in what an informer of Services tells."""
        if isinstance(event, Synced):
            self.synced.set()
            return
        key = Key.of(event.raw)
        mine = self._services.setdefault(key.namespace, {})
        if isinstance(event, Deleted):
            mine.pop(key.name, None)
            self._tell(key, None)
        else:
            service = Service.parse(event.raw)
            if mine.get(key.name) != service:
                mine[key.name] = service
                self._tell(key, service)

    def get(self, key: Key) -> Service | None:
        """The Service of that name."""
        return self._services.get(key.namespace, {}).get(key.name)

    def of(self, namespace: str) -> list[Service]:
        """The namespace's Services, by name."""
        return [service for _, service in sorted(self._services.get(namespace, {}).items())]

    def selects(self, namespace: str, labels: Labels) -> bool:
        """Whether a pod with these labels is behind a Service."""
        mine = set(labels)
        return any(s.selector and mine.issuperset(s.selector) for s in self._services.get(namespace, {}).values())

    def _tell(self, key: Key, service: Service | None) -> None:
        for listener in self._listeners:
            listener(key, service)
