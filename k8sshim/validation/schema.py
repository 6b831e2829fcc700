"""What the published schemas of Kubernetes say of an object: types, required fields, unknown fields.

The schemas come as files with the package kubernetes-validate, whose own function reads 2 MB anew for each object and
stops at the first error. Here the shared definitions are read once, without their prose, and validators are kept.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource

from k8sshim.errors import Problem
from k8sshim.kinds import POLICY_GROUP, Kind
from k8sshim.objects import Raw
from k8sshim.validation.compiled import Check, check_of
from k8sshim.validation.field import join, type_of
from k8sshim.validation.policy_schema import policy_schema

_FOLDER = re.compile(r"v(\d+)\.(\d+)\.(\d+)-local-strict")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_OBJECT_META = "/api/_definitions.json#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_TYPE_WORDS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "array": "a list",
    "object": "an object",
}
_FORMAT_WORDS = {"int32": "32-bit integer", "int64": "64-bit integer", "date-time": "date and time (RFC 3339)"}


def schema_problems(raw: Raw, kind: Kind) -> list[Problem]:
    """Every error that the schema finds, in the order of the fields; those of its head for a kind without a schema."""
    if not object_schema(kind):
        return head_problems(raw)
    validator = _validator(kind)
    if fits(raw, kind):
        return []
    errors = sorted(validator.iter_errors(raw), key=_place)
    return [problem for error in errors for problem in _problems(error)]


def status_schema_problems(status: Raw, kind: Kind) -> list[Problem]:
    """The same of a status alone, in which nothing is required: who writes a part of it need not know the rest."""
    schema = (object_schema(kind).get("properties") or {}).get("status")
    if schema is None or _status_check(kind)(status):
        return []
    errors = sorted(_judge(_part("status", schema)).iter_errors({"status": status}), key=_place)
    return [problem for error in errors if error.validator != "required" for problem in _problems(error)]


def head_problems(raw: Raw) -> list[Problem]:
    """What is wrong with the metadata of an object, whatever its kind."""
    metadata = raw.get("metadata")
    if _check_of_definition(_OBJECT_META)(metadata):
        return []
    errors = sorted(_judge(_part("metadata", {"$ref": _OBJECT_META})).iter_errors({"metadata": metadata}), key=_place)
    return [problem for error in errors for problem in _problems(error)]


def _part(name: str, schema: Raw) -> Raw:
    return {"$id": "https://kubernetes.io/api/part", "properties": {name: schema}}


def _judge(schema: Raw) -> Any:
    return _VALIDATOR(schema, registry=_registry(), format_checker=_FORMATS)


@cache
def _status_check(kind: Kind) -> Check:
    return check_of(object_schema(kind)["properties"]["status"], _check_of_definition, _FORMATS.conforms)


def fits(raw: Raw, kind: Kind) -> bool:
    """Whether an object surely has no error; where it is not sure, the validator finds out, and says what is wrong."""
    return _check(kind)(raw)


def _place(error: Any) -> list[str]:
    return [f"{step:09}" if isinstance(step, int) else step for step in error.absolute_path]


def _problems(error: Any) -> Iterator[Problem]:
    path = ""
    for step in error.absolute_path:
        path = join(path, step)
    value = error.instance
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in value and f"'{name}'" in error.message]
        yield from (Problem("Required value", field=join(path, name)) for name in missing)
    elif error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        yield from (Problem(_unknown(name, known), field=path) for name in value if name not in known)
    elif error.validator == "type":
        expected = [_TYPE_WORDS[name] for name in _names(error.validator_value) if name != "null"]
        yield Problem(f"is {type_of(value)}, expected {' or '.join(expected)}", field=path)
    elif error.validator == "oneOf":
        if value is not None:  # null is absence; it fits every alternative, so more than one
            yield Problem(f"is {type_of(value)}, expected {_alternatives(error.validator_value)}", field=path)
    elif error.validator == "format":
        yield Problem(f"{value!r} is no {_FORMAT_WORDS[error.validator_value]}", field=path)
    else:
        yield Problem(error.message, field=path)


def _names(types: str | list[str]) -> list[str]:
    return [types] if isinstance(types, str) else types


def _alternatives(schemas: list[Raw]) -> str:
    names = [name for schema in schemas for name in _names(schema.get("type", [])) if name != "null"]
    return " or ".join(_TYPE_WORDS[name] for name in names)


def _unknown(name: str, known: Raw) -> str:
    near = difflib.get_close_matches(str(name), known, n=1)
    return f'unknown field "{name}"' + (f', did you mean "{near[0]}"?' if near else "")


@cache
def _folder() -> Path:
    """The schemas of the newest Kubernetes version that the package has."""
    spec = find_spec("kubernetes_validate")
    assert spec is not None and spec.submodule_search_locations, "kubernetes-validate is not installed"
    root = Path(spec.submodule_search_locations[0]) / "kubernetes-json-schema"
    versions = [match for entry in root.iterdir() if (match := _FOLDER.fullmatch(entry.name))]
    return root / max(versions, key=lambda match: tuple(map(int, match.groups()))).group()


@cache
def _definitions() -> Raw:
    """What the schemas of all kinds share, by name; read once, 5 MB as Python objects with its prose, 2 without."""
    return _load(_folder() / "_definitions.json")


@cache
def described_definitions() -> Raw:
    """The same with its prose, for those who show it to people."""
    found: Raw = json.loads((_folder() / "_definitions.json").read_bytes())["$defs"]
    return found


def definition(reference: str) -> Raw:
    """The shared definition that a `$ref` points to."""
    found: Raw = _definitions()["$defs"][reference.rpartition("/")[2]]
    return found


@cache
def object_schema(kind: Kind) -> Raw:
    """The schema of a kind; empty where none is published. An administrator's policies have one of podwire's own."""
    if kind.group == POLICY_GROUP:
        return policy_schema(kind)
    group = kind.group.split(".")[0]
    file = _folder() / f"{'-'.join(part for part in (kind.singular, group, kind.version) if part)}.json"
    return _load(file) if file.exists() else {}


@cache
def _registry() -> Any:
    shared = _definitions()
    return Registry().with_resource(shared["$id"], Resource.from_contents(shared))


@cache
def _validator(kind: Kind) -> Any:
    return _judge(object_schema(kind))


@cache
def _check(kind: Kind) -> Check:
    return check_of(object_schema(kind), _check_of_definition, _FORMATS.conforms)


@cache
def _check_of_definition(reference: str) -> Check:
    return check_of(definition(reference), _check_of_definition, _FORMATS.conforms)


def _load(file: Path) -> Raw:
    schema: Raw = json.loads(file.read_bytes(), object_hook=_without_prose)
    return schema


def _without_prose(schema: Raw) -> Raw:
    """Descriptions are two thirds of the definitions; a *property* of that name is no string and stays."""
    if isinstance(schema.get("description"), str):
        del schema["description"]
    return schema


def _within(bits: int) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, int) or -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)


def _formats() -> Any:
    checker = jsonschema.FormatChecker(formats=())
    checker.checks("int32")(_within(32))
    checker.checks("int64")(_within(64))
    checker.checks("date-time")(lambda value: not isinstance(value, str) or bool(_DATE_TIME.fullmatch(value)))
    return checker


def _exact() -> Any:
    """JSON Schema takes 8e1 for an integer; Kubernetes does not, nor could whoever reads a port of 1e30."""
    base = jsonschema.Draft202012Validator
    checker = base.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    return jsonschema.validators.extend(base, type_checker=checker)


_FORMATS = _formats()
_VALIDATOR = _exact()
