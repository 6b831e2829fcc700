"""The writes that a controller may want, as values, and the plans that put them in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from k8sshim.client import Resource
from k8sshim.objects import Key, Raw


@dataclass(frozen=True)
class _Whole:
    """A write that carries the whole object."""

    resource: Resource
    raw: Raw

    @property
    def key(self) -> Key:
        return Key.of(self.raw)


@dataclass(frozen=True)
class Create(_Whole):
    """Create an object. One of that name that has the same controller, or any at all with `exists_ok`, will do."""

    exists_ok: bool = False


@dataclass(frozen=True)
class Update(_Whole):
    """Replace an object, if it is still at `raw`'s resourceVersion."""


@dataclass(frozen=True)
class UpdateStatus(_Whole):
    """Replace an object's status, if the object is still at `raw`'s resourceVersion."""


@dataclass(frozen=True)
class Patch:
    """Merge a patch (RFC 7396) into an object, whatever its resourceVersion."""

    resource: Resource
    key: Key
    patch: Raw


@dataclass(frozen=True)
class Delete:
    """Delete an object."""

    resource: Resource
    key: Key
    uid: str


@dataclass(frozen=True)
class Look:
    """No write at all: see what an object is now."""

    resource: Resource
    key: Key


Write: TypeAlias = Create | Update | UpdateStatus | Patch | Delete | Look


@dataclass(frozen=True)
class Plan:
    """Writes in stages: those of one stage in any order, the next stage only when all of them have succeeded.

    A stage ends at its first failure (what follows would mostly fail for the same reason), unless its writes are
    `independent`. A plan without writes says that all is as it should be.
    """

    stages: tuple[tuple[Write, ...], ...] = ()
    again_after_s: float | None = None  # plan anew after that long, for what only time changes
    independent: bool = False

    @classmethod
    def of(cls, *stages: Iterable[Write], again_after_s: float | None = None, independent: bool = False) -> Plan:
        """A plan of these stages, without those that are empty."""
        filled = tuple(stage for stage in map(tuple, stages) if stage)
        return cls(filled, again_after_s, independent)

    @property
    def writes(self) -> tuple[Write, ...]:
        return tuple(write for stage in self.stages for write in stage)


NOTHING = Plan()


def with_status(resource: Resource, raw: Raw, status: Raw) -> tuple[Write, ...]:
    """The write that gives an object this status; none where it has it."""
    if (raw.get("status") or {}) == status:
        return ()
    return (UpdateStatus(resource, {**raw, "status": status}),)
