"""YAML as manifests use it, read strictly: to the values that JSON has, with a line and column for everything wrong.

PyYAML's own loader takes the last of two equal keys in silence, makes dates of strings and 90 of `1:30`, lets a small
text grow without bound by references, and (with libyaml) ends the process on deep nesting. So values are built here
from its events, by the rules of kubectl's reader (YAML 1.1 without dates and sexagesimal numbers). Pure.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from k8sshim.errors import Problem
from k8sshim.validation.field import type_of

MAX_DEPTH = 100
MAX_VALUES = 500_000  # of one document, references counted each time they are used
_FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile(r"(?:(true|True|TRUE|yes|Yes|YES|on|On|ON)|false|False|FALSE|no|No|NO|off|Off|OFF)")
_INTEGER = re.compile(r"[-+]?(?:0b_*[01][01_]*|0o?_*[0-7][0-7_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*|0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"
_TAGGED = {
    f"{_TAG}int": ("an integer",),
    f"{_TAG}float": ("an integer", "a number"),
    f"{_TAG}bool": ("a boolean",),
    f"{_TAG}null": ("null",),
}
_MAX_DIGITS = 400  # of an integer; Python refuses to read very long ones, and no field holds one


class _Refused(Exception):
    """The text cannot be read on from here."""

    def __init__(self, message: str, mark: Any = None) -> None:
        super().__init__(f"{message}{_at(mark)}")


def read(text: str) -> tuple[list[Any], list[Problem]]:
    """The documents of a text (None for an empty one), as far as it can be read, and what is wrong with it."""
    documents, problems = _read(text, _FAST_LOADER)
    if problems and _FAST_LOADER is not yaml.SafeLoader:
        slow = _read(text, yaml.SafeLoader)  # whose messages say more, and do not change with libyaml's version
        return slow if slow[1] else (documents, problems)
    return documents, problems


def _read(text: str, loader: Any) -> tuple[list[Any], list[Problem]]:
    reader = _Reader(yaml.parse(text, Loader=loader))
    documents: list[Any] = []
    try:
        for value in reader.documents():
            documents.append(value)
    except _Refused as error:
        reader.problems.append(Problem(str(error), document=len(documents) + 1))
    except yaml.MarkedYAMLError as error:
        where = _at(error.problem_mark or error.context_mark)
        reader.problems.append(Problem(f"is no YAML: {error.problem}{where}", document=len(documents) + 1))
    except yaml.reader.ReaderError as error:
        reader.problems.append(Problem(_character(text, error), document=len(documents) + 1))
    return documents, reader.problems


def _at(mark: Any) -> str:
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""


def _character(text: str, error: yaml.reader.ReaderError) -> str:
    """The error's own position counts characters or bytes, as the loader does; the first such character is the one."""
    character = error.character if isinstance(error.character, str) else chr(error.character)
    before = text[: text.find(character)]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"is no YAML: the character U+{ord(character):04X} is not allowed (line {line}, column {column})"


class _Reader:
    """Builds the value of each document from PyYAML's events."""

    def __init__(self, events: Iterator[Any]) -> None:
        self.problems: list[Problem] = []
        self._events = events
        self._document = 0
        self._values = 0
        self._depth = 0
        self._anchors: dict[str, tuple[Any, int]] = {}  # finished ones: the value, and how many values it holds

    def documents(self) -> Iterator[Any]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._document += 1
                self._values, self._anchors = 0, {}
                yield self._value(next(self._events))

    def _value(self, event: Any) -> Any:
        self._count(1, event)
        if isinstance(event, yaml.AliasEvent):
            return self._referred(event)
        before = self._values
        value = _scalar(event) if isinstance(event, yaml.ScalarEvent) else self._collection(event)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._values - before)
        return value

    def _collection(self, event: Any) -> Any:
        if event.tag not in (None, "!", f"{_TAG}map", f"{_TAG}seq"):
            raise _Refused(f"has the tag {event.tag}, which JSON has no value for", event.start_mark)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Refused(f"is nested deeper than {MAX_DEPTH} levels", event.start_mark)
        value = self._list() if isinstance(event, yaml.SequenceStartEvent) else self._map()
        self._depth -= 1
        return value

    def _list(self) -> list[Any]:
        values = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._value(event))
        return values

    def _map(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            merges = isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]
            key = _key(self._value(event), event)
            value = self._value(next(self._events))
            if merges:
                merged = {**_bases(value, event), **merged}
                continue
            line = event.start_mark.line + 1
            if lines.setdefault(key, line) != line or key in values:
                self._twice(key, lines[key], event)
            values[key] = value
        return {**merged, **values}

    def _twice(self, key: str, first: int, event: Any) -> None:
        message = f"the key {key!r} is given twice, first in line {first}{_at(event.start_mark)}"
        self.problems.append(Problem(message, document=self._document))

    def _referred(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise _Refused(f"*{event.anchor} refers to itself or to nothing", event.start_mark)
        value, size = self._anchors[event.anchor]
        self._count(size, event)
        return copy.deepcopy(value)

    def _count(self, values: int, event: Any) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise _Refused(f"grows to more than {MAX_VALUES} values", event.start_mark)


def _bases(value: Any, event: Any) -> dict[str, Any]:
    """What `<<` brings in: a map, or a list of maps of which earlier ones win."""
    bases = value if isinstance(value, list) else [value]
    if not all(isinstance(base, dict) for base in bases):
        raise _Refused("<< needs a map or a list of maps", event.start_mark)
    return {key: base[key] for base in reversed(bases) for key in base}


def _key(value: Any, event: Any) -> str:
    """Keys are strings in JSON; kubectl writes numbers and booleans out."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise _Refused("a key must be a string", event.start_mark)


def _scalar(event: Any) -> Any:
    if event.tag in (None, "!") or event.implicit[0]:
        return _plain(event.value, event) if event.implicit[0] else event.value
    if event.tag == f"{_TAG}str":
        return event.value
    value = _plain(event.value, event)
    if type_of(value) not in _TAGGED.get(event.tag, ()):
        raise _Refused(f"{event.value!r} has the tag {event.tag}, which it is no value of", event.start_mark)
    return value


def _plain(text: str, event: Any) -> Any:
    """A scalar without quotes."""
    for pattern, build in _PLAIN:
        match = pattern.fullmatch(text)
        if match:
            if build in (_integer, float) and len(text) > _MAX_DIGITS:
                raise _Refused("is a number of too many digits", event.start_mark)
            return build(text)
    if _NO_NUMBER.fullmatch(text):
        raise _Refused(f"{text} is no number that JSON has", event.start_mark)
    return text


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if digits.startswith(("0b", "0x", "0o")):
        return sign * int(digits, 0)
    return sign * int(digits, 8 if digits.startswith("0") else 10)


_PLAIN: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (_NULL, lambda text: None),
    (_BOOLEAN, lambda text: text.lower() in ("true", "yes", "on")),
    (_INTEGER, _integer),
    (_FLOAT, float),
)
