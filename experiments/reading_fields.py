"""Readers of a scenario's fields beside those of `topo.fields`: numbers with fractions, and lists of words. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
