"""Server-side apply: a manager says what it wants of an object, and owns those fields.

https://kubernetes.io/docs/reference/using-api/server-side-apply/ and sigs.k8s.io/structured-merge-diff. Accounts are
kept of objects that somebody has applied; what others write to such an object is theirs. Before the first time an
object has none, and then all that it has belongs to `before-first-apply`, as it does in Kubernetes. Pure.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from k8sshim.objects import Raw

from .field_sets import (
    Path,
    Paths,
    from_fields,
    is_granular,
    is_map_list,
    is_set,
    item_step,
    items,
    list_keys,
    member,
    paths_of,
    shown,
    to_fields,
    value_step,
)
from .status import ApiError, bad_request

BEFORE_FIRST_APPLY = "before-first-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_APPLY, _UPDATE = "Apply", "Update"


@dataclass(frozen=True)
class Manager:
    """Who writes, how, and when."""

    name: str
    operation: str = _UPDATE
    api_version: str = ""
    subresource: str = ""
    moment: str = ""

    def entry(self, paths: Paths) -> Raw:
        """Its account, as metadata.managedFields has it."""
        raw: Raw = {
            "manager": self.name,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.moment,
            "fieldsType": "FieldsV1",
            "fieldsV1": to_fields(paths),
        }
        return raw | ({"subresource": self.subresource} if self.subresource else {})

    def is_of(self, entry: Raw) -> bool:
        mine = (self.name, self.operation, self.subresource)
        return mine == (entry.get("manager"), entry.get("operation"), entry.get("subresource") or "")


def applying(manager: Manager) -> Manager:
    return Manager(manager.name, _APPLY, manager.api_version, manager.subresource, manager.moment)


def apply(live: Raw | None, wanted: Raw, schema: Raw, manager: Manager, *, force: bool) -> Raw:
    """The object with what a manager wants of it. Raises ApiError 409 where others want it otherwise."""
    if (wanted.get("metadata") or {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    fields = paths_of(wanted, schema)
    if live is None:
        return _with_accounts(copy.deepcopy(wanted), [manager.entry(frozenset(fields))])
    accounts = _accounts(live, schema)
    mine = next((from_fields(each.get("fieldsV1")) for each in accounts if manager.is_of(each)), frozenset())
    others = [each for each in accounts if not manager.is_of(each)]
    changed = _changed(live, fields, schema)
    conflicts = _conflicts(others, changed - _applied_by_kubectl(live, schema, manager))
    if conflicts and not force:
        raise _conflict(conflicts)
    left = [_without(each, changed) for each in others]
    kept = frozenset(path for each in left for path in from_fields(each.get("fieldsV1")))
    merged = _merge(live, wanted, schema)
    for path in sorted(mine - set(fields) - kept, key=len):  # an item before what it has
        _remove(merged, path, schema, {*fields, *kept})
    entries = [*(each for each in left if each.get("fieldsV1")), manager.entry(frozenset(fields))]
    return _with_accounts(merged, _same_time(entries, accounts))


def _same_time(entries: list[Raw], before: list[Raw]) -> list[Raw]:
    """An account in which nothing changed keeps its time, so that applying the same again writes nothing."""
    timeless = {json.dumps(_timeless(each), sort_keys=True): each for each in before}
    return [timeless.get(json.dumps(_timeless(each), sort_keys=True), each) for each in entries]


def _timeless(entry: Raw) -> Raw:
    return {name: value for name, value in entry.items() if name != "time"}


def updated(old: Raw, new: Raw, schema: Raw, manager: Manager) -> list[Raw]:
    """The accounts after somebody has written an object in another way: what it changed is its own now."""
    accounts = (old.get("metadata") or {}).get("managedFields") or []
    before, after = paths_of(old, schema), paths_of(new, schema)
    changed = frozenset(path for path, value in after.items() if path not in before or before[path] != value)
    gone = frozenset(path for path in before if path not in after)
    if not changed and not gone:
        return list(accounts)
    mine = next((from_fields(each.get("fieldsV1")) for each in accounts if manager.is_of(each)), frozenset())
    others = [_without(each, changed | gone) for each in accounts if not manager.is_of(each)]
    owned = (mine | changed) - gone
    entries = [each for each in others if each.get("fieldsV1")]
    return _same_time([*entries, manager.entry(owned)] if owned else entries, accounts)


def _accounts(live: Raw, schema: Raw) -> list[Raw]:
    """The accounts of an object; all belongs to nobody in particular where there are none."""
    accounts = live["metadata"].get("managedFields")
    if accounts:
        return list(accounts)
    unclaimed = {name: value for name, value in live.items() if name != "status"}
    nobody = Manager(
        BEFORE_FIRST_APPLY,
        _UPDATE,
        live.get("apiVersion") or "",
        moment=live["metadata"].get("creationTimestamp") or "",
    )
    return [nobody.entry(frozenset(paths_of(unclaimed, schema)))]


def _changed(live: Raw, fields: Mapping[Path, Any], schema: Raw) -> Paths:
    """The applied fields that have another value now, or are not there."""
    present = paths_of(live, schema)
    within = {path[:length] for path in present for length in range(1, len(path))}
    return frozenset(
        path
        for path, value in fields.items()
        if (path not in present or present[path] != value) and not (value == {} and path in within)
    )


def _applied_by_kubectl(live: Raw, schema: Raw, manager: Manager) -> Paths:
    """What `kubectl apply` had applied from the client's side is kubectl's own when it goes over to the server's."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if manager.name != "kubectl" or not text:
        return frozenset()
    try:
        applied = json.loads(text)
    except ValueError:
        return frozenset()
    return frozenset(paths_of(applied, schema)) if isinstance(applied, dict) else frozenset()


