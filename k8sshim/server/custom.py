"""Kinds that CustomResourceDefinitions bring: where each is served, its schema, its columns, its scale. Pure.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/. Rules in CEL
(x-kubernetes-validations), conversion webhooks and selectable fields are stored and not acted on; versions differ in
their apiVersion alone (conversion strategy None).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jsonschema

from k8sshim.errors import Problem
from k8sshim.kinds import Kind
from k8sshim.objects import Raw
from k8sshim.validation.field import Field, join
from k8sshim.validation.metadata import metadata_problems
from k8sshim.validation.schema import head_problems

from .broken_rules import problems_of
from .columns import AGE, NAME, Cell, Column, Dated, Printer, at

_IMPLICIT = ("apiVersion", "kind", "metadata")  # at the root every schema has these


@dataclass(frozen=True)
class ScalePaths:
    """Where a kind keeps what the subresource `scale` shows."""

    replicas: str
    current: str
    selector: str


@dataclass(frozen=True)
class CustomKind(Kind):
    """A kind of a CustomResourceDefinition, in one version."""

    schema: Raw = field(default_factory=dict, compare=False)
    columns: tuple[Raw, ...] = field(default=(), compare=False)
    scale: ScalePaths | None = field(default=None, compare=False)
    preferred: bool = field(default=False, compare=False)  # the version that is stored

    @cached_property
    def printer(self) -> Printer:
        own = tuple(_column(each) for each in self.columns)
        return Printer((NAME, *own) if own else (NAME, AGE))

    @cached_property
    def _validator(self) -> Any:
        return jsonschema.Draft202012Validator(_plain(self.schema))

    def problems(self, raw: Raw) -> list[Problem]:
        """What is wrong with an object of this kind."""
        found = [*metadata_problems(Field(raw)["metadata"], self), *head_problems(raw)]
        errors = sorted(self._validator.iter_errors(raw), key=lambda error: [str(step) for step in error.absolute_path])
        return [*found, *(problem for error in errors for problem in problems_of(error))]


def kinds_of(definition: Raw) -> Iterator[CustomKind]:
    """The kinds that a CustomResourceDefinition serves, one a version."""
    spec = definition.get("spec") or {}
    names = spec.get("names") or {}
    for version in spec.get("versions") or ():
        if not version.get("served"):
            continue
        subresources = version.get("subresources") or {}
        scale = subresources.get("scale")
        yield CustomKind(
            group=spec["group"],
            version=version["name"],
            kind=names["kind"],
            plural=names["plural"],
            singular=names.get("singular") or names["kind"].lower(),
            short_names=tuple(names.get("shortNames") or ()),
            namespaced=spec.get("scope") == "Namespaced",
            has_status="status" in subresources,
            has_scale=bool(scale),
            in_all="all" in (names.get("categories") or ()),
            stored=True,
            schema=(version.get("schema") or {}).get("openAPIV3Schema") or {},
            columns=tuple(version.get("additionalPrinterColumns") or ()),
            scale=_scale_paths(scale) if scale else None,
            preferred=bool(version.get("storage")),
        )


def _scale_paths(scale: Raw) -> ScalePaths:
    return ScalePaths(
        scale.get("specReplicasPath", "").lstrip("."),
        scale.get("statusReplicasPath", "").lstrip("."),
        scale.get("labelSelectorPath", "").lstrip("."),
    )


def established(definition: Raw, moment: str) -> None:
    """Give a definition the status that it has once its kinds are served."""
    spec = definition.get("spec") or {}
    names = dict(spec.get("names") or {})
    names.setdefault("singular", str(names.get("kind", "")).lower())
    names.setdefault("listKind", f"{names.get('kind', '')}List")
    spec["names"] = names
    spec.setdefault("conversion", {"strategy": "None"})
    said = (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    )
    definition["status"] = {
        "acceptedNames": names,
        "conditions": [
            {"type": kind, "status": "True", "reason": reason, "message": text, "lastTransitionTime": moment}
            for kind, reason, text in said
        ],
        "storedVersions": [each["name"] for each in spec.get("versions") or () if each.get("storage")],
    }


def prune(raw: Raw, schema: Raw) -> list[str]:
    """Take out what the schema does not know; the paths of what was there."""
    return list(_prune(raw, {**schema, "properties": {**dict.fromkeys(_IMPLICIT, _OPEN), **_known(schema)}}, ""))


_OPEN = {"x-kubernetes-preserve-unknown-fields": True}


def _known(schema: Raw) -> Raw:
    return {name: part for name, part in (schema.get("properties") or {}).items() if name not in _IMPLICIT}


def _prune(value: Any, schema: Raw, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from _prune(item, schema.get("items") or {}, join(path, place))
    if not isinstance(value, dict):
        return
    known, others = schema.get("properties") or {}, schema.get("additionalProperties")
    if schema.get("x-kubernetes-embedded-resource"):
        known = {**dict.fromkeys(_IMPLICIT, _OPEN), **known}
    open_ = schema.get("x-kubernetes-preserve-unknown-fields") or others is True
    for name in list(value):
        if name in known:
            yield from _prune(value[name], known[name], join(path, name))
        elif isinstance(others, dict):
            yield from _prune(value[name], others, join(path, name))
        elif not open_:
            del value[name]
            yield join(path, name)


def fill_in(value: Any, schema: Raw) -> None:
    """What the schema gives as defaults, where an object is silent."""
    if isinstance(value, list):
        for item in value:
            fill_in(item, schema.get("items") or {})
    if not isinstance(value, dict):
        return
    for name, part in (schema.get("properties") or {}).items():
        nulled = name in value and value[name] is None and not part.get("nullable")
        if "default" in part and (name not in value or nulled):
            value[name] = copy.deepcopy(part["default"])
        if name in value:
            fill_in(value[name], part)
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        for each in value.values():
            fill_in(each, others)


def _plain(schema: Any) -> Any:
    """An OpenAPI v3 schema as JSON Schema."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {word: _plain(value) for word, value in schema.items() if not word.startswith("x-") and word != "format"}
    if isinstance(schema.get("properties"), dict):  # whose names are no words of the schema
        plain["properties"] = {name: _plain(part) for name, part in schema["properties"].items()}
    if schema.get("x-kubernetes-int-or-string"):
        plain["type"] = ["integer", "string"]
    if schema.get("nullable") is True and isinstance(plain.get("type"), str):
        plain["type"] = [plain["type"], "null"]
    for word, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if schema.get(word) is True:
            plain |= {word: plain.pop(limit)} if limit in plain else {}
        if isinstance(plain.get(word), bool):
            del plain[word]
    return plain


