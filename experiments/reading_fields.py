"""Readers of a scenario's fields beside those of `topo.fields`: numbers, lists, flags, names of objects. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from k8sshim import names
from k8sshim.objects import Key
from topo.fields import Fields


def number(fields: Fields, name: str, default: float, low: float, high: float) -> float:
    """A number from low to high; the default where it is absent or, with a problem, wrong."""
    value = fields.take(name)
    if value is None:
        return default
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        fields.wrong(name, f"must be a number, not {value!r}")
    elif not low <= value <= high:
        fields.wrong(name, f"must be from {low:g} to {high:g}, not {value:g}")
    else:
        return float(value)
    return default


def words(fields: Fields, name: str, choices: Sequence[str] = ()) -> tuple[str, ...]:
    """A list of strings, each once; of the choices where there are some, all of them where the field is absent."""
    if fields.raw.get(name) is None:
        fields.take(name)
        return tuple(choices)
    found = []
    for index, item in enumerate(fields.items(name)):
        if not isinstance(item, str) or not item:
            fields.wrong(f"{name}[{index}]", f"must be a string, not {item!r}")
        elif choices and item not in choices:
            fields.wrong(f"{name}[{index}]", f"must be {' or '.join(choices)}, not {item!r}")
        else:
            found.append(item)
    return tuple(dict.fromkeys(found))


def integers(fields: Fields, name: str, default: tuple[int, ...], low: int, high: int) -> tuple[int, ...]:
    """A list of whole numbers from low to high, each once; the default where it is absent."""
    found = []
    for index, item in enumerate(fields.items(name)):
        if not isinstance(item, int) or isinstance(item, bool) or not low <= item <= high:
            fields.wrong(f"{name}[{index}]", f"must be a number from {low} to {high}, not {item!r}")
        else:
            found.append(item)
    return tuple(dict.fromkeys(found)) if found else default


def flag(fields: Fields, name: str) -> bool:
    """True unless it is false."""
    value = fields.take(name)
    if value is not None and not isinstance(value, bool):
        fields.wrong(name, f"must be true or false, not {value!r}")
    return value is not False


def key(fields: Fields, name: str) -> Key:
    """An object as `namespace/name`, or a name in `default`."""
    namespace, slash, rest = (fields.required(name) or "").rpartition("/")
    found = Key(namespace if slash else "default", rest)
    if rest and (names.dns_subdomain(rest) or names.dns_label(found.namespace)):
        fields.wrong(name, f"must be a name or namespace/name, not {fields.raw[name]!r}")
    return found