def _conflicts(others: Iterable[Raw], changed: Paths) -> list[tuple[Raw, Path]]:
    return [(each, path) for each in others for path in sorted(from_fields(each.get("fieldsV1")) & changed)]


def _conflict(conflicts: list[tuple[Raw, Path]]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_named(each)}", "field": shown(path)}
        for each, path in conflicts
    ]
    count = f"{len(causes)} conflict{'s' if len(causes) > 1 else ''}"
    if len(causes) == 1:
        text = f"{causes[0]['message']}: {causes[0]['field']}"
    else:
        text = "conflicts " + "\n".join(f"- {each['message']}: {each['field']}" for each in causes).replace(
            "conflict ", "", 1
        )
    return ApiError(409, "Conflict", f"Apply failed with {count}: {text}", {"causes": causes})


def _named(entry: Raw) -> str:
    subresource = f' with subresource "{entry["subresource"]}"' if entry.get("subresource") else ""
    return f'"{entry.get("manager")}"{subresource} using {entry.get("apiVersion")}'


def _without(entry: Raw, paths: Paths) -> Raw:
    left = from_fields(entry.get("fieldsV1"))
    return entry if not left & paths else entry | {"fieldsV1": to_fields(left - paths)}


def _with_accounts(raw: Raw, entries: list[Raw]) -> Raw:
    raw["metadata"] = {**(raw.get("metadata") or {}), "managedFields": entries}
    return raw


def _merge(live: Any, wanted: Any, schema: Raw) -> Any:
    """What is wanted over what is there, by the lists' types."""
    if is_granular(wanted, schema) and isinstance(live, dict):
        merged = dict(live)
        for name, value in wanted.items():
            merged[name] = _merge(live.get(name), value, member(schema, name))
        return merged
    if isinstance(wanted, list) and isinstance(live, list) and is_set(schema):
        return [*wanted, *(each for each in live if each not in wanted)]
    if is_map_list(schema) and _objects(wanted) and _objects(live):
        keys = list_keys(schema)
        present = {item_step(each, keys): each for each in live}
        fresh = {item_step(each, keys): each for each in wanted}
        merged_items = {step: _merge(present.get(step), each, items(schema)) for step, each in fresh.items()}
        kept = [merged_items.pop(step, each) for step, each in present.items()]
        return [*kept, *merged_items.values()]
    return copy.deepcopy(wanted)


def _objects(value: Any) -> bool:
    """Whether a value is a list of objects."""
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _remove(raw: Any, path: Path, schema: Raw, wanted: set[Path]) -> None:
    """Take a field away, unless something below it is somebody's."""
    if any(other[: len(path)] == path for other in wanted):
        return
    step, rest = path[0], path[1:]
    if step.startswith("f:") and isinstance(raw, dict):
        name = step[2:]
        if not rest:
            raw.pop(name, None)
        elif name in raw:
            raw[name] = copy.copy(raw[name])
            _remove_within(raw, name, rest, member(schema, name), wanted)
    elif isinstance(raw, list):
        _remove_item(raw, step, rest, schema, wanted)


def _remove_within(raw: Raw, name: str, rest: Path, schema: Raw, wanted: set[Path]) -> None:
    shortened = {other[1:] for other in wanted if other[:1] == (f"f:{name}",)}
    _remove(raw[name], rest, schema, shortened)
    if raw[name] in ({}, []) and () not in shortened and not shortened:
        del raw[name]


def _remove_item(raw: list[Any], step: str, rest: Path, schema: Raw, wanted: set[Path]) -> None:
    keys = list_keys(schema)
    for place, each in enumerate(raw):
        if step != (item_step(each, keys) if keys and isinstance(each, dict) else value_step(each)):
            continue
        if not rest:
            del raw[place]
        else:
            raw[place] = copy.copy(each)
            _remove(raw[place], rest, items(schema), {other[1:] for other in wanted if other[:1] == (step,)})
        return
