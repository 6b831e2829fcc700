"""Answers as bytes: objects as they lie in the store, lists joined from them, `Status`."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from k8sshim.kinds import Kind
from k8sshim.objects import Raw
from k8sshim.records import Record, encode

from . import conversion

JSON = "application/json"


def json_response(raw: Raw | bytes, code: int = 200) -> Response:
    return Response(encode(raw) if not isinstance(raw, bytes) else raw, code, media_type=JSON)


def status_response(status: Raw) -> Response:
    return json_response(status, int(status.get("code", 200)))


def with_warnings(response: Response, warnings: Iterable[str]) -> Response:
    """The answer with a header for each warning, as clients show them (RFC 7234, section 5.5)."""
    for text in warnings:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.append("Warning", f'299 - "{quoted}"')
    return response


def body(kind: Kind, record: Record) -> bytes:
    """An object in the version that was asked for."""
    if conversion.converted(kind):
        return encode(conversion.from_stored(kind, record.decode()))
    return record.body


def list_body(kind: Kind, records: Iterable[Record], metadata: Raw) -> bytes:
    """A list of objects; nothing is encoded anew."""
    head = encode({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata})
    return b"".join((head[:-1], b',"items":[', b",".join(body(kind, record) for record in records), b"]}"))
