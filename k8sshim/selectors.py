"""Label selectors, in both notations that the API has: text (`a=b,c!=d,e in (x,y),!f,g`) and LabelSelector objects.

Everybody who picks objects by label (controllers, endpoints, the API server's list, policies) asks the same `Selector`.
The rules are those of https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/: an empty selector
matches every object; an absent one (`None`) matches no object. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from k8sshim import names
from k8sshim.errors import BadInput, Problem, invalid
from k8sshim.objects import Labels, Raw


class Operator(str, Enum):
    """What a requirement asks of a label."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()  # sorted; empty for Exists and DoesNotExist

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.operator is Operator.EXISTS:
            return self.key in labels
        if self.operator is Operator.DOES_NOT_EXIST:
            return self.key not in labels
        if self.operator is Operator.IN:
            return labels.get(self.key) in self.values  # None is in no tuple of strings
        return labels.get(self.key) not in self.values  # NotIn holds where the label is absent, says the API

    def __str__(self) -> str:
        if self.operator is Operator.EXISTS:
            return self.key
        if self.operator is Operator.DOES_NOT_EXIST:
            return f"!{self.key}"
        if len(self.values) == 1:
            return f"{self.key}{'=' if self.operator is Operator.IN else '!='}{self.values[0]}"
        word = "in" if self.operator is Operator.IN else "notin"
        return f"{self.key} {word} ({','.join(self.values)})"


