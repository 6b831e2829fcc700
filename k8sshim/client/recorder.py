"""Events: what a component tells people about an object, as `kubectl get events` and `describe` show it.

As with Kubernetes' recorder, events are a favour and no record: the same is told once in a while, and when much happens
at once what is normal is left out, so that telling never costs what it tells of.
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/. It acts on nothing: it makes objects.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from k8sshim.objects import Raw

NORMAL, WARNING = "Normal", "Warning"
_AGAIN_AFTER_S = 300.0  # the same about the same object
_REMEMBERED = 4096
_BURST, _PER_SECOND = 60.0, 5.0


@dataclass(frozen=True)
class Told:
    """Something to tell about an object."""

    about: Raw  # its apiVersion, kind and metadata
    reason: str
    message: str
    type: str = NORMAL
    field_path: str = ""


class Recorder:
    """Makes events for one component."""

    def __init__(self, component: str, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since the epoch."""
        self._component = component
        self._clock = clock
        self._last: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._left, self._at = _BURST, clock()

    def event(self, told: Told, host: str = "") -> Raw | None:
        """The Event to create; None where it is better left out."""
        now = self._clock()
        said = (str(told.about["metadata"].get("uid") or ""), told.reason, told.message)
        if now - self._last.get(said, 0.0) < _AGAIN_AFTER_S or not self._afford(now, told):
            return None
        self._last[said] = now
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        return _object(told, self._component, host, now)

    def _afford(self, now: float, told: Told) -> bool:
        self._left = min(self._left + (now - self._at) * _PER_SECOND, _BURST)
        self._at = now
        if self._left < 1 and told.type == NORMAL:
            return False
        self._left = max(self._left - 1, 0.0)
        return True


def _object(told: Told, component: str, host: str, now: float) -> Raw:
    metadata = told.about["metadata"]
    moment = datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    involved = {
        "apiVersion": told.about.get("apiVersion", ""),
        "kind": told.about.get("kind", ""),
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "uid": metadata.get("uid", ""),
        "resourceVersion": metadata.get("resourceVersion", ""),
        "fieldPath": told.field_path,
    }
    namespace = metadata.get("namespace") or "default"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name'][:230]}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
        "involvedObject": {name: value for name, value in involved.items() if value},
        "type": told.type,
        "reason": told.reason,
        "message": told.message[:1024],
        "source": {"component": component, **({"host": host} if host else {})},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
        "reportingComponent": component,
        "reportingInstance": host,
    }
