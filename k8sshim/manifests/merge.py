"""Three-way merge: what the author wants now, wanted last, and what is there.

The rule of `kubectl apply`: a field that the author gives is set; one that was given last time and is not any more goes
away; everything else belongs to somebody else (a controller, a default, `kubectl scale`) and stays. Lists are replaced,
but for those of which the API says that their elements have keys.
https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/#merge-patch-calculation Pure.
"""

from __future__ import annotations

from typing import Any

from k8sshim.manifests.shapes import Shape
from k8sshim.objects import Raw

_KEY_DEFAULTS = {"protocol": "TCP"}  # what the server fills into fields that are part of a key


def three_way(last: Raw, wanted: Raw, current: Raw, shape: Shape) -> Raw:
    """The object to write; equal to `current` where there is nothing to change. The arguments are left as they are."""
    merged = {name: value for name, value in current.items() if name in wanted or name not in last}
    for name, value in wanted.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _value(last.get(name), value, current.get(name), shape.below(name))
    if shape.retain_keys and any(merged.get(name) != current.get(name) for name in wanted):
        return {name: value for name, value in merged.items() if name in wanted}
    return merged


def _value(last: Any, wanted: Any, current: Any, shape: Shape) -> Any:
    if isinstance(wanted, dict) and isinstance(current, dict):
        return three_way(last if isinstance(last, dict) else {}, wanted, current, shape)
    if isinstance(wanted, list) and isinstance(current, list) and shape.merges:
        return _list(last if isinstance(last, list) else [], wanted, current, shape)
    return _without_nulls(wanted)


def _list(last: list[Any], wanted: list[Any], current: list[Any], shape: Shape) -> list[Any]:
    """Elements are matched by key. The live order stays unless the author's own elements change theirs."""
    before, asked, there = (_by_key(elements, shape) for elements in (last, wanted, current))
    if before is None or asked is None or there is None:
        return [_without_nulls(element) for element in wanted]
    kept = [key for key in there if key in asked or key not in before]
    added = [key for key in asked if key not in there]
    if [key for key in kept if key in asked] != [key for key in asked if key in there]:
        kept, added = list(asked), [key for key in kept if key not in asked]
    element = shape.element()
    return [
        _value(before.get(key), asked[key], there.get(key), element) if key in asked else there[key]
        for key in [*kept, *added]
    ]


def _by_key(elements: list[Any], shape: Shape) -> dict[Any, Any] | None:
    """The elements by their key; None where one has none or two have the same, so that the list cannot be merged."""
    keys = [_key(element, shape) for element in elements]
    if None in keys or len(set(keys)) < len(keys):
        return None
    return dict(zip(keys, elements, strict=True))


def _key(element: Any, shape: Shape) -> Any:
    if not shape.keys:  # a set of plain values
        return element if isinstance(element, (str, int, float)) else None
    if not isinstance(element, dict):
        return None
    key = tuple(element.get(name, _KEY_DEFAULTS.get(name)) for name in shape.keys)
    return None if any(part is None or isinstance(part, (dict, list)) for part in key) else key


def _without_nulls(value: Any) -> Any:
    """A null asks for absence."""
    if isinstance(value, dict):
        return {name: _without_nulls(entry) for name, entry in value.items() if entry is not None}
    return value
