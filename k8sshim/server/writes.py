"""Everything that changes an object: create, update, patch, their subresources, and deletion.

One write is one synchronous call on the event loop, from reading the old version to storing the new one, so nothing
comes between them and the conflict that a client sees is always with another client.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from k8sshim.errors import Problem
from k8sshim.kinds import Kind
from k8sshim.objects import Key, Raw
from k8sshim.records import Record, encode
from k8sshim.store import Store

from . import admission, binding, conversion, defaults, scale
from .lifecycle import DeleteOptions, Lifecycle
from .patches import Patch
from .resources import NAMESPACES, PODS, SERVICES, resource_name, stored_kind
from .routing import Target
from .services import ServiceDefaults
from .status import already_exists, bad_request, forbidden, invalid, method_not_allowed, not_found

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # as Kubernetes: no vowels, nothing that looks like something else
_SUFFIX_LENGTH = 5
_MAX_GENERATED_BASE = 63 - _SUFFIX_LENGTH


def random_suffix() -> str:
    return "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(_SUFFIX_LENGTH))


@dataclass(frozen=True)
class Chance:
    """Time and randomness, as the server takes them in."""

    now: Callable[[], datetime]
    uid: Callable[[], str]
    suffix: Callable[[], str] = random_suffix


class Writer:
    """The write half of the API."""

    def __init__(
        self,
        store: Store,
        services: ServiceDefaults,
        lifecycle: Lifecycle,
        chance: Chance,
        problems: Callable[[Raw], list[Problem]],
    ) -> None:
        self._store = store
        self._services = services
        self._lifecycle = lifecycle
        self._chance = chance
        self._problems = problems

    # Create

    def create(self, target: Target, body: Raw, *, dry_run: bool = False, keep_status: bool = False) -> Record:
        """Store a new object. `keep_status`: for objects that the lab itself brings. Raises ApiError."""
        kind = target.kind
        if not kind.stored:
            raise method_not_allowed()
        if kind.namespaced and not target.namespace:
            raise bad_request("the namespace of the object is missing")
        raw = admission.check_identity(target, body)
        metadata = raw["metadata"]
        if metadata.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        self._check_namespace(kind, target.namespace, str(metadata.get("name") or ""))
        self._name(target, metadata)
        self._validate(kind, raw)
        raw = conversion.to_stored(kind, raw)
        admission.new_metadata(stored_kind(kind), metadata, uid=self._chance.uid(), now=self._chance.now())
        if not keep_status:
            admission.initial_status(kind, raw)
        self._fill_in(kind, raw, None)
        return self._put(target.resource, raw, dry_run=dry_run)

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        if not kind.namespaced:
            return
        record = self._store.get(resource_name(NAMESPACES), Key("", namespace))
        if record is None:
            raise not_found(NAMESPACES, namespace)
        if record.fields.get("status.phase") == "Terminating":
            message = f"namespace {namespace} is being terminated"
            cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
            raise forbidden(kind, name, f"unable to create new content in namespace {namespace}: {message}", [cause])

    def _name(self, target: Target, metadata: Raw) -> None:
        """The object's name, made from generateName where it has none. Raises ApiError 409 where it is taken."""
        base = metadata.get("generateName")
        if metadata.get("name") or not isinstance(base, str) or not base:
            if self._store.get(target.resource, Key(target.namespace, str(metadata.get("name") or ""))):
                raise already_exists(target.kind, metadata["name"])
            return
        metadata["name"] = base[:_MAX_GENERATED_BASE] + self._chance.suffix()
        while self._store.get(target.resource, Key(target.namespace, metadata["name"])):
            metadata["name"] = base[:_MAX_GENERATED_BASE] + self._chance.suffix()

    # Update and patch

    def update(self, target: Target, body: Raw, *, dry_run: bool = False) -> Record:
        """Replace an object, or its status or scale. Raises ApiError: 404, 409 on a stale resourceVersion, 422."""
        record = self._existing(target)
        old = record.decode()
        if target.subresource == "scale":
            return self._scale(target, record, old, scale.check(target, body), dry_run=dry_run)
        new = conversion.to_stored(target.kind, admission.check_identity(target, body))
        return self._replace(target, record, old, new, dry_run=dry_run)

    def patch(self, target: Target, patch: Patch, *, dry_run: bool = False) -> Record:
        """Change an object, or its status or scale. Raises ApiError as `update`, and 422 where the patch fits not."""
        record = self._existing(target)
        old = record.decode()
        if target.subresource == "scale":
            current = scale.view(target.kind, old)
            return self._scale(target, record, old, scale.check(target, patch(current)), dry_run=dry_run)
        shown = conversion.from_stored(target.kind, record.decode())
        new = conversion.to_stored(target.kind, admission.check_identity(target, patch(shown)))
        return self._replace(target, record, old, new, dry_run=dry_run)

    def _existing(self, target: Target) -> Record:
        record = self._store.get(target.resource, target.key)
        if record is None:
            raise not_found(target.kind, target.name)
        return record

    def _replace(self, target: Target, record: Record, old: Raw, new: Raw, *, dry_run: bool) -> Record:
        kind = target.kind
        admission.check_preconditions(kind, old, new["metadata"])
        if target.subresource == "status":
            new = {**old, "metadata": dict(old["metadata"]), "status": _status(target, new)}
        else:
            new = copy.deepcopy(new)  # a patch may share parts with the old version
            admission.keep_metadata(old, new)
            if kind.has_status:
                new.pop("status", None)
                new |= {"status": old["status"]} if "status" in old else {}
            if new != old:
                self._validate(kind, _without_status(kind, new))
                self._fill_in(kind, new, old)
                admission.check_immutable(kind, old, new)
                admission.bump_generation(stored_kind(kind), old, new)
        if new == old:
            return record
        stored = self._put(target.resource, new, dry_run=dry_run)
        if dry_run or "deletionTimestamp" not in new["metadata"]:
            return stored
        return self._lifecycle.finish(stored)

    def _scale(self, target: Target, record: Record, old: Raw, wanted: Raw, *, dry_run: bool) -> Record:
        admission.check_preconditions(target.kind, old, wanted["metadata"])
        new = copy.deepcopy(old)
        new["spec"]["replicas"] = wanted["spec"].get("replicas", 0)
        return self._replace(Target(target.kind, target.namespace, target.name), record, old, new, dry_run=dry_run)

    def bind(self, target: Target, body: Raw, *, dry_run: bool = False) -> None:
        """Bind a pod to a node, with the annotations that come along, in one write. Raises ApiError 404, 409, 422."""
        record = self._existing(target)
        bound = binding.bind(record.decode(), body, self._chance.now())
        self._put(resource_name(PODS), bound, dry_run=dry_run)

    # Delete

    def delete(self, target: Target, options: DeleteOptions) -> Record:
        return self._lifecycle.delete(self._existing(target), options)

    def delete_all(self, records: list[Record], options: DeleteOptions) -> list[Record]:
        present = [record for record in records if self._store.by_uid(record.uid)]
        return [self._lifecycle.delete(record, options) for record in present]

    # What all share

    def _validate(self, kind: Kind, raw: Raw) -> None:
        problems = self._problems(conversion.from_stored(kind, raw) if conversion.converted(kind) else raw)
        if problems:
            raise invalid(kind, str(raw["metadata"].get("name") or ""), problems)

    def _fill_in(self, kind: Kind, raw: Raw, old: Raw | None) -> None:
        defaults.apply(stored_kind(kind), raw)
        if kind is SERVICES:
            self._services.apply(raw, old)

    def _put(self, resource: str, raw: Raw, *, dry_run: bool) -> Record:
        if not dry_run:
            return self._store.put(resource, raw)
        metadata = raw["metadata"]
        version = int(metadata.get("resourceVersion") or 0)
        return Record(resource, Key.of(raw), version, metadata["uid"], {}, {}, (), encode(raw))


def _status(target: Target, raw: Raw) -> Raw:
    status = raw.get("status") or {}
    if not isinstance(status, dict):
        raise invalid(target.kind, target.name, [Problem(f"Invalid value: {status!r}: is no object", field="status")])
    return status


def _without_status(kind: Kind, raw: Raw) -> Raw:
    """What a writer of the main resource answers for: a status that the agents wrote is not judged again."""
    return {name: value for name, value in raw.items() if name != "status"} if kind.has_status else raw
