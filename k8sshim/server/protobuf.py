"""Requests in Kubernetes' protobuf, which kubectl and Go programs send without being asked to: read, answered in JSON.

A body is `k8s`, a zero byte and a `runtime.Unknown` around the object's own message
(https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding). What messages look like stands in
`protobuf_fields.txt`, which `tools/wire_table` makes from Kubernetes' published definitions. Pure.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from importlib.resources import files
from typing import Any

from k8sshim.objects import Raw

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_TYPE_META, _RAW = 1, 2  # fields of runtime.Unknown
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_INLINED = "*"


@dataclass(frozen=True)
class _Field:
    name: str  # in JSON; `*` where its members stand in the message itself
    kind: str  # s, y, i, b, d, or a message's name
    many: str  # "", "[]" or "{}"
    pointer: bool  # it is sent only where it is set
    always: bool  # JSON has it even when it is empty


def decode(body: bytes) -> Raw:
    """The object in a body, as JSON has it. Raises ValueError or TypeError where there is none."""
    if not body.startswith(_MAGIC):
        raise ValueError("it does not begin with k8s and a zero byte")
    envelope = {number: value for number, value in _fields(body[len(_MAGIC) :]) if isinstance(value, bytes)}
    header = [value.decode() for _, value in _fields(envelope.get(_TYPE_META, b"")) if isinstance(value, bytes)]
    if len(header) != 2:
        raise ValueError("it has no apiVersion and kind")
    api_version, kind = header
    message = _message_of(api_version, kind)
    if message not in _table():
        raise ValueError(f"{api_version} {kind} is not known in protobuf")
    return {"apiVersion": api_version, "kind": kind} | _object(message, envelope.get(_RAW, b""))


def _message_of(api_version: str, kind: str) -> str:
    if kind == "DeleteOptions":  # of every group
        return "meta.v1.DeleteOptions"
    group, _, version = api_version.rpartition("/")
    return f"{_PACKAGES.get(group, group.split('.')[0])}.{version}.{kind}"


_PACKAGES = {"": "core", "rbac.authorization.k8s.io": "rbac"}


@cache
def _table() -> dict[str, dict[int, _Field]]:
    lines = files(__package__).joinpath("protobuf_fields.txt").read_text().splitlines()
    return {name: dict(map(_field, words)) for name, *words in map(str.split, lines)}


def _field(word: str) -> tuple[int, _Field]:
    name, _, rest = word.partition("=")
    number, _, kind = rest.partition(":")
    many = kind[:2] if kind[:2] in ("[]", "{}") else ""
    bare = kind[len(many) :].rstrip("?!")
    return int(number), _Field(name, bare, many, pointer=kind.endswith("?"), always=kind.endswith("!"))


def _object(message: str, data: bytes) -> Raw:
    raw: Raw = {}
    table = _table()[message]
    for number, value in _fields(data):
        field = table.get(number)
        if field is not None:
            _put(raw, field, value)
    return raw


def _put(raw: Raw, field: _Field, value: int | bytes) -> None:
    if field.many == "{}":
        key, item = _entry(field, value)
        raw.setdefault(field.name, {})[key] = item
    elif field.many:
        raw.setdefault(field.name, []).extend(_items(field, value))
    elif field.name == _INLINED:
        raw.update(_value(field.kind, value) or {})
    else:
        read = _value(field.kind, value)
        if read or field.always or (field.pointer and read is not None):
            raw[field.name] = read


def _entry(field: _Field, value: int | bytes) -> tuple[str, Any]:
    parts = dict(_fields(_as_bytes(value)))
    empty: int | bytes = 0 if field.kind in ("i", "b") else b""
    return _as_bytes(parts.get(1, b"")).decode(), _value(field.kind, parts.get(2, empty))


def _items(field: _Field, value: int | bytes) -> list[Any]:
    if field.kind in ("i", "b") and isinstance(value, bytes):  # packed
        return [_value(field.kind, each) for each in _varints(value)]
    return [_value(field.kind, value)]


def _value(kind: str, value: int | bytes) -> Any:
    read = _READERS.get(kind)
    if read is not None:
        return read(value)
    if kind.endswith(".ExtraValue"):
        return _object(kind, _as_bytes(value)).get("items", [])
    return _object(kind, _as_bytes(value))


def _as_bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a number stands where a text or a message is expected")
    return value


def _integer(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise TypeError("a text stands where a number is expected")
    return value - (1 << 64) if value >> 63 else value


def _time(value: int | bytes) -> str | None:
    parts = {number: _integer(part) for number, part in _fields(_as_bytes(value))}
    if not parts:
        return None
    moment = datetime.fromtimestamp(parts.get(1, 0), timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def _micro_time(value: int | bytes) -> str | None:
    text = _time(value)
    nanos = dict(_fields(_as_bytes(value))).get(2, 0)
    return text and f"{text[:-1]}.{_integer(nanos) // 1000:06}Z"


def _int_or_string(value: int | bytes) -> int | str:
    parts = dict(_fields(_as_bytes(value)))
    return _as_bytes(parts.get(3, b"")).decode() if parts.get(1) else _integer(parts.get(2, 0))


def _text_within(value: int | bytes) -> str:
    return _as_bytes(dict(_fields(_as_bytes(value))).get(1, b"")).decode()


def _json_within(value: int | bytes) -> Any:
    text = _text_within(value)
    return json.loads(text) if text else None


def _duration(value: int | bytes) -> str:
    return f"{_integer(dict(_fields(_as_bytes(value))).get(1, 0)) / 1e9:g}s"


_READERS: dict[str, Callable[[int | bytes], Any]] = {
    "s": lambda value: _as_bytes(value).decode(),
    "y": lambda value: base64.b64encode(_as_bytes(value)).decode(),
    "i": _integer,
    "b": bool,
    "d": lambda value: struct.unpack("<d", _as_bytes(value))[0],
    "meta.v1.Time": _time,
    "meta.v1.MicroTime": _micro_time,
    "meta.v1.Duration": _duration,
    "meta.v1.FieldsV1": _json_within,
    "pkg.runtime.RawExtension": _json_within,
    "util.intstr.IntOrString": _int_or_string,
    "api.resource.Quantity": _text_within,
}


# The wire format: https://protobuf.dev/programming-guides/encoding/


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a message. Raises ValueError where it breaks off."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(wire, len(data) + 1)
        if at + length > len(data):
            raise ValueError("it breaks off within a field")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise ValueError("it breaks off within a number")


def _varints(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value
