"""What a CustomResourceDefinition must be: its names, its versions, and schemas that are structural. Pure.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from k8sshim import names
from k8sshim.errors import Problem

from .field import Field, unique

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = ("$ref", "id", "additionalItems", "patternProperties", "definitions", "dependencies")
_QUADRATIC = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
_OF_ANY_TYPE = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
_COMBINED = ("allOf", "anyOf", "oneOf")


def definition_problems(root: Field) -> Iterator[Problem]:
    spec = root["spec"]
    name, called, versions = root.at("metadata", "name"), spec["names"], spec["versions"]
    yield from spec["scope"].one_of("Cluster", "Namespaced")
    yield from _names(spec["group"], called)
    if name.text != f"{called['plural'].text}.{spec['group'].text}":
        yield name.invalid('must be spec.names.plural+"."+spec.group')
    yield from unique(each["name"] for each in versions.elements())
    if sum(each["storage"].value is True for each in versions.elements()) != 1:
        yield versions.invalid("must have exactly one version marked as storage version")
    for version in versions.elements():
        yield from version["name"].breaks(names.dns_label_1035(version["name"].text))
        schema = version.at("schema", "openAPIV3Schema")
        yield from _root(schema) if schema else [schema.required("schemas are required")]


def _names(group: Field, called: Field) -> Iterator[Problem]:
    yield from group.breaks(names.dns_subdomain(group.text))
    if "." not in group.text:
        yield group.invalid("should be a domain with at least one dot")
    yield from called["plural"].breaks(names.dns_label_1035(called["plural"].text))
    if called["singular"].text:
        yield from called["singular"].breaks(names.dns_label_1035(called["singular"].text))
    for each in names.dns_label_1035(called["kind"].text.lower()):
        yield called["kind"].invalid(f"may have mixed case, but should otherwise match: {each}")
    for name in called["shortNames"].elements():
        yield from name.breaks(names.dns_label_1035(name.text))


def _root(schema: Field) -> Iterator[Problem]:
    kind = schema["type"]
    if not kind:
        yield kind.required("must not be empty at the root")
    elif kind.value != "object":
        yield kind.invalid("must be object at the root")
    yield from _schema(schema)


def _schema(schema: Field, *, typed: bool = True) -> Iterator[Problem]:
    """What is wrong with a schema and those in it; not `typed`: one of several that hold together."""
    for word in _UNSUPPORTED:
        if schema[word]:
            yield schema[word].forbidden(f"{word} is not supported")
    if schema["type"].value == "null":
        yield schema["type"].forbidden("type cannot be set to null, use nullable as an alternative")
    else:
        yield from schema["type"].one_of(*_TYPES)
    if schema["uniqueItems"].value is True:
        yield schema["uniqueItems"].forbidden(_QUADRATIC)
    yield from _pattern(schema["pattern"])
    if isinstance(schema["items"].value, list):
        yield schema["items"].forbidden("items must be a schema object and not an array")
    for place, part in _parts(schema):
        if typed and not part["type"] and not any(part[word].value is True for word in _OF_ANY_TYPE):
            yield part["type"].required(f"must not be empty for specified {place}")
        yield from _schema(part, typed=typed)
    for part in _combined(schema):
        yield from _schema(part, typed=False)


def _parts(schema: Field) -> Iterator[tuple[str, Field]]:
    for _, part in schema["properties"].entries():
        yield "object fields", part
    if isinstance(schema["items"].value, dict):
        yield "array items", schema["items"]
    if isinstance(schema["additionalProperties"].value, dict):
        yield "object fields", schema["additionalProperties"]


def _combined(schema: Field) -> Iterator[Field]:
    for word in _COMBINED:
        yield from schema[word].elements()
    if schema["not"]:
        yield schema["not"]


def _pattern(pattern: Field) -> Iterator[Problem]:
    try:
        re.compile(pattern.text)
    except re.error as error:
        yield pattern.invalid(f"must be a valid regular expression, but isn't: {error}")
