"""From texts to a set of objects that may be applied, or every reason why not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from k8sshim import kinds, validation
from k8sshim.errors import BadInput, Problem
from k8sshim.manifests import json_text, sources, yaml_text
from k8sshim.manifests.sources import Source
from k8sshim.objects import Key, Raw
from k8sshim.validation.field import type_of

DEFAULT_NAMESPACE = "default"
_NO_OBJECT = "is {}, expected an object with apiVersion, kind and metadata"


@dataclass(frozen=True)
class Document:
    """One object of a manifest. Items of a List have the List's number."""

    raw: Raw
    file: str
    number: int  # counted from 1; 0 where the file holds one document

    @property
    def name(self) -> str:
        """`Deployment default/web`"""
        return validation.name_of(self.raw)

    @property
    def key(self) -> Key:
        """Where the object goes: what names no namespace goes to `default`."""
        entry = kinds.find(self.raw["apiVersion"], self.raw["kind"])
        key = Key.of(self.raw)
        namespaced = entry is None or entry.namespaced
        return Key((key.namespace or DEFAULT_NAMESPACE) if namespaced else "", key.name)

    def problem(self, message: str, field: str = "") -> Problem:
        return Problem(message, file=self.file, document=self.number, object=self.name, field=field)


def load(names: Sequence[str], *, recursive: bool = False) -> list[Document]:
    """The objects of files, folders and standard input (`-`), in order. Raises BadInput with every problem of all."""
    found: list[Document] = []
    problems: list[Problem] = []
    for name in names:
        texts, unreadable = sources.read(name, recursive=recursive)
        problems.extend(unreadable)
        for text in texts:
            documents, wrong = parse(text)
            found.extend(documents)
            problems.extend(wrong)
    problems.extend(_same_names(found))
    if names and not found and not problems:
        problems.append(Problem("no object to apply", file=", ".join(names)))
    if problems:
        raise BadInput(*problems)
    return found


def parse(source: Source) -> tuple[list[Document], list[Problem]]:
    """The objects of one text, good and bad, and what is wrong with them, document by document."""
    values, problems = _values(source)
    several = max([len(values), *(problem.document for problem in problems)]) > 1
    found: list[Document] = []
    for number, value in enumerate(values, start=1):
        for raw, field in _flattened(value):
            if isinstance(raw, dict):
                found.append(Document(raw, source.file, number if several else 0))
                problems.extend(dataclasses.replace(problem, document=number) for problem in _problems(found[-1]))
            elif raw is not None or field:
                problems.append(Problem(_NO_OBJECT.format(type_of(raw)), document=number, field=field))
    return found, [
        dataclasses.replace(problem, file=source.file, document=problem.document if several else 0)
        for problem in sorted(problems, key=lambda problem: problem.document)
    ]


def _values(source: Source) -> tuple[list[Any], list[Problem]]:
    if source.file.endswith(".json"):
        return json_text.read(source.text)
    if source.text.lstrip().startswith("{"):  # as kubectl guesses; it may be YAML's own notation of a map, too
        values, problems = json_text.read(source.text)
        if not problems:
            return values, problems
    return yaml_text.read(source.text)


def _flattened(value: Any, field: str = "") -> Iterator[tuple[Any, str]]:
    """An object, or the items of a List (`v1 List`, `v1 PodList`, ...), which share its kind where they name none."""
    items = value.get("items") if isinstance(value, dict) else None
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(items, list) or not isinstance(kind, str) or not kind.endswith("List"):
        yield value, field
        return
    inherited = {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")} if kind != "List" else {}
    for number, item in enumerate(items):
        yield from _flattened({**inherited, **item} if isinstance(item, dict) else item, f"items[{number}]")


def _problems(document: Document) -> list[Problem]:
    found = validation.problems(document.raw)
    metadata = document.raw.get("metadata")
    if isinstance(metadata, dict) and metadata.get("generateName") and not metadata.get("name"):
        reason = "cannot be applied: the next apply would not find the object again"
        found.append(document.problem(reason, "metadata.generateName"))
    return found


def _same_names(documents: Iterable[Document]) -> Iterator[Problem]:
    first: dict[tuple[str, str, Key], Document] = {}
    for document in documents:
        entry = kinds.find(*(_text(document.raw.get(name)) for name in ("apiVersion", "kind")))
        if entry is None or not _named(document.raw):
            continue
        key = document.key
        other = first.setdefault((entry.group, entry.kind, key), document)
        if other is not document:
            place = f"{other.file} document {other.number}" if other.number else other.file
            yield document.problem(f"is defined in {place} already")


def _named(raw: Raw) -> bool:
    """Whether the object has a name that others may have, too; what else its metadata may be is told elsewhere."""
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("namespace") or "", str):
        return False
    return bool(_text(metadata.get("name")))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
