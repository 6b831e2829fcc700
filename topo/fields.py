"""Reading a description field by field, so that a person gets every problem at once and each names its field. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from k8sshim.errors import Problem

from .addressing import IPNetwork, parse_network


class Problems:
    """The problems found in one object of one file."""

    def __init__(self, file: str, object: str) -> None:
        self.file, self.object = file, object
        self.found: list[Problem] = []

    def add(self, field: str, message: str) -> None:
        self.found.append(Problem(message, file=self.file, object=self.object, field=field))


class Fields:
    """A mapping of the description. Reading a field marks it as known; `close` reports the fields that nobody read."""

    def __init__(self, raw: Any, path: str, problems: Problems) -> None:
        self.path, self.problems = path, problems
        self.known: list[str] = []
        self.sound = isinstance(raw, dict)  # if not, that has been said, and what is missing in it need not be
        if not self.sound:
            problems.add(path, f"must be an object, not {_kind(raw)}")
        self.raw: dict[Any, Any] = raw if self.sound else {}

    def at(self, name: str) -> str:
        """The path of a field of this mapping."""
        return f"{self.path}.{name}" if self.path else name

    def wrong(self, name: str, message: str) -> None:
        self.problems.add(self.at(name), message)

    def take(self, name: str) -> Any:
        """The field as it came; None where it is absent or null."""
        self.known.append(name)
        return self.raw.get(name)

    def text(self, name: str, default: str | None = None) -> str | None:
        """A string; the default where it is absent or, with a problem, no string."""
        value = self.take(name)
        if value is None or isinstance(value, str):
            return default if value is None else value
        self.wrong(name, f"must be a string, not {_kind(value)}")
        return default

    def required(self, name: str) -> str | None:
        """A string that must be there."""
        if self.raw.get(name) in (None, ""):
            self.known.append(name)
            if self.sound:
                self.wrong(name, "is required")
            return None
        return self.text(name)

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A number from low to high; the default where it is absent or, with a problem, wrong."""
        value = self.take(name)
        if value is None:
            return default
        if not is_integer(value):
            self.wrong(name, f"must be a number, not {_kind(value)}")
        elif not low <= value <= high:
            self.wrong(name, f"must be from {low} to {high}, not {value}")
        else:
            return int(value)
        return default

    def optional_integer(self, name: str, low: int, high: int) -> int | None:
        """A number from low to high; None where it is absent or, with a problem, wrong."""
        return self.integer(name, low, low, high) if self.raw.get(name) is not None else self.take(name)

    def number(self, name: str, low: float, high: float, *, above: bool = False) -> float | None:
        """A number, fractions too, from low (`above`: more than that) to high; None where absent or, said, wrong."""
        value = self.take(name)
        if value is None:
            return None
        if not (is_integer(value) or isinstance(value, float)):
            self.wrong(name, f"must be a number, not {_kind(value)}")
        elif not low <= value <= high or (above and value == low):
            wanted = f"more than {low} and at most {high}" if above else f"from {low} to {high}"
            self.wrong(name, f"must be {wanted}, not {value}")
        else:
            return float(value)
        return None

    def boolean(self, name: str, *, default: bool) -> bool:
        """True or false; the default where it is absent or, with a problem, neither."""
        value = self.take(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.wrong(name, f"must be true or false, not {_kind(value)}")
        return default

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of a few words."""
        value = self.text(name, default)
        if value is not None and value in choices:
            return value
        self.wrong(name, f"must be {alternatives(choices)}, not {value!r}")
        return default

    def network(self, name: str, default: IPNetwork) -> IPNetwork | None:
        """A range; the default where it is absent; None where it is, with a problem, wrong."""
        text = self.text(name)
        if text is None:
            return default
        try:
            return parse_network(text)
        except ValueError as error:
            self.wrong(name, str(error))
            return None

    def fields(self, name: str) -> Fields:
        """A mapping within this one; an empty one where it is absent."""
        value = self.take(name)
        return Fields({} if value is None else value, self.at(name), self.problems)

    def items(self, name: str) -> list[Any]:
        """A list; an empty one where it is absent or, with a problem, no list."""
        value = self.take(name)
        if value is None or isinstance(value, list):
            return value or []
        self.wrong(name, f"must be a list, not {_kind(value)}")
        return []

    def texts(self, name: str) -> list[tuple[str, str]]:
        """A list of strings, each with its field; those that are, with a problem, no strings are left out."""
        found = []
        for index, item in enumerate(self.items(name)):
            field = f"{name}[{index}]"
            if isinstance(item, str):
                found.append((field, item))
            else:
                self.wrong(field, f"must be a string, not {_kind(item)}")
        return found

    def close(self) -> None:
        """Reports the fields that nobody has read."""
        for name in self.raw:
            if name not in self.known:
                close = get_close_matches(str(name), self.known, 1)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(dict.fromkeys(self.known))}"
                self.wrong(str(name), f"unknown field; {hint}")


def alternatives(words: Sequence[str]) -> str:
    """The words as a person lists them: "a, b or c"."""
    return " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def is_integer(value: Any) -> bool:
    """Whether a value is a number without a fraction; YAML's true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    """What a person would call a value of this type."""
    names = {bool: "a boolean", dict: "an object", list: "a list", type(None): "nothing", str: "a string"}
    if type(value) in names:
        return f"{names[type(value)]} ({value!r})" if isinstance(value, (bool, str)) else names[type(value)]
    return f"{value!r}"
