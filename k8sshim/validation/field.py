"""A place in an object: its value and its path, so that every rule names the field it speaks of.

Reading on from a place that is absent or of another type gives an absent place. So rules need not ask for types, which
the schema has judged by then, and still say all they can about an object that has other faults. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from k8sshim.errors import Problem

_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")


def join(path: str, step: str | int) -> str:
    """Kubernetes' notation: `spec.containers[0].ports`, `metadata.labels[app.kubernetes.io/name]`."""
    if isinstance(step, int) or not _PLAIN.fullmatch(step):
        return f"{path}[{step}]"
    return f"{path}.{step}" if path else step


def type_of(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    words = {str: "a string", int: "an integer", float: "a number", list: "a list", dict: "an object"}
    return words.get(type(value), type(value).__name__)


@dataclass(frozen=True)
class Field:
    """A value, which is None where the field is absent or null, and the path to it."""

    value: Any
    path: str = ""

    def __getitem__(self, name: str) -> Field:
        return Field(self.value.get(name) if isinstance(self.value, dict) else None, join(self.path, name))

    def __bool__(self) -> bool:
        return self.value is not None

    def at(self, *names: str) -> Field:
        """The field below, step by step."""
        field = self
        for name in names:
            field = field[name]
        return field

    def elements(self) -> Iterator[Field]:
        """The elements of a list."""
        if isinstance(self.value, list):
            for number, value in enumerate(self.value):
                yield Field(value, join(self.path, number))

    def entries(self) -> Iterator[tuple[str, Field]]:
        """The entries of a map."""
        if isinstance(self.value, dict):
            for name, value in self.value.items():
                yield name, Field(value, join(self.path, str(name)))

    @property
    def text(self) -> str:
        """The value where it is a string, else an empty one."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def number(self) -> int | None:
        """The value where it is an integer."""
        return self.value if isinstance(self.value, int) and not isinstance(self.value, bool) else None

    def problem(self, message: str) -> Problem:
        return Problem(message, field=self.path)

    def wrong(self, message: str) -> Iterator[Problem]:
        """A problem where there is a message."""
        if message:
            yield Problem(message, field=self.path)

    def one_of(self, *choices: str) -> Iterator[Problem]:
        """A problem where there is a string that is none of these."""
        if self.text and self.text not in choices:
            words = f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]
            yield self.problem(f"is {self.text!r}, expected {words}")

    def between(self, least: int, most: int) -> Iterator[Problem]:
        """A problem where there is a number outside of this range."""
        if self.number is not None and not least <= self.number <= most:
            yield self.problem(f"is {self.number}, expected {least} to {most}")

    def not_negative(self) -> Iterator[Problem]:
        if self.number is not None and self.number < 0:
            yield self.problem(f"is {self.number}, expected 0 or more")


def unique(fields: Iterator[Field], what: str) -> Iterator[Problem]:
    """A problem for each string that another field had before."""
    first: dict[str, str] = {}
    for field in fields:
        if field.text and first.setdefault(field.text, field.path) != field.path:
            yield field.problem(f"{what} {field.text!r} is given to {first[field.text]} already")
