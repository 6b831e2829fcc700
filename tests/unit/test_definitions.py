"""What a CustomResourceDefinition is refused for, in Kubernetes' words (apiextensions-apiserver, validation.go)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from k8sshim import validation

pytestmark = pytest.mark.unit
SCHEMA = "spec.versions[0].schema.openAPIV3Schema"
VERSION = {
    "name": "v1",
    "served": True,
    "storage": True,
    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}},
}
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget", "singular": "widget"},
        "versions": [VERSION],
    },
}


def spec_with(**fields: Any) -> dict[str, Any]:
    """The definition with other fields of its spec's property."""
    raw: dict[str, Any] = copy.deepcopy(DEFINITION)
    raw["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = fields
    return raw


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    raw: dict[str, Any] = copy.deepcopy(DEFINITION)
    change(raw["spec"])
    return raw


def said(raw: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem.field, problem.message) for problem in validation.problems(raw)]


def test_a_good_one() -> None:
    assert said(DEFINITION) == []
    assert said(spec_with(type="array", items={"type": "string", "pattern": "^a+$"})) == []
    assert said(spec_with(**{"x-kubernetes-int-or-string": True})) == []
    assert said(spec_with(type="object", anyOf=[{"required": ["a"]}, {"properties": {"b": {"minimum": 1}}}])) == []


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"$ref": "#/a"}, "$ref", "Forbidden: $ref is not supported"),
        ({"type": "object", "definitions": {"a": {}}}, "definitions", "Forbidden: definitions is not supported"),
        ({"type": "null"}, "type", "Forbidden: type cannot be set to null, use nullable as an alternative"),
        ({"type": "array", "items": {}}, "items.type", "Required value: must not be empty for specified array items"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems", "Forbidden: uniqueItems cannot be set to true"),
        ({"type": "string", "pattern": "["}, "pattern", 'Invalid value: "[": must be a valid regular expression'),
        ({"type": "text"}, "type", 'Unsupported value: "text": supported values: "array", "boolean"'),
        ({}, "type", "Required value: must not be empty for specified object fields"),
    ],
)
def test_schemas_are_structural(fields: dict[str, Any], field: str, message: str) -> None:
    assert any(
        where == f"{SCHEMA}.properties.spec.{field}" and what.startswith(message)
        for where, what in said(spec_with(**fields))
    ), said(spec_with(**fields))


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (lambda spec: spec.update(group="shop"), "spec.group", "should be a domain with at least one dot"),
        (lambda spec: spec.update(scope="Galaxy"), "spec.scope", "Unsupported value"),
        (lambda spec: spec["names"].update(plural="gadgets"), "metadata.name", "must be spec.names.plural"),
        (lambda spec: spec["names"].update(kind="W W"), "spec.names.kind", "may have mixed case"),
        (lambda spec: spec["versions"].append(VERSION), "spec.versions", "exactly one version marked as storage"),
        (lambda spec: spec["versions"][0].pop("schema"), f"{SCHEMA}", "schemas are required"),
    ],
)
def test_names_and_versions(change: Callable[[dict[str, Any]], object], field: str, message: str) -> None:
    assert any(where == field and message in what for where, what in said(changed(change))), said(changed(change))
