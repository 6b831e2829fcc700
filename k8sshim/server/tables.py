"""Server-side printing: objects as the rows that `kubectl get` shows.

The server decides on columns and cells (kinds in `printers`), the client lays them out; columns of priority 1 are for
`-o wide`. Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from k8sshim.kinds import Kind
from k8sshim.objects import Raw
from k8sshim.records import Record, encode

from . import conversion
from .columns import Column
from .printers import printer
from .resources import stored_kind

_MEDIA_TYPE = "application/json"
_VERSIONS = ("v1", "v1beta1")
_PARTIAL = ("PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True)
class TableForm:
    """How a client wants its table: the version of meta.k8s.io, and what of each object comes along with its row."""

    version: str
    include: str  # None, Metadata or Object


@dataclass(frozen=True)
class MetadataForm:
    """A client that wants the metadata of objects alone (PartialObjectMetadata), in this version of meta.k8s.io."""

    version: str


Form = TableForm | MetadataForm


def requested(accept: str, include: str) -> Form | None:
    """The form that an Accept header asks for, or None where it prefers the object itself."""
    for alternative in accept.split(","):
        media_type, *rest = (part.strip() for part in alternative.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        if media_type in (_MEDIA_TYPE, "*/*") and "as" not in parameters:
            return None
        if media_type != _MEDIA_TYPE or parameters.get("g") != "meta.k8s.io" or parameters.get("v") not in _VERSIONS:
            continue
        if parameters.get("as") == "Table":
            return TableForm(parameters["v"], include or "Metadata")
        if parameters.get("as") in _PARTIAL:
            return MetadataForm(parameters["v"])
    return None


def one(kind: Kind, record: Record, form: Form, now: datetime, *, header: bool = True) -> bytes:
    """One object in that form."""
    if isinstance(form, MetadataForm):
        return encode(_partial(record.decode(), form.version))
    return table(kind, [record], form, {"resourceVersion": str(record.version)}, now, header=header)


def many(kind: Kind, records: Iterable[Record], form: Form, metadata: Raw, now: datetime) -> bytes:
    """A list of objects in that form."""
    if isinstance(form, TableForm):
        return table(kind, records, form, metadata, now)
    items = [_partial(record.decode(), form.version) for record in records]
    head = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{form.version}", "metadata": metadata}
    return encode(head | {"items": items})


def table(
    kind: Kind, records: Iterable[Record], form: TableForm, metadata: Raw, now: datetime, *, header: bool = True
) -> bytes:
    """A Table of these objects; without `header` it leaves the columns out, as all but the first of a watch do."""
    shown = printer(stored_kind(kind))
    raw: Raw = {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{form.version}",
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in shown.columns] if header else None,
        "rows": [
            {"cells": shown.cells(raw, now), "object": _included(kind, raw, form)}
            for raw in (record.decode() for record in records)
        ],
    }
    return encode(raw)


def _definition(column: Column) -> Raw:
    return {
        "name": column.name,
        "type": column.type,
        "format": "name" if column.name == "Name" else "",
        "description": column.description or column.name,
        "priority": column.priority,
    }


def _included(kind: Kind, raw: Raw, form: TableForm) -> Raw | None:
    if form.include == "None":
        return None
    if form.include == "Object":
        return conversion.from_stored(kind, raw)
    return _partial(raw, form.version)


def _partial(raw: Raw, version: str) -> Raw:
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": raw["metadata"]}
