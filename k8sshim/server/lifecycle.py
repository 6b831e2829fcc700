"""How objects end: graceful deletion, finalizers, namespaces, and the dependants of what is gone.

Sources: https://kubernetes.io/docs/concepts/architecture/garbage-collection/ and
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination. What follows from a deletion
(dependants, a namespace's content) happens after it, step by step; every step can be found again in the store alone,
so a server that is killed in the middle goes on where it stopped (`resume`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from k8sshim.kinds import Kind
from k8sshim.objects import Key, Raw
from k8sshim.records import Event, Record
from k8sshim.store import Store

from .admission import check_preconditions, timestamp
from .resources import NAMESPACES, NODES, PODS, by_storage_name, resource_name
from .status import forbidden

EVENT_LIFETIME_S = 3600
_FOREGROUND = "foregroundDeletion"
_LONGEST_GRACE_S = 2**31 - 1  # for the moment that is told: a calendar ends with the year 9999
_PROTECTED = ("default", "kube-system", "kube-public", "kube-node-lease")

Defer = Callable[[Callable[[], None]], object]


@dataclass(frozen=True)
class DeleteOptions:
    """What a client may ask of a deletion."""

    grace_period_s: int | None = None
    propagation: str = "Background"
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


class Lifecycle:
    """Ends objects. `defer` runs what need not be done before the client has its answer."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        defer: Defer,
        kind_of: Callable[[str], Kind] = by_storage_name,
    ) -> None:
        self._store = store
        self._kind_of = kind_of
        self._now = now
        self._defer = defer

    def delete(self, record: Record, options: DeleteOptions) -> Record:
        """Delete an object, or begin to; returns its newest version, or its end. Raises ApiError 403, 409."""
        kind, raw = self._kind_of(record.resource), record.decode()
        metadata = raw["metadata"]
        check_preconditions(kind, raw, {"uid": options.uid, "resourceVersion": options.resource_version})
        if kind is NAMESPACES and record.key.name in _PROTECTED:
            raise forbidden(kind, record.key.name, "this namespace may not be deleted")
        if options.dry_run:
            return record
        if options.propagation == "Orphan":
            self._orphan(record)
        before = raw_copy(metadata)
        if options.propagation == "Foreground" and self._store.dependants(record.uid):
            finalizers = metadata.get("finalizers") or []
            metadata["finalizers"] = [*(f for f in finalizers if f != _FOREGROUND), _FOREGROUND]
        grace_s = 0 if self._nowhere(kind, raw) else _grace_s(kind, raw, options)
        if not grace_s and not metadata.get("finalizers") and kind is not NAMESPACES:
            return self.remove(record)
        self._mark(kind, raw, grace_s)
        if metadata == before:
            return record
        marked = self._store.put(record.resource, raw)
        self._defer(lambda: self._continue(marked))
        return marked

    def _nowhere(self, kind: Kind, raw: Raw) -> bool:
        """Whether a pod's node does not exist, so that no agent ends it (Kubernetes: pod garbage collection)."""
        node = str(raw["spec"].get("nodeName") or "") if kind is PODS else ""
        return node != "" and self._store.get(resource_name(NODES), Key("", node)) is None

    def _mark(self, kind: Kind, raw: Raw, grace_s: int) -> None:
        """Write down that an object is to go; a later deletion may shorten its time, never lengthen it."""
        metadata = raw["metadata"]
        if not metadata.get("deletionTimestamp") or grace_s < metadata.get("deletionGracePeriodSeconds", 0):
            metadata["deletionTimestamp"] = timestamp(self._now() + timedelta(seconds=min(grace_s, _LONGEST_GRACE_S)))
            if kind is not NAMESPACES:
                metadata["deletionGracePeriodSeconds"] = grace_s
        if kind is NAMESPACES:
            raw["status"] = (raw.get("status") or {}) | {"phase": "Terminating"}

    def _continue(self, record: Record) -> None:
        """The next step for an object that is to go, if it is still there."""
        current = self._store.by_uid(record.uid)
        if current is None:
            return
        metadata = current.decode()["metadata"]
        if not metadata.get("deletionTimestamp"):
            return
        if current.resource == resource_name(NAMESPACES):
            self._empty_namespace(current)
        elif _FOREGROUND in (metadata.get("finalizers") or ()):
            for dependant in self._store.dependants(current.uid):
                self.delete(dependant, DeleteOptions(propagation="Foreground"))
            self._finish_foreground(current.uid)

    def remove(self, record: Record) -> Record:
        """The end of an object; what depends on it follows."""
        end = self._store.remove(record)
        self._defer(lambda: self._after(end))
        return end

    def finish(self, record: Record) -> Record:
        """After an update of an object that is to go: remove it once nothing holds it any more."""
        metadata = record.decode()["metadata"]
        held = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
        if not metadata.get("deletionTimestamp") or held or record.resource == resource_name(NAMESPACES):
            return record
        return self.remove(record)

    def _after(self, end: Record) -> None:
        for dependant in self._store.dependants(end.uid):
            self.collect(dependant)
        for owner in end.owners:
            self._finish_foreground(owner)
        namespace = self._store.get(resource_name(NAMESPACES), Key("", end.key.namespace))
        if namespace is not None and namespace.fields.get("status.phase") == "Terminating":
            self._finish_namespace(namespace)

    def delete_all(self, resource: str) -> None:
        """Delete every object of a resource, as soon as there is time for it."""
        for record in self._store.records(resource):
            self._defer(partial(self._delete_later, record.uid))

    def _delete_later(self, uid: str) -> None:
        current = self._store.by_uid(uid)
        if current is not None:
            self.delete(current, DeleteOptions())

    def expire_events(self) -> None:
        """Events are told for an hour."""
        limit = timestamp(self._now() - timedelta(seconds=EVENT_LIFETIME_S))
        for record in self._store.records("events"):
            raw = record.decode()
            if (raw.get("lastTimestamp") or raw["metadata"]["creationTimestamp"]) < limit:
                self.remove(record)

    # Dependants

    def on_event(self, event: Event) -> None:
        """An object whose owners are all gone already follows them."""
        if event.previous is None and event.record.owners:
            self._defer(lambda: self.collect(event.record))

    def collect(self, record: Record) -> None:
        """Delete an object that has owners, none of which exists."""
        current = self._store.by_uid(record.uid)
        if current and current.owners and not any(self._store.by_uid(owner) for owner in current.owners):
            self.delete(current, DeleteOptions())

    def _orphan(self, record: Record) -> None:
        for dependant in self._store.dependants(record.uid):
            raw = dependant.decode()
            owners = [owner for owner in raw["metadata"]["ownerReferences"] if owner["uid"] != record.uid]
            raw["metadata"]["ownerReferences"] = owners
            if not owners:
                del raw["metadata"]["ownerReferences"]
            self._store.put(dependant.resource, raw)

    def _finish_foreground(self, uid: str) -> None:
        owner = self._store.by_uid(uid)
        if owner is None or self._store.dependants(uid):
            return
        raw = owner.decode()
        finalizers = raw["metadata"].get("finalizers") or []
        if _FOREGROUND in finalizers:
            raw["metadata"]["finalizers"] = [each for each in finalizers if each != _FOREGROUND]
            if not raw["metadata"]["finalizers"]:
                del raw["metadata"]["finalizers"]
            self.finish(self._store.put(owner.resource, raw))

    # Namespaces

    def _empty_namespace(self, namespace: Record) -> None:
        for record in self._store.in_namespace(namespace.key.name):
            if self._store.by_uid(record.uid):
                self.delete(record, DeleteOptions())
        self._finish_namespace(namespace)

    def _finish_namespace(self, namespace: Record) -> None:
        current = self._store.by_uid(namespace.uid)
        if current and not self._store.in_namespace(current.key.name) and not _finalizers(current):
            self.remove(current)

    def resume(self) -> None:
        """Go on with what a server that was killed had begun."""
        for record in self._store.all():
            if record.owners:
                self.collect(record)
            if b'"deletionTimestamp"' in record.body:
                self._continue(record)


def _finalizers(record: Record) -> list[str]:
    return record.decode()["metadata"].get("finalizers") or []


def raw_copy(metadata: Raw) -> Raw:
    """A copy that later assignments to the original do not change."""
    return dict(metadata)


def _grace_s(kind: Kind, raw: Raw, options: DeleteOptions) -> int:
    """How long a pod that runs has to end; everything else goes at once."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    if kind is not PODS or not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    if options.grace_period_s is not None:
        return max(0, options.grace_period_s)
    asked = spec.get("terminationGracePeriodSeconds")
    return 30 if asked is None else max(int(asked), 0)
