"""The objects as this process knows them: what its informers saw and what it wrote itself, whichever is newer.

A controller that planned from an informer's view alone would not see its own last writes, and would make a pod too
many. Here an answer to a write counts as seen (Kubernetes' controllers keep "expectations" to the same end). Two
things remain: an object that was deleted must not come back with a late answer, and one whose deletion was asked for
must not look alive because an older event is still on its way.

Objects are shared and never changed in place. All of it belongs to one thread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from k8sshim.client import ENDPOINT_SLICES, PODS, SERVICES, Resource
from k8sshim.objects import Key, Raw

_REMEMBERED = 4096  # UIDs of objects that are gone


@dataclass(frozen=True)
class Change:
    """An object came (`old` is None), changed, or went (`new` is None)."""

    resource: Resource
    key: Key
    old: Raw | None
    new: Raw | None

    @property
    def present(self) -> tuple[Raw, ...]:
        """Old and new, as far as there are any."""
        return tuple(raw for raw in (self.old, self.new) if raw is not None)

    @property
    def latest(self) -> Raw:
        return self.present[-1]


Words = Callable[[Raw], Iterable[object]]
_Index = dict[Any, dict[Key, Raw]]


def _words_of_pod(pod: Raw) -> Iterable[object]:
    """A pod is found by each of its labels, and by its node."""
    yield from (pod["metadata"].get("labels") or {}).items()
    yield (pod.get("spec") or {}).get("nodeName") or ""


def _words_of_service(service: Raw) -> Iterable[object]:
    """A Service is found by one label that all its pods have: whoever looks by every label of a pod finds it."""
    yield from sorted(((service.get("spec") or {}).get("selector") or {}).items())[:1]


def _words_of_slice(raw: Raw) -> Iterable[object]:
    """A slice is found by each of its labels."""
    return (raw["metadata"].get("labels") or {}).items()


_WORDS: dict[Resource, Words] = {
    PODS: _words_of_pod,
    SERVICES: _words_of_service,
    ENDPOINT_SLICES: _words_of_slice,
}


@dataclass
class _Table:
    words: Words
    objects: dict[Key, Raw] = field(default_factory=dict)
    by_namespace: _Index = field(default_factory=dict)
    by_owner: _Index = field(default_factory=dict)
    unowned: _Index = field(default_factory=dict)  # without a controller, by namespace
    by_word: _Index = field(default_factory=dict)  # by namespace and word

    def places(self, key: Key, raw: Raw) -> Iterator[tuple[_Index, object]]:
        """The indexes in which an object stands, and where."""
        yield self.by_namespace, key.namespace
        owners = raw["metadata"].get("ownerReferences") or ()
        for owner in owners:
            yield self.by_owner, owner.get("uid") or ""
        if not any(owner.get("controller") for owner in owners):
            yield self.unowned, key.namespace
        for word in self.words(raw):
            yield self.by_word, (key.namespace, word)

    def put(self, key: Key, raw: Raw) -> None:
        self.remove(key)
        self.objects[key] = raw
        for index, place in self.places(key, raw):
            index.setdefault(place, {})[key] = raw

    def remove(self, key: Key) -> None:
        old = self.objects.pop(key, None)
        if old is None:
            return
        for index, place in self.places(key, old):
            entries = index.get(place, {})
            entries.pop(key, None)
            if not entries:
                index.pop(place, None)


class World:
    """Objects by resource, key, namespace and owner."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._tables = {resource: _Table(_WORDS.get(resource, lambda _: ())) for resource in resources}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._leaving: set[str] = set()  # UIDs of objects whose deletion the server has accepted
        self._unconfirmed: dict[tuple[Resource, Key], str] = {}  # written here, not seen by an informer yet

    def resources(self) -> tuple[Resource, ...]:
        return tuple(self._tables)

    def get(self, resource: Resource, key: Key) -> Raw | None:
        return self._tables[resource].objects.get(key)

    def all(self, resource: Resource, namespace: str | None = None) -> list[Raw]:
        """All objects, or those of one namespace."""
        table = self._tables[resource]
        return list((table.objects if namespace is None else table.by_namespace.get(namespace, {})).values())

    def owned(self, resource: Resource, uid: str) -> list[Raw]:
        """The objects that name this owner, as controller or otherwise."""
        return list(self._tables[resource].by_owner.get(uid, {}).values())

    def unowned(self, resource: Resource, namespace: str) -> list[Raw]:
        """The objects of a namespace that no controller owns."""
        return list(self._tables[resource].unowned.get(namespace, {}).values())

    def found(self, resource: Resource, namespace: str, word: object) -> Mapping[Key, Raw]:
        """The objects of a namespace that a word leads to (see `_WORDS`)."""
        return self._tables[resource].by_word.get((namespace, word), {})

    def namespaces(self, resource: Resource) -> list[str]:
        """The namespaces that have such objects."""
        return list(self._tables[resource].by_namespace)

    def unconfirmed(self) -> list[tuple[Resource, Key]]:
        """Objects known from an answer alone, which somebody may have deleted before an informer saw them."""
        return list(self._unconfirmed)

    def observe(self, resource: Resource, raw: Raw) -> Change | None:
        """An informer saw an object. Returns what changed, None where nothing did."""
        self._unconfirmed.pop((resource, Key.of(raw)), None)
        return self._put(resource, raw)

    def written(self, resource: Resource, raw: Raw) -> Change | None:
        """The server answered a write with this object, which may be of a resource that nobody here follows."""
        if resource not in self._tables:
            return None
        change = self._put(resource, raw)
        if change and change.old is None:
            self._unconfirmed[resource, change.key] = _uid(raw)
        return change

    def deleting(self, resource: Resource, key: Key, uid: str, now: str) -> Change | None:
        """The server accepted the deletion of an object, which goes at once or once its node has ended it."""
        old = self.get(resource, key)
        if old is None or _uid(old) != uid:
            return None
        self._leaving.add(uid)
        return self._put(resource, _marked(old, now), same_version=True)

    def gone(self, resource: Resource, key: Key, uid: str) -> Change | None:
        """An object exists no more."""
        self._gone[uid] = None
        if len(self._gone) > _REMEMBERED:
            self._gone.popitem(last=False)
        self._leaving.discard(uid)
        self._unconfirmed.pop((resource, key), None)
        table = self._tables[resource]
        old = table.objects.get(key)
        if old is None or _uid(old) != uid:
            return None
        table.remove(key)
        return Change(resource, key, old, None)

    def _put(self, resource: Resource, raw: Raw, *, same_version: bool = False) -> Change | None:
        table, key, uid = self._tables[resource], Key.of(raw), _uid(raw)
        old = table.objects.get(key)
        if uid in self._gone:
            return None
        if old is not None and not same_version and version(raw) <= version(old):
            return None
        if uid in self._leaving and not raw["metadata"].get("deletionTimestamp") and old is not None:
            raw = _marked(raw, old["metadata"].get("deletionTimestamp") or "")
        table.put(key, raw)
        return Change(resource, key, old, raw)


def version(raw: Raw) -> int:
    """A resourceVersion as a number; Kubernetes lets clients compare them so (KEP-5504)."""
    text = str(raw["metadata"].get("resourceVersion") or "")
    return int(text) if text.isdigit() else 0


def _uid(raw: Raw) -> str:
    return str(raw["metadata"].get("uid") or "")


def _marked(raw: Raw, now: str) -> Raw:
    metadata = raw["metadata"]
    return {**raw, "metadata": {**metadata, "deletionTimestamp": metadata.get("deletionTimestamp") or now}}


def controller_uid(raw: Raw) -> str:
    """The UID of the controller that owns an object; "" for none."""
    owners = raw["metadata"].get("ownerReferences") or ()
    return next((str(owner.get("uid") or "") for owner in owners if owner.get("controller")), "")