# Columns


def _column(raw: Raw) -> Column:
    path, kind = raw.get("jsonPath", ""), raw.get("type", "string")
    read = _reader(path)
    make = Dated if kind == "date" else Column
    return make(raw["name"], read, kind, raw.get("priority", 0), raw.get("description", ""))


_FILTER = re.compile(r"""\?\(\s*@\.([\w.]+)\s*==\s*["']([^"']*)["']\s*\)""")
_STEP = re.compile(r"""\.?([\w-]+)|\[([^\]]*(?:\([^)]*\))?)\]""")


def _reader(path: str) -> Callable[[Raw], Cell]:
    """The simple JSONPath of a column: members, indexes, `*`, and a filter for an equal value."""
    steps = [member or index for member, index in _STEP.findall(path)]

    def read(raw: Raw) -> Cell:
        found: list[Any] = [raw]
        for step in steps:
            found = [each for value in found for each in _below(value, step)]
        shown = [value for value in found if value is not None]
        if len(shown) == 1 and isinstance(shown[0], (int, str)):
            return shown[0]
        return ",".join(map(str, shown))

    return read


def _below(value: Any, step: str) -> list[Any]:
    condition = _FILTER.fullmatch(step)
    if condition and isinstance(value, list):
        return [each for each in value if isinstance(each, dict) and str(at(each, condition[1])) == condition[2]]
    if step == "*" and isinstance(value, (list, dict)):
        return list(value.values() if isinstance(value, dict) else value)
    if isinstance(value, list) and step.lstrip("-").isdigit():
        return value[int(step) :][:1]
    name = step.strip("'\"")
    return [value[name]] if isinstance(value, dict) and name in value else []