@dataclass(frozen=True)
class Selector:
    """All requirements must hold. `requirements` is None for the selector that matches nothing."""

    requirements: tuple[Requirement, ...] | None = ()

    def matches(self, labels: Labels | Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        if self.requirements is None:
            return False
        mapping = labels if isinstance(labels, Mapping) else dict(labels)
        return all(requirement.matches(mapping) for requirement in self.requirements)

    @property
    def empty(self) -> bool:
        """Whether it matches every object."""
        return self.requirements == ()

    def __str__(self) -> str:
        """The text notation, which `parse` reads back; what matches nothing has none and reads `<none>`."""
        return "<none>" if self.requirements is None else ",".join(map(str, self.requirements))

    @classmethod
    def parse(cls, text: str) -> Selector:
        """The selector of `kubectl get -l TEXT` and of the API's `labelSelector`. Raises BadInput."""
        return cls(tuple(sorted(_parse(text), key=_order)))

    @classmethod
    def from_labels(cls, labels: Mapping[str, str] | None) -> Selector:
        """The selector of a Service or ReplicationController: equality only; None and `{}` select nothing there."""
        return (
            cls(tuple(Requirement(key, Operator.IN, (labels[key],)) for key in sorted(labels))) if labels else NOTHING
        )

    @classmethod
    def from_raw(cls, raw: Raw | None) -> Selector:
        """A LabelSelector object; None selects nothing, `{}` everything. Raises BadInput with fields relative to it."""
        if raw is None:
            return NOTHING
        found = raw_problems(raw)
        if found:
            raise BadInput(*found)
        equal = [Requirement(key, Operator.IN, (value,)) for key, value in _dict(raw.get("matchLabels")).items()]
        wanted = [
            Requirement(entry["key"], Operator(entry["operator"]), tuple(sorted(set(_list(entry.get("values"))))))
            for entry in _list(raw.get("matchExpressions"))
        ]
        return cls(tuple(sorted([*equal, *wanted], key=_order)))


_FORBIDDEN_VALUES = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
NOTHING = Selector(None)
EVERYTHING = Selector()


def _order(requirement: Requirement) -> tuple[str, str, tuple[str, ...]]:
    return requirement.key, requirement.operator.value, requirement.values


def raw_problems(raw: Raw) -> list[Problem]:
    """What is wrong with a LabelSelector object, with fields relative to it (`matchExpressions[0].operator`).

    What has the wrong type is passed over: the schema says so.
    """
    found: list[Problem] = []
    for key, value in _dict(raw.get("matchLabels")).items():
        found.extend(_broken(key, names.qualified_name(key), "matchLabels"))
        found.extend(_value_problems(value, "matchLabels"))
    for number, entry in enumerate(_list(raw.get("matchExpressions"))):
        found.extend(_expression_problems(_dict(entry), f"matchExpressions[{number}]"))
    return found


def _expression_problems(entry: Raw, field: str) -> Iterator[Problem]:
    key, operator, values = entry.get("key"), entry.get("operator"), _list(entry.get("values"))
    if operator in ("In", "NotIn") and not values:
        yield Problem("Required value: must be specified when `operator` is 'In' or 'NotIn'", field=f"{field}.values")
    elif operator in ("Exists", "DoesNotExist") and values:
        yield Problem(_FORBIDDEN_VALUES, field=f"{field}.values")
    elif isinstance(operator, str) and operator not in {each.value for each in Operator}:
        yield Problem(invalid(operator, "not a valid selector operator"), field=f"{field}.operator")
    if isinstance(key, str):
        yield from _broken(key, names.qualified_name(key), f"{field}.key")
    for index, value in enumerate(values):
        yield from _value_problems(value, f"{field}.values[{index}]")


def _value_problems(value: object, field: str) -> Iterator[Problem]:
    if value is None:
        yield Problem("is null, expected a string", field=field)
    elif isinstance(value, str):
        yield from _broken(value, names.label_value(value), field)


def _broken(value: str, rules: Iterable[str], field: str) -> Iterator[Problem]:
    return (Problem(invalid(value, rule), field=field) for rule in rules)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


_TOKEN = re.compile(r"==|!=|[=!(),]|[^\s=!(),]+")


class _Parser:
    """Recursive descent over the tokens of a selector's text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _TOKEN.findall(text)

    def bad(self, message: str) -> BadInput:
        return BadInput.of(f"bad label selector {self.text!r}: {message}")

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self) -> str:
        return self.tokens.pop(0) if self.tokens else ""

    def requirements(self) -> Iterator[Requirement]:
        if not self.tokens:
            return
        yield self.requirement()
        while self.tokens:
            if self.take() != ",":
                raise self.bad("expected ',' between requirements")
            yield self.requirement()

    def requirement(self) -> Requirement:
        if self.peek() == "!":
            self.take()
            return Requirement(self.key(), Operator.DOES_NOT_EXIST)
        key = self.key()
        sign = self.peek()
        if sign in ("", ","):
            return Requirement(key, Operator.EXISTS)
        self.take()
        if sign in ("=", "==", "!="):
            return Requirement(key, Operator.NOT_IN if sign == "!=" else Operator.IN, (self.value(),))
        if sign in ("in", "notin"):
            return Requirement(key, Operator.IN if sign == "in" else Operator.NOT_IN, self.values())
        raise self.bad(f"expected =, ==, !=, in or notin after {key!r}, found {sign!r}")

    def key(self) -> str:
        key = self.take()
        if not key:
            raise self.bad("ends where a label key is expected")
        return self.checked(key, names.qualified_name(key))

    def value(self) -> str:
        """A value, which may be empty: `a=,b` and `a=` ask for the empty string."""
        value = "" if self.peek() in ("", ",", ")") else self.take()
        return self.checked(value, names.label_value(value))

    def checked(self, word: str, broken: Sequence[str]) -> str:
        """The word, unless it breaks rules: all of them in a line, as Kubernetes has it."""
        if broken:
            raise self.bad(invalid(word, "; ".join(broken)))
        return word

    def values(self) -> tuple[str, ...]:
        if self.take() != "(":
            raise self.bad("expected '(' after in or notin")
        values = {self.value()}
        while self.peek() == ",":
            self.take()
            values.add(self.value())
        if self.take() != ")":
            raise self.bad("a list of values is not closed with ')'")
        return tuple(sorted(values))


def _parse(text: str) -> Iterator[Requirement]:
    return _Parser(text).requirements()
