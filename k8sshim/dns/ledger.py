"""Every name of the cluster, kept by the object that it comes from: a change costs what it concerns. Pure.

An object's records are recomputed when it, or the Service that its slice belongs to, changes. Several objects may give
the same record (pods of a node's own network, slices of one Service); it is there as long as one of them does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from k8sshim.dns import records
from k8sshim.dns.records import Record
from k8sshim.objects import EndpointSlice, Key, Raw, Service

SERVICE, SLICE, POD = "Service", "EndpointSlice", "Pod"
_Owner = tuple[str, Key]


@dataclass(frozen=True)
class Changes:
    """What is to be taken out, and then put in."""

    removed: tuple[Record, ...] = ()
    added: tuple[Record, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.added)


class Ledger:
    """The names of one cluster."""

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._services: dict[Key, Service] = {}
        self._slices: dict[Key, EndpointSlice] = {}
        self._slices_of: defaultdict[Key, set[Key]] = defaultdict(set)  # a Service's
        self._owned: dict[_Owner, frozenset[Record]] = {}
        self._owners: Counter[Record] = Counter()
        self._touched: dict[Record, bool] = {}  # since the last `take`, and whether it was there then
        self._own(("Schema", Key("", "")), (records.schema_record(domain),))

    def put(self, kind: str, raw: Raw) -> None:
        """An object is there, or has changed."""
        key = Key.of(raw)
        if kind == SERVICE:
            self._put_service(key, Service.parse(raw))
        elif kind == SLICE:
            self._drop_slice(key)
            self._put_slice(key, EndpointSlice.parse(raw))
        else:
            status = raw.get("status") or {}
            addresses = [one["ip"] for one in status.get("podIPs") or () if one.get("ip")]
            own = records.pod_records(key.namespace, status.get("phase") or "", addresses, self._domain)
            self._own((POD, key), own)

    def drop(self, kind: str, key: Key) -> None:
        """An object is gone."""
        if kind == SERVICE:
            self._services.pop(key, None)
            for each in self._slices_of.get(key, ()):
                self._own((SLICE, each), ())
        elif kind == SLICE:
            self._drop_slice(key)
        self._own((kind, key), ())

    def take(self) -> Changes:
        """What has changed since this was last called."""
        touched, self._touched = self._touched, {}
        changed = [(record, before) for record, before in touched.items() if before != (record in self._owners)]
        return Changes(
            removed=tuple(record for record, before in changed if before),
            added=tuple(record for record, before in changed if not before),
        )

    def __iter__(self) -> Iterator[Record]:
        """Every record there is."""
        return iter(self._owners)

    def __len__(self) -> int:
        return len(self._owners)

    def _put_service(self, key: Key, service: Service) -> None:
        self._services[key] = service
        self._own((SERVICE, key), records.service_records(service, self._domain))
        for each in self._slices_of.get(key, ()):
            self._own((SLICE, each), records.slice_records(service, self._slices[each], self._domain))

    def _put_slice(self, key: Key, one: EndpointSlice) -> None:
        if one.service is None:
            self._own((SLICE, key), ())
            return
        self._slices[key] = one
        self._slices_of[one.service].add(key)
        service = self._services.get(one.service)
        self._own((SLICE, key), records.slice_records(service, one, self._domain) if service else ())

    def _drop_slice(self, key: Key) -> None:
        """Forget a slice; its records stay until `_own` says what becomes of them."""
        before = self._slices.pop(key, None)
        if before is None or before.service is None:
            return
        siblings = self._slices_of[before.service]
        siblings.discard(key)
        if not siblings:
            del self._slices_of[before.service]

    def _own(self, owner: _Owner, wanted: Iterable[Record]) -> None:
        now, before = frozenset(wanted), self._owned.get(owner, frozenset())
        for record in now - before:
            self._touched.setdefault(record, record in self._owners)
            self._owners[record] += 1
        for record in before - now:
            self._touched.setdefault(record, True)
            self._owners[record] -= 1
            if not self._owners[record]:
                del self._owners[record]
        if now:
            self._owned[owner] = now
        else:
            self._owned.pop(owner, None)
