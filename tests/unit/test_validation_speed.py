"""The fast answer to "does this object fit its schema": never yes where the thorough one finds an error."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from k8sshim.kinds import find
from k8sshim.objects import Raw
from k8sshim.validation import schema
from k8sshim.validation.compiled import check_of
from k8sshim.validation.schema import fits, schema_problems

pytestmark = pytest.mark.unit

CASES = Path(__file__).parents[1] / "golden" / "bad_input"


def refuse(reference: str) -> Any:
    raise AssertionError(f"no reference is expected: {reference}")


def accepts(schema: Raw, value: Any) -> bool:
    return check_of(schema, refuse, lambda value, form: form != "int32" or value < 10)(value)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": ["integer", "null"]}, [1, None], [True, "1", 1.5]),
        ({"type": "number"}, [1, 1.5], [True, None]),
        ({"enum": ["v1"]}, ["v1"], ["v2", [], None]),
        ({"type": "integer", "format": "int32"}, [9], [10]),
        ({"oneOf": [{"type": ["string", "null"]}, {"type": ["integer", "null"]}]}, ["a", 1], [None, []]),
        ({"items": {"type": "string"}}, [[], ["a"], 5], [["a", 1]]),
        ({"properties": {"a": {"type": "string"}}, "additionalProperties": False}, [{}, {"a": ""}], [{"b": ""}]),
        ({"additionalProperties": {"type": "string"}}, [{"a": ""}], [{"a": 1}]),
        ({"required": ["a"]}, [{"a": 1}, 5], [{}]),
        ({"properties": {"a": {"type": "string"}}}, [{"b": 1}], [{"a": 1}]),
        ({"type": "string", "maxLength": 3}, [], ["a"]),
        ({"type": "string", "x-kubernetes-map-type": "atomic"}, ["a"], [1]),
    ],
)
def test_keywords(schema: Raw, good: list[Any], bad: list[Any]) -> None:
    assert [accepts(schema, value) for value in good] == [True] * len(good)
    assert [accepts(schema, value) for value in bad] == [False] * len(bad)


def objects() -> Iterator[Raw]:
    """What the golden cases have that can be read as it stands."""
    for file in sorted(CASES.rglob("*.yaml")):
        if "alias" in str(file):  # more than fits into memory
            continue
        try:
            documents = list(yaml.safe_load_all(file.read_text()))
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
            continue
        yield from (raw for raw in documents if isinstance(raw, dict) and isinstance(raw.get("kind"), str))


def test_what_it_accepts_has_no_errors() -> None:
    judged = [
        (fits(raw, kind), schema_problems(raw, kind))
        for raw in objects()
        if (kind := find(str(raw.get("apiVersion")), raw["kind"]))
    ]
    assert {good for good, _ in judged} == {True, False}
    assert [problems for good, problems in judged if good and problems] == []


SERVICE: Raw = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "labels": {"a": "b"}, "creationTimestamp": "2024-05-06T07:08:09Z"},
    "spec": {"ports": [{"name": "a", "port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8080}]},
}
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.just([]), st.just({}), st.just(1.0))
PLACES = [("metadata", "name"), ("metadata", "labels", "a"), ("metadata", "creationTimestamp"), ("spec", "type")]
PLACES += [("spec", "ports", 0, "port"), ("spec", "ports", 1, "targetPort"), ("spec", "ports", 0), ("spec", "ports")]
PLACES += [("spec",), ("spec", "selector"), ("spec", "nope"), ("spec", "sessionAffinityConfig"), ("status",)]


@given(st.sampled_from(PLACES), VALUES)
def test_it_agrees_with_the_thorough_way(path: tuple[Any, ...], value: Any) -> None:
    raw: Any = copy.deepcopy(SERVICE)
    place = raw
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    kind = find("v1", "Service")
    assert kind is not None
    thorough = not list(schema._validator(kind).iter_errors(raw))
    assert fits(raw, kind) <= thorough
    assert fits(SERVICE, kind)
