"""Everything that changes an object: create, update, patch, their subresources, and deletion.

One write is one synchronous call on the event loop, from reading the old version to storing the new one, so nothing
comes between them and the conflict that a client sees is always with another client.
"""

from __future__ import annotations

import copy
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from k8sshim.errors import Problem
from k8sshim.kinds import Kind
from k8sshim.objects import Key, Raw
from k8sshim.records import Record, encode
from k8sshim.store import Store
from k8sshim.validation import status_problems
from k8sshim.validation.schema import object_schema

from . import admission, binding, conversion, defaults, scale
from .apply import Manager, apply, applying, updated
from .custom import CustomKind, established
from .lifecycle import DeleteOptions, Lifecycle
from .patches import Patch
from .resources import DEFINITIONS, NAMESPACES, PODS, SERVICES, resource_name, stored_kind
from .routing import Target
from .service_fields import changed_problems, fill_in, fill_in_status
from .services import ServiceAllocator
from .status import already_exists, bad_request, forbidden, invalid, method_not_allowed, not_found, undecodable

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # as Kubernetes: no vowels, nothing that looks like something else
_SUFFIX_LENGTH = 5
_MISTYPED = re.compile(r"is an? \w+, expected an? ")  # what the schema says of a value of another type
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
        services: ServiceAllocator,
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

    def create(
        self,
        target: Target,
        body: Raw,
        *,
        dry_run: bool = False,
        keep_status: bool = False,
        accounts: list[Raw] | None = None,
        manager: str = "",
    ) -> Record:
        """Store a new object; `keep_status`: as it is, for what the lab itself brings; `accounts`: managedFields of
        what was applied, else all is the manager's where one is named. Raises ApiError."""
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
        if kind is SERVICES:
            fill_in(raw, None)
        self._validate(kind, raw)
        raw = conversion.to_stored(kind, raw)
        admission.new_metadata(stored_kind(kind), metadata, uid=self._chance.uid(), now=self._chance.now())
        if accounts:
            metadata["managedFields"] = accounts
        if not keep_status:
            admission.initial_status(kind, raw)
        if kind is DEFINITIONS:
            established(raw, admission.timestamp(self._chance.now()))
        self._complete(kind, raw, None)
        if manager and accounts is None:
            who = self._manager(target, manager)
            metadata["managedFields"] = updated({}, _without_status(kind, raw), self._schema(kind), who)
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

    def apply(self, target: Target, wanted: Raw, *, manager: str, force: bool, dry_run: bool) -> tuple[Record, bool]:
        """Server-side apply; whether the object was made. Raises ApiError as `update`, and 409 for fields of others."""
        wanted = _applicable(target, admission.check_identity(target, wanted))
        record = self._store.get(target.resource, target.key)
        who = applying(self._manager(target, manager))
        live = conversion.from_stored(target.kind, record.decode()) if record else None
        merged = apply(live, wanted, self._schema(target.kind), who, force=force)
        accounts = merged["metadata"].pop("managedFields")
        if record is None:
            if target.subresource:
                raise not_found(target.kind, target.name)
            whole = Target(target.kind, target.namespace)
            return self.create(whole, merged, dry_run=dry_run, accounts=accounts), True
        old, new = record.decode(), conversion.to_stored(target.kind, merged)
        return self._replace(target, record, old, new, dry_run=dry_run, accounts=accounts), False

    def _manager(self, target: Target, name: str) -> Manager:
        moment = admission.timestamp(self._chance.now())
        return Manager(name, api_version=target.kind.api_version, subresource=target.subresource, moment=moment)

    def _schema(self, kind: Kind) -> Raw:
        return kind.schema if isinstance(kind, CustomKind) else object_schema(kind)

    def update(self, target: Target, body: Raw, *, dry_run: bool = False, manager: str = "unknown") -> Record:
        """Replace an object, or its status or scale. Raises ApiError: 404, 409 on a stale resourceVersion, 422."""
        record = self._existing(target)
        old = record.decode()
        if target.subresource == "scale":
            return self._scale(target, record, old, scale.check(target, body), dry_run=dry_run, manager=manager)
        new = conversion.to_stored(target.kind, admission.check_identity(target, body))
        return self._replace(target, record, old, new, dry_run=dry_run, manager=manager)

    def patch(self, target: Target, patch: Patch, *, dry_run: bool = False, manager: str = "unknown") -> Record:
        """Change an object, or its status or scale. Raises ApiError as `update`, and 422 where the patch fits not."""
        record = self._existing(target)
        old = record.decode()
        if target.subresource == "scale":
            current = scale.view(target.kind, old)
            wanted = scale.check(target, patch(current))
            return self._scale(target, record, old, wanted, dry_run=dry_run, manager=manager)
        shown = conversion.from_stored(target.kind, record.decode())
        new = conversion.to_stored(target.kind, admission.check_identity(target, patch(shown)))
        return self._replace(target, record, old, new, dry_run=dry_run, manager=manager, patched=True)

    def _existing(self, target: Target) -> Record:
        record = self._store.get(target.resource, target.key)
        if record is None:
            raise not_found(target.kind, target.name)
        return record

    def _replace(
        self,
        target: Target,
        record: Record,
        old: Raw,
        new: Raw,
        *,
        dry_run: bool,
        manager: str = "unknown",
        accounts: list[Raw] | None = None,
        patched: bool = False,
    ) -> Record:
        """`accounts` are the managedFields after an apply; else what changes becomes the manager's."""
        kind = target.kind
        if accounts is None:
            accounts = admission.written_accounts(old, new)
        admission.check_preconditions(kind, old, new["metadata"])
        if target.subresource == "status":
            new = self._with_status(target, old, new, patched=patched)
        elif target.subresource == "ephemeralcontainers":
            new = _with_ephemeral(target, old, new)
            self._judge(kind, new, old)
            self._complete(kind, new, old)
        else:
            new = copy.deepcopy(new)  # a patch may share parts with the old version
            admission.keep_metadata(old, new)
            if kind.has_status:
                new.pop("status", None)
                new |= {"status": old["status"]} if "status" in old else {}
            if new != old:
                self._judge(kind, new, old, patched=patched)
                self._complete(kind, new, old)
                admission.check_immutable(kind, old, new)
                admission.bump_generation(stored_kind(kind), old, new)
        self._account(target, old, new, accounts, manager)
        if new == old:
            return record
        stored = self._put(target.resource, new, dry_run=dry_run)
        if dry_run or "deletionTimestamp" not in new["metadata"]:
            return stored
        return self._lifecycle.finish(stored)

    def _account(self, target: Target, old: Raw, new: Raw, accounts: list[Raw] | None, manager: str) -> None:
        """Keep account of who owns which fields, of objects that somebody has applied."""
        if accounts is None and old["metadata"].get("managedFields") and new != old:
            who = self._manager(target, manager)
            before, after = (
                raw if target.subresource == "status" else _without_status(target.kind, raw) for raw in (old, new)
            )
            accounts = updated(before, after, self._schema(target.kind), who)
        elif accounts is None:
            return
        new["metadata"] = {**new["metadata"], "managedFields": accounts}
        if not accounts:
            del new["metadata"]["managedFields"]

    def _with_status(self, target: Target, old: Raw, new: Raw, *, patched: bool) -> Raw:
        """The object with another status; a Service's labels and annotations come along, as in Kubernetes."""
        result = {**old, "metadata": dict(old["metadata"]), "status": copy.deepcopy(_status(target, new))}
        if target.kind is SERVICES:
            for name in ("labels", "annotations"):
                result["metadata"].pop(name, None)
                result["metadata"] |= {name: new["metadata"][name]} if new["metadata"].get(name) else {}
            self._validate(target.kind, result, patched=patched)
        problems = target.kind.problems(result) if isinstance(target.kind, CustomKind) else status_problems(result)
        _refuse(target.kind, target.name, problems, patched=patched)
        if target.kind is SERVICES:
            fill_in_status(result["spec"], result["status"])
        return result

    def _scale(self, target: Target, record: Record, old: Raw, wanted: Raw, *, dry_run: bool, manager: str) -> Record:
        admission.check_preconditions(target.kind, old, wanted["metadata"])
        new = copy.deepcopy(old)
        scale.set_replicas(target.kind, new, wanted["spec"].get("replicas", 0))
        whole = Target(target.kind, target.namespace, target.name)
        return self._replace(whole, record, old, new, dry_run=dry_run, manager=manager)

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

    def _validate(self, kind: Kind, raw: Raw, *, patched: bool = False) -> None:
        shown = conversion.from_stored(kind, raw) if conversion.converted(kind) else raw
        problems = kind.problems(shown) if isinstance(kind, CustomKind) else self._problems(shown)
        _refuse(kind, str(raw["metadata"].get("name") or ""), problems, patched=patched)

    def _judge(self, kind: Kind, new: Raw, old: Raw, *, patched: bool = False) -> None:
        """An update; a Service's is judged with what it left out and what its type makes void."""
        if kind is SERVICES:
            fill_in(new, old)
        self._validate(kind, _without_status(kind, new), patched=patched)
        changed = changed_problems(new, old) if kind is SERVICES else []
        if changed:
            raise invalid(kind, new["metadata"]["name"], changed)

    def _complete(self, kind: Kind, raw: Raw, old: Raw | None) -> None:
        """Fill in a valid object."""
        defaults.apply(stored_kind(kind), raw)
        if kind is SERVICES:
            self._services.allocate(raw, old)

    def _put(self, resource: str, raw: Raw, *, dry_run: bool) -> Record:
        if not dry_run:
            return self._store.put(resource, raw)
        metadata = raw["metadata"]
        version = int(metadata.get("resourceVersion") or 0)
        return Record(resource, Key.of(raw), version, metadata["uid"], {}, {}, (), encode(raw))


