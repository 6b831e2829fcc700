"""JSON manifests: one object after another, as kubectl reads them, and as strictly as YAML. Pure."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from k8sshim.errors import Problem


def read(text: str) -> tuple[list[Any], list[Problem]]:
    """The values of a text, as far as it can be read, and what is wrong with it."""
    values: list[Any] = []
    problems: list[Problem] = []
    position = _skip(text, 0)
    while position < len(text):
        duplicates: list[str] = []
        decoder = json.JSONDecoder(object_pairs_hook=partial(_unique, duplicates), parse_constant=_no_number)
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            where = f"(line {error.lineno}, column {error.colno})"
            return values, [*problems, Problem(f"is no JSON: {error.msg} {where}", document=len(values) + 1)]
        except RecursionError:
            return values, [*problems, Problem("is nested too deeply", document=len(values) + 1)]
        except ValueError as error:  # NaN, Infinity, integers of thousands of digits
            return values, [*problems, Problem(f"is no JSON: {error}", document=len(values) + 1)]
        values.append(value)
        problems.extend(Problem(f"the key {key!r} is given twice", document=len(values)) for key in duplicates)
        position = _skip(text, position)
    return values, problems


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _unique(duplicates: list[str], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            duplicates.append(key)
        values[key] = value
    return values


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number that JSON has")
