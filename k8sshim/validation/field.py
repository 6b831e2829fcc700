"""A place in an object: its value and its path, so that every rule names the field it speaks of.

Reading on from a place that is absent or of another type gives an absent place. So rules need not ask for types, which
the schema has judged by then, and still say all they can about an object that has other faults. What is wrong is said
as Kubernetes says it (k8s.io/apimachinery, pkg/util/validation/field), so that people find it where they look. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from k8sshim.errors import Problem, invalid, shown

MAX_PORT = 65535
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

    def invalid(self, detail: str) -> Problem:
        return self.problem(invalid(self.value, detail))

    def required(self, detail: str = "") -> Problem:
        return self.problem(f"Required value: {detail}" if detail else "Required value")

    def forbidden(self, detail: str) -> Problem:
        return self.problem(f"Forbidden: {detail}")

    def duplicate(self) -> Problem:
        return self.problem(f"Duplicate value: {shown(self.value)}")

    def breaks(self, details: Iterable[str]) -> Iterator[Problem]:
        """A problem for each rule that the value breaks."""
        for detail in details:
            yield self.invalid(detail)

    def called(self, rule: Callable[[str], Iterable[str]]) -> Iterator[Problem]:
        """A problem where there is an empty string, or one that breaks a rule of names."""
        if self.value == "":
            yield self.required()
        elif self.text:
            yield from self.breaks(rule(self.text))

    def one_of(self, *choices: str) -> Iterator[Problem]:
        """A problem where there is a string that is none of these."""
        if self.text and self.text not in choices:
            supported = ", ".join(map(shown, sorted(choices)))
            yield self.problem(f"Unsupported value: {shown(self.text)}: supported values: {supported}")

    def port_number(self) -> Iterator[Problem]:
        """A problem where there is a number that no port has."""
        if self.number is not None and not 1 <= self.number <= MAX_PORT:
            yield self.invalid(f"must be between 1 and {MAX_PORT}, inclusive")

    def not_negative(self) -> Iterator[Problem]:
        if self.number is not None and self.number < 0:
            yield self.invalid("must be greater than or equal to 0")

    def at_most(self, items: int) -> Iterator[Problem]:
        """A problem where there is a list that is longer."""
        if isinstance(self.value, list) and len(self.value) > items:
            yield self.problem(f"Too many: {len(self.value)}: must have at most {items} items")


def unique(fields: Iterable[Field]) -> Iterator[Problem]:
    """A problem for each string that another field had before."""
    seen: set[str] = set()
    for field in fields:
        if field.text and field.text in seen:
            yield field.duplicate()
        seen.add(field.text)
