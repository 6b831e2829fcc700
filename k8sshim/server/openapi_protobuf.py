"""An OpenAPI v2 document as protobuf, the form in which Go clients ask for it. Pure.

The messages are gnostic's (https://github.com/google/gnostic/blob/main/openapiv2/OpenAPIv2.proto): `Document`, and of
its paths and definitions what those clients read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from k8sshim.objects import Raw
from k8sshim.records import encode

ACCEPTED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"  # what clients ask for
PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"  # the same as a lawful media type

_REF, _FORMAT, _DESCRIPTION = 1, 2, 4
_REQUIRED, _ADDITIONAL, _TYPE, _ITEMS, _PROPERTIES, _EXTENSION = 19, 21, 22, 23, 25, 31  # fields of Schema


def document(raw: Raw) -> bytes:
    """The document's definitions and paths as protobuf."""
    info = _text(1, raw["info"]["title"]) + _text(2, raw["info"]["version"])
    paths = (_field(2, _named(path, _path_item(item))) for path, item in raw["paths"].items())
    definitions = (_field(1, _named(name, _schema(schema))) for name, schema in raw["definitions"].items())
    return b"".join(
        (_text(1, raw["swagger"]), _field(2, info), _field(8, b"".join(paths)), _field(9, b"".join(definitions)))
    )


def _schema(schema: Raw) -> bytes:
    parts = [
        _text(_REF, schema.get("$ref", "")),
        _text(_FORMAT, schema.get("format", "")),
        _text(_DESCRIPTION, schema.get("description", "")),
        *(_text(_REQUIRED, name) for name in schema.get("required", ())),
    ]
    additional, items = schema.get("additionalProperties"), schema.get("items")
    if isinstance(additional, dict):
        parts.append(_field(_ADDITIONAL, _field(1, _schema(additional))))
    if "type" in schema:
        parts.append(_field(_TYPE, _text(1, schema["type"])))
    if isinstance(items, dict):
        parts.append(_field(_ITEMS, _field(1, _schema(items))))
    if schema.get("properties"):
        named = (_field(1, _named(name, _schema(part))) for name, part in schema["properties"].items())
        parts.append(_field(_PROPERTIES, b"".join(named)))
    return b"".join([*parts, *_extensions(_EXTENSION, schema)])


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}  # fields of PathItem
_NON_BODY, _QUERY_PARAMETER = 2, 3  # fields of Parameter and NonBodyParameter


def _path_item(item: Raw) -> bytes:
    return b"".join(_field(number, _operation(item[name])) for name, number in _METHODS.items() if name in item)


def _operation(operation: Raw) -> bytes:
    asked = [each for each in operation["parameters"] if each["in"] == "query"]
    parameters = (_field(8, _field(1, _query_parameter(each["name"]))) for each in asked)
    consumes = (_text(7, each) for each in operation.get("consumes", ()))
    return b"".join((_text(5, operation["operationId"]), *consumes, *parameters, *_extensions(13, operation)))


def _query_parameter(name: str) -> bytes:
    own = _text(2, "query") + _text(4, name) + _text(6, "string")
    return _field(_NON_BODY, _field(_QUERY_PARAMETER, own))


def _extensions(number: int, raw: Raw) -> Iterable[bytes]:
    for name, value in raw.items():
        if name.startswith("x-"):
            yield _field(number, _named(name, _any(value)))


def _any(value: Any) -> bytes:
    """A value as YAML, which JSON is."""
    return _field(2, encode(value))


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _field(2, value)


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode()) if text else b""


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
