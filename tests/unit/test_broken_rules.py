"""What is said of a value that breaks its schema."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from k8sshim.server.broken_rules import problems_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "integer"}, "x", 'Invalid value: "string": a in body must be of type integer: "string"'),
        ({"type": ["object", "null"]}, [], 'Invalid value: "array": a in body must be of type object: "array"'),
        ({"enum": ["b", "c"]}, "d", 'Unsupported value: "d": supported values: "b", "c"'),
        ({"minimum": 1}, 0, "Invalid value: 0: a in body should be greater than or equal to 1"),
        ({"exclusiveMaximum": 1}, 1, "Invalid value: 1: a in body should be less than 1"),
        ({"minLength": 2}, "x", 'Invalid value: "x": a in body should be at least 2 chars long'),
        ({"maxLength": 2}, "xyz", "Too long: may not be more than 2 bytes"),
        ({"pattern": "^b$"}, "x", "Invalid value: \"x\": a in body should match '^b$'"),
        ({"maxItems": 1}, [1, 2], "Too many: 2: must have at most 1 items"),
        ({"minProperties": 1}, {}, "Invalid value: {}: a in body should have at least 1 properties"),
        ({"const": 1}, 2, "Invalid value: 2: a in body: 1 was expected"),
    ],
)
def test_a_broken_rule_is_told_as_by_kubernetes(schema: dict[str, Any], value: Any, message: str) -> None:
    validator = jsonschema.Draft202012Validator({"properties": {"a": schema}})
    [problem] = [each for error in validator.iter_errors({"a": value}) for each in problems_of(error)]
    assert (problem.field, problem.message) == ("a", message)


def test_each_missing_field_is_named() -> None:
    validator = jsonschema.Draft202012Validator({"required": ["a", "b"]})
    found = [each for error in validator.iter_errors({}) for each in problems_of(error)]
    assert [(each.field, each.message) for each in found] == [("a", "Required value"), ("b", "Required value")]
