"""The three ways to patch an object: JSON patch, JSON merge patch, strategic merge patch.

RFC 6902, RFC 7386, and for the strategic one
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md: lists
of objects merge by a key that the field decides (the table in `merge_keys`), with directives for what merging cannot
say. A patch never changes the object it is given. Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from k8sshim.kinds import POLICY_GROUP, Kind
from k8sshim.objects import GROUP, Raw

from .custom import CustomKind
from .merge_keys import PRIMITIVE, merge_key
from .status import bad_request, invalid_patch, unsupported_media_type

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"  # of server-side apply, which is no patch of what is there
MEDIA_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH)

Patch = Callable[[Raw], Raw]


def media_types(kind: Kind) -> tuple[str, ...]:
    """The ways to patch a kind: what is defined by somebody else than Kubernetes has no keys to merge lists by."""
    foreign = kind.group in (GROUP, POLICY_GROUP) or isinstance(kind, CustomKind)
    return MEDIA_TYPES[:2] if foreign else MEDIA_TYPES


_DIRECTIVES = ("$patch", "$retainKeys")


def prepare(media_type: str, body: Any, *, kind: str, strategic: bool) -> Patch:
    """The patch that a request's body asks for. Raises ApiError: 415 for a type that is not served, 400 for a bad body.

    Custom resources have no merge keys (`strategic` is False), and Kubernetes refuses strategic patches of them.
    """
    accepted = MEDIA_TYPES if strategic else MEDIA_TYPES[:2]
    if media_type not in accepted:
        raise unsupported_media_type(media_type, accepted)
    if media_type == JSON_PATCH:
        if not isinstance(body, list):
            raise bad_request("a JSON patch is a list of operations")
        return lambda raw: _object(json_patch(raw, body))
    if not isinstance(body, dict):
        raise bad_request("a merge patch is an object")
    if media_type == MERGE_PATCH:
        return lambda raw: _object(merge_patch(raw, body))
    return lambda raw: _object(strategic_merge_patch(raw, body, kind))


def _object(result: Any) -> Raw:
    if not isinstance(result, dict):
        raise invalid_patch("the patched object is no object")
    return result


# JSON merge patch


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


# JSON patch


def json_patch(raw: Any, operations: list[Any]) -> Any:
    """RFC 6902: all operations or none. Raises ApiError 422 where one does not apply."""
    document = copy.deepcopy(raw)
    for number, operation in enumerate(operations):
        try:
            document = _operate(document, operation)
        except (LookupError, ValueError, TypeError, RecursionError) as error:
            raise invalid_patch(f"operation {number} of the JSON patch does not apply: {error}") from error
    return document


def _operate(document: Any, operation: Any) -> Any:
    operation = _members(operation)
    name, path = operation["op"], _pointer(operation["path"])
    if name == "add":
        return _add(document, path, copy.deepcopy(operation["value"]))
    if name == "remove":
        return _remove(document, path)
    if name == "replace":
        _at(document, path)
        return _add(_remove(document, path), path, copy.deepcopy(operation["value"]))
    if name == "test":
        if _at(document, path) != operation["value"]:
            raise ValueError(f"test of {operation['path']} failed")
        return document
    if name in ("move", "copy"):
        source = _pointer(operation["from"])
        value = copy.deepcopy(_at(document, source))
        return _add(_remove(document, source) if name == "move" else document, path, value)
    raise ValueError(f"unknown operation {name!r}")


def _pointer(text: Any) -> list[str]:
    """RFC 6901."""
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise ValueError(f"{text!r} is no JSON pointer")
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    for step in path:
        document = document[_index(document, step)] if isinstance(document, list) else _members(document)[step]
    return document


def _members(value: Any) -> Raw:
    if not isinstance(value, dict):
        raise TypeError("the path leads through a value that has no members")
    return value


def _index(items: list[Any], step: str) -> int:
    index = int(step)
    if not 0 <= index < len(items):
        raise LookupError(f"there is no item {step}")
    return index


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _at(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        index = len(parent) if last == "-" else int(last)
        if not 0 <= index <= len(parent):
            raise LookupError(f"there is no place {last}")
        parent.insert(index, value)
    else:
        _members(parent)[last] = value
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        return None
    parent, last = _at(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        del parent[_index(parent, last)]
    else:
        del _members(parent)[last]
    return document


# Strategic merge patch


def strategic_merge_patch(target: Raw, patch: Raw, kind: str) -> Raw:
    """What `kubectl apply`, `label` and most typed clients send. `kind` and the path decide how a list merges."""
    return _merge_object(target, patch, kind, ())


def _merge_object(target: Raw, patch: Raw, kind: str, path: tuple[str, ...]) -> Raw:
    directive = patch.get("$patch")
    if directive == "replace":
        return {name: value for name, value in patch.items() if name not in _DIRECTIVES}
    if directive == "delete":
        return {}
    result = dict(target)
    if "$retainKeys" in patch:
        retained = _listed(patch["$retainKeys"], "retainKeys")
        result = {name: value for name, value in result.items() if name in retained}
    for name, value in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            _delete_primitives(result, name.partition("/")[2], _listed(value, "primitive list"))
        elif not name.startswith("$"):
            _merge_field(result, name, value, kind, (*path, name))
    for name, order in patch.items():
        if name.startswith("$setElementOrder/"):
            _reorder(result, name.partition("/")[2], _listed(order, "setElementOrder list"), kind, path)
    return result


def _listed(value: Any, what: str) -> list[Any]:
    """What a directive lists. Raises ApiError 400 where it is no list."""
    if not isinstance(value, list):
        raise bad_request(f"invalid patch format of {what}")
    return value


def _merge_field(result: Raw, name: str, value: Any, kind: str, path: tuple[str, ...]) -> None:
    present = result.get(name)
    if value is None:
        result.pop(name, None)
    elif isinstance(value, dict):
        merged = _merge_object(present if isinstance(present, dict) else {}, value, kind, path)
        result[name] = merged
        if value.get("$patch") == "delete":
            del result[name]
    elif isinstance(value, list):
        result[name] = _merge_list(present if isinstance(present, list) else [], value, kind, path)
    else:
        result[name] = value


def _merge_list(present: list[Any], patch: list[Any], kind: str, path: tuple[str, ...]) -> list[Any]:
    key = merge_key(kind, path)
    if key == PRIMITIVE:
        return [*present, *(item for item in patch if item not in present)]
    items = [item for item in patch if isinstance(item, dict)]
    wanted = [item for item in items if "$patch" not in item] if len(items) == len(patch) else patch
    if not key or any(item.get("$patch") == "replace" and len(item) == 1 for item in items):
        return wanted
    result = [item for item in present if isinstance(item, dict)]
    for item in items:
        _merge_item(result, item, key, kind, path)
    return result


def _merge_item(result: list[Any], item: Raw, key: str, kind: str, path: tuple[str, ...]) -> None:
    if key not in item:
        raise bad_request(f"map: {'.'.join(path)} does not contain declared merge key: {key}")
    places = [place for place, present in enumerate(result) if present.get(key) == item[key]]
    if item.get("$patch") == "delete":
        result[:] = [present for present in result if present.get(key) != item[key]]
    elif places:
        result[places[0]] = _merge_object(result[places[0]], item, kind, path)
    else:
        result.append(_merge_object({}, item, kind, path))


def _delete_primitives(result: Raw, name: str, values: list[Any]) -> None:
    if isinstance(result.get(name), list):
        result[name] = [item for item in result[name] if item not in values]


def _reorder(result: Raw, name: str, order: list[Any], kind: str, path: tuple[str, ...]) -> None:
    """Put the listed items in the listed order; the others keep their place behind the item they stood behind."""
    key = merge_key(kind, (*path, name))
    items = result.get(name)
    if not key or not isinstance(items, list):
        return
    if key != PRIMITIVE and not all(isinstance(entry, dict) for entry in order):
        raise bad_request("invalid patch format of setElementOrder list")
    wanted = order if key == PRIMITIVE else [entry.get(key) for entry in order]
    ranks: list[tuple[int, int]] = []
    last = -1
    for place, item in enumerate(items):
        identity = item if key == PRIMITIVE or not isinstance(item, dict) else item.get(key)
        listed = identity in wanted
        last = wanted.index(identity) if listed else last
        ranks.append((last, place if not listed else -1))
    result[name] = [item for _, item in sorted(zip(ranks, items, strict=True), key=lambda pair: pair[0])]
