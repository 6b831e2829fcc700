"""What is said of a custom resource that breaks its schema, in Kubernetes' words (kube-openapi, pkg/validation/errors).

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from k8sshim.errors import Problem
from k8sshim.validation.field import join

_WORDS = {
    "minimum": "should be greater than or equal to {}",
    "maximum": "should be less than or equal to {}",
    "exclusiveMinimum": "should be greater than {}",
    "exclusiveMaximum": "should be less than {}",
    "multipleOf": "should be a multiple of {}",
    "minLength": "should be at least {} chars long",
    "pattern": "should match '{}'",
    "minItems": "should have at least {} items",
    "minProperties": "should have at least {} properties",
    "uniqueItems": "shouldn't contain duplicates",
}
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def problems_of(error: Any) -> Iterator[Problem]:
    """The problems that an error of the schema's validator is."""
    path = ""
    for step in error.absolute_path:
        path = join(path, step)
    rule, limit, value = error.validator, error.validator_value, error.instance
    if rule == "required":
        missing = (name for name in limit if f"'{name}'" in error.message and name not in value)
        yield from (Problem("Required value", field=join(path, name)) for name in missing)
        return
    yield Problem(_words(rule, limit, value, path, error.message), field=path)


def _words(rule: str, limit: Any, value: Any, path: str, otherwise: str) -> str:
    if rule == "enum":
        supported = ", ".join(f'"{each}"' for each in limit)
        return f"Unsupported value: {_shown(value)}: supported values: {supported}"
    if rule == "type":
        found, wanted = _TYPES.get(type(value), "null"), limit if isinstance(limit, str) else limit[0]
        return f'Invalid value: "{found}": {path} in body must be of type {wanted}: "{found}"'
    if rule == "maxLength":
        return f"Too long: may not be more than {limit} bytes"
    if rule in ("maxItems", "maxProperties"):
        return f"Too many: {len(value)}: must have at most {limit} items"
    what = f"{path} in body {_WORDS[rule].format(limit)}" if rule in _WORDS else f"{path} in body: {otherwise}"
    return f"Invalid value: {_shown(value)}: {what}"


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
