"""The smallest OpenAPI v2 document that kubectl accepts, as JSON and as protobuf.

kubectl asks for it before `apply`, and validates no kind that it does not define: validating is done here, on the
server, with messages of one kind for every client. The protobuf form is gnostic's `openapi.v2.Document`
(https://github.com/google/gnostic/blob/main/openapiv2/OpenAPIv2.proto); a document this small is written by hand.
"""

from __future__ import annotations

from k8sshim.objects import Raw

from .discovery import version

ACCEPTED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"  # what clients ask for
PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"  # the same as a lawful media type

_SWAGGER, _INFO, _PATHS = 1, 2, 8  # fields of Document
_TITLE, _VERSION = 1, 2  # fields of Info


def document() -> Raw:
    return {"swagger": "2.0", "info": {"title": "podwire", "version": version()["gitVersion"]}, "paths": {}}


def protobuf() -> bytes:
    """The same document as protobuf."""
    info = document()["info"]
    return b"".join(
        (
            _field(_SWAGGER, document()["swagger"].encode()),
            _field(_INFO, _field(_TITLE, info["title"].encode()) + _field(_VERSION, info["version"].encode())),
            _field(_PATHS, b""),
        )
    )


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field; all of this document's are shorter than 128 bytes, so the length is one byte."""
    return bytes((number << 3 | 2, len(content))) + content
