"""Errors that podwire raises on purpose. A person reads each as one line; the command line maps its class to a code."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

_MAX_SHOWN = 300  # characters of a value in a message


def some(names: Iterable[str], most: int = 10) -> str:
    """A list as a line can hold it: the first few, and how many more there are; `none` for an empty one."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return (", ".join(listed[:most]) or "none") + more


def shown(value: object) -> str:
    """A value of an object as messages quote it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}... ({len(text)} characters)"


def invalid(value: object, detail: str) -> str:
    """The message for a value that breaks a rule."""
    return f"Invalid value: {shown(value)}: {detail}"


class PodwireError(Exception):
    """What was asked for failed (exit code 1). Its text is one line, ready to be shown."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one field of one object of one file; empty parts are left out of the line."""

    message: str
    file: str = ""
    document: int = 0  # counted from 1; 0 where the file holds one document or none could be read
    object: str = ""  # "Deployment default/web"
    field: str = ""  # "spec.template.spec.containers[0].ports[1].containerPort"

    def __str__(self) -> str:
        document = f"document {self.document}" if self.document else ""
        parts = [part for part in (self.file, document, self.object, self.field, self.message) if part]
        line = " ".join(": ".join(parts).split())
        return "".join(_printable(character) for character in line)


def _printable(character: str) -> str:
    """Manifests' names stand in messages, and must not move a terminal's cursor or colour it."""
    return character if character.isprintable() else character.encode("unicode_escape").decode()


class BadInput(PodwireError):
    """Wrong use or bad input (exit code 2): every problem found, one line each, and nothing was done."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    @classmethod
    def of(cls, message: str, *, file: str = "", object: str = "", field: str = "") -> BadInput:
        """A single problem."""
        return cls(Problem(message, file=file, object=object, field=field))


class NotFound(BadInput):
    """A lab, pod, node or scenario that was named does not exist."""


class Conflict(PodwireError):
    """An object changed under its writer, or exists already."""