def _refuse(kind: Kind, name: str, problems: list[Problem], *, patched: bool) -> None:
    """Raises ApiError 422 where there are problems, or 400 for what Kubernetes could not decode; what a patch makes is
    decoded before."""
    mistyped = [problem for problem in problems if _MISTYPED.match(problem.message)]
    if mistyped and not patched and not isinstance(kind, CustomKind):
        raise undecodable(kind, mistyped)
    if problems:
        raise invalid(kind, name, problems)


def _with_ephemeral(target: Target, old: Raw, new: Raw) -> Raw:
    """The pod with more ephemeral containers; those that there are stay as they are."""
    spec = new.get("spec") or {}
    wanted = (spec.get("ephemeralContainers") or []) if isinstance(spec, dict) else None
    if not isinstance(wanted, list) or not all(map(_named, wanted)):
        why = "Invalid value: must be a list of containers, each with its name"
        raise invalid(target.kind, target.name, [Problem(why, field="spec.ephemeralContainers")])
    present = (old.get("spec") or {}).get("ephemeralContainers") or []
    names = [each["name"] for each in wanted]
    if any(each["name"] not in names for each in present):
        why = "Forbidden: existing ephemeral containers may not be removed"
        raise invalid(target.kind, target.name, [Problem(why, field="spec.ephemeralContainers")])
    kept = {each["name"]: each for each in present}
    spec = {**old["spec"], "ephemeralContainers": [kept.get(each["name"], each) for each in copy.deepcopy(wanted)]}
    return {**old, "metadata": dict(old["metadata"]), "spec": spec}


def _named(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str)


def _applicable(target: Target, raw: Raw) -> Raw:
    """The part of an applied object that its resource is about."""
    if target.subresource == "status":
        return {name: value for name, value in raw.items() if name in ("apiVersion", "kind", "metadata", "status")}
    return _without_status(target.kind, raw)


def _status(target: Target, raw: Raw) -> Raw:
    status = raw.get("status") or {}
    if not isinstance(status, dict):
        raise invalid(target.kind, target.name, [Problem(f"Invalid value: {status!r}: is no object", field="status")])
    return status


def _without_status(kind: Kind, raw: Raw) -> Raw:
    """What a writer of the main resource answers for: a status that the agents wrote is not judged again."""
    return {name: value for name, value in raw.items() if name != "status"} if kind.has_status else raw
