"""Lists page by page, and lists of the past: limit, continue, resourceVersion and resourceVersionMatch.

All pages of a list show it as it was when the first was asked for; what has been written since is undone from the
history. https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from k8sshim.objects import Key, Raw
from k8sshim.records import Record
from k8sshim.store import Compacted, Store

from .selection import Selection
from .status import bad_request, expired, from_the_future


@dataclass(frozen=True)
class Page:
    """A part of a list, and what its metadata says."""

    records: list[Record]
    metadata: Raw


class _Token(msgspec.Struct):
    """Where the next page begins."""

    version: int
    namespace: str
    name: str


def page(store: Store, selection: Selection, query: Mapping[str, str]) -> Page:
    """The page of a list that a query asks for. Raises ApiError 400, 410, 504."""
    limit = _whole("limit", query.get("limit") or "0")
    token = _token(query.get("continue") or "")
    if token and query.get("resourceVersion") not in (None, "", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    version = token.version if token else _exactly(query, store.version)
    try:
        records = selection.records(store, version)
    except Compacted as error:
        what = "The provided continue parameter is too old to display a consistent list result" if token else str(error)
        raise expired(what) from error
    shown_at = store.version if version is None else version
    rest = records[bisect_right(records, (token.namespace, token.name), key=_place) :] if token else records
    metadata: Raw = {"resourceVersion": str(shown_at)}
    if not limit or len(rest) <= limit:
        return Page(rest, metadata)
    last = rest[limit - 1].key
    metadata["continue"] = _text(_Token(shown_at, last.namespace, last.name))
    if not selection.filters:
        metadata["remainingItemCount"] = len(rest) - limit
    return Page(rest[:limit], metadata)


def _place(record: Record) -> tuple[str, str]:
    key: Key = record.key
    return key.namespace, key.name


def _exactly(query: Mapping[str, str], current: int) -> int | None:
    """The version that a list must show; None where the newest will do."""
    text, match = query.get("resourceVersion") or "", query.get("resourceVersionMatch") or ""
    if match not in ("", "Exact", "NotOlderThan"):
        raise bad_request(f"resourceVersionMatch is {match!r}, expected Exact or NotOlderThan")
    if match and not text:
        raise bad_request("resourceVersionMatch is forbidden unless resourceVersion is provided")
    if match == "Exact" and text == "0":
        raise bad_request('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"')
    version = _whole("resourceVersion", text or "0")
    if version > current:
        raise from_the_future(version, current)
    exactly = match == "Exact" or (not match and version and query.get("limit") not in (None, "", "0"))
    return version if exactly else None


def _whole(name: str, text: str) -> int:
    try:
        number = int(text)
    except ValueError as error:
        raise bad_request(f"{name} is {text!r}, expected a whole number") from error
    if number < 0:
        raise bad_request(f"{name} is {text!r}, expected 0 or more")
    return number


def _text(token: _Token) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode()


def _token(text: str) -> _Token | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=_Token)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise bad_request("continue key is not valid") from error
