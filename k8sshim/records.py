"""What the store holds of objects: encoded JSON, and beside it the little that selecting and indexing need. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import msgspec

from k8sshim.objects import Key, Raw

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()

Fields = Mapping[str, str]  # what field selectors can ask for


@dataclass(frozen=True, slots=True)
class Record:
    """One version of one object."""

    resource: str  # "pods", "deployments.apps"
    key: Key
    version: int
    uid: str
    labels: Mapping[str, str]
    fields: Fields
    owners: tuple[str, ...]  # UIDs
    body: bytes  # JSON

    def decode(self) -> Raw:
        """The object, the caller's to change."""
        return decode(self.body)


@dataclass(frozen=True, slots=True)
class Event:
    """One write: `previous` is None for a creation; `record` of a deletion is the object as it was at its end."""

    record: Record
    previous: Record | None
    deleted: bool


def decode(body: bytes) -> Raw:
    """An object from JSON. Raises `msgspec.DecodeError` where it is none."""
    return cast(Raw, _decoder.decode(body))


def encode(raw: Raw) -> bytes:
    return _encoder.encode(raw)
