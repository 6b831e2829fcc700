"""Which fields an object has, as sets of paths: what server-side apply keeps account of.

A step of a path is written as in `managedFields`: `f:NAME` a field, `k:{...}` the item of a list with these keys,
`v:...` a value of a set. Lists without a declared type, and what is declared so, are atomic: one field each.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from k8sshim.objects import Raw
from k8sshim.validation.schema import definition

Path = tuple[str, ...]
Paths = frozenset[Path]

_UNOWNED = {
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            *("name", "namespace", "uid", "creationTimestamp", "selfLink", "generation", "managedFields"),
            *("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"),
        )
    ),
}
_KEY_DEFAULTS = {"protocol": "TCP"}  # of a list's keys, where an item is silent


def resolved(schema: Raw) -> Raw:
    """A schema itself, where it refers to one."""
    while "$ref" in schema:
        schema = definition(schema["$ref"]) | {word: value for word, value in schema.items() if word.startswith("x-")}
    return schema


def member(schema: Raw, name: str) -> Raw:
    """The schema of a field; {} where nothing is known of it."""
    known = (schema.get("properties") or {}).get(name)
    others = schema.get("additionalProperties")
    return resolved(known if known is not None else others if isinstance(others, dict) else {})


def items(schema: Raw) -> Raw:
    return resolved(schema.get("items") or {})


def list_keys(schema: Raw) -> list[str]:
    """The keys by which a list's items are told apart; none for lists of other types."""
    return list(schema.get("x-kubernetes-list-map-keys") or ()) if is_map_list(schema) else []


def is_map_list(schema: Raw) -> bool:
    return schema.get("x-kubernetes-list-type") == "map"


def is_set(schema: Raw) -> bool:
    return schema.get("x-kubernetes-list-type") == "set"


def is_granular(value: Any, schema: Raw) -> bool:
    """Whether an object's fields are each somebody's, not the object as a whole."""
    return isinstance(value, dict) and schema.get("x-kubernetes-map-type") != "atomic"


def item_step(item: Raw, keys: Iterable[str]) -> str:
    """How a path names an item of a list."""
    named = {key: item.get(key, _KEY_DEFAULTS.get(key)) for key in sorted(keys)}
    return f"k:{_text({key: value for key, value in named.items() if value is not None})}"


def value_step(value: Any) -> str:
    return f"v:{_text(value)}"


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def paths_of(raw: Raw, schema: Raw) -> dict[Path, Any]:
    """The fields of an object that can be owned, with their values (None for items and what has members)."""
    return {path: value for path, value in _walk(raw, schema, ()) if path not in _UNOWNED}


def _walk(value: Any, schema: Raw, path: Path) -> Iterator[tuple[Path, Any]]:
    if is_granular(value, schema):
        if not value and path:
            yield path, value
        for name, each in value.items():
            yield from _walk(each, member(schema, name), (*path, f"f:{name}"))
    elif isinstance(value, list) and is_set(schema):
        yield from (((*path, value_step(each)), each) for each in value)
    elif isinstance(value, list) and is_map_list(schema) and all(isinstance(each, dict) for each in value):
        keys = list_keys(schema)
        for each in value:
            step = (*path, item_step(each, keys))
            yield step, None
            yield from _walk(each, items(schema), step)
    else:
        yield path, value


def to_fields(paths: Iterable[Path]) -> Raw:
    """Paths as FieldsV1: nested objects, in which `.` says that an item itself is meant."""
    root: Raw = {}
    for path in sorted(paths):
        at = root
        for step in path:
            at = at.setdefault(step, {})
        if path and path[-1].startswith("k:"):
            at.setdefault(".", {})
    return root


def from_fields(fields: Any) -> Paths:
    """The paths of a FieldsV1; what is none is passed over."""
    return frozenset(_leaves(fields, ()))


def _leaves(fields: Any, path: Path) -> Iterator[Path]:
    if not isinstance(fields, dict):
        return
    if path and (not fields or "." in fields):
        yield path
    for step, below in fields.items():
        if step != ".":
            yield from _leaves(below, (*path, step))


def shown(path: Path) -> str:
    """A path as messages have it: `.spec.containers[name="main"].image`."""
    return "".join(_shown(step) for step in path)


def _shown(step: str) -> str:
    kind, _, rest = step.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        return f"[{','.join(f'{key}={_text(value)}' for key, value in json.loads(rest).items())}]"
    return f"[={rest}]"
