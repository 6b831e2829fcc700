"""The strict YAML reader: what it reads equals what was written, and what it refuses says where."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from k8sshim.manifests import json_text, yaml_text

pytestmark = pytest.mark.unit

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
_EXPONENT = re.compile(r"[\d.][eE][-+]?\d")
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))
JSON = st.recursive(SCALARS | TEXT, lambda below: st.lists(below) | st.dictionaries(TEXT, below), max_leaves=20)


@given(st.lists(JSON, min_size=1, max_size=3))
def test_reads_what_another_writer_wrote(values: list[object]) -> None:
    # JSON's notation of each value is YAML, too, and is written without PyYAML's idea of what needs quotes.
    text = "".join(f"--- {json.dumps(value, ensure_ascii=False)}\n" for value in values)
    assert yaml_text.read(text) == (values, [])


@given(st.dictionaries(st.text("abc", min_size=1), JSON))
def test_reads_block_style(value: dict[str, object]) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assume(not _EXPONENT.search(text))  # PyYAML writes the string 1e5 without quotes; to kubectl it is a number
    assert yaml_text.read(text) == ([value], [])


@given(JSON)
def test_json_reader_agrees(value: object) -> None:
    assert json_text.read(f" {json.dumps(value)}\n{json.dumps(value)}") == ([value, value], [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("y", "y"),
        ("~", None),
        ("", None),
        ("0644", 0o644),
        ("0o17", 0o17),
        ("0x1F", 31),
        ("0b_", "0b_"),
        ("-1_000", -1000),
        ("1e3", 1000.0),
        ("1:30", "1:30"),
        ("2024-01-31", "2024-01-31"),
        ("1.2.3", "1.2.3"),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!int '1'", 1),
    ],
)
def test_plain_scalars_as_kubectl_reads_them(text: str, value: object) -> None:
    assert yaml_text.read(f"a: {text}\n") == ([{"a": value}], [])


def test_references_and_merged_maps() -> None:
    text = "base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\nlist: {<<: [*base, {b: 4, c: 5}]}\n"
    assert yaml_text.read(text)[0] == [
        {"base": {"a": 1, "b": 2}, "own": {"a": 1, "b": 3}, "list": {"a": 1, "b": 2, "c": 5}}
    ]


def test_references_are_copies() -> None:
    document = yaml_text.read("a: &x {b: 1}\nc: *x\n")[0][0]
    document["a"]["b"] = 2
    assert document["c"] == {"b": 1}


def test_keys_become_strings() -> None:
    assert yaml_text.read("1: a\ntrue: b\n")[0] == [{"1": "a", "true": "b"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested deeper than 100 levels (line 1, column 101)"),
        ("- " * 5_000 + "a", "nested deeper"),
        ("a: &a [*a]", "*a refers to itself"),
        ("a: *b", "*b refers to itself or to nothing (line 1, column 4)"),
        ("a: !!binary aGk=", "tag:yaml.org,2002:binary"),
        ("a: !!set {b}", "tag:yaml.org,2002:set"),
        ("a: .nan", ".nan is no number that JSON has"),
        ("a: " + "9" * 5_000, "too many digits"),
        ("? [a]\n: b", "a key must be a string"),
        ("a: 1\n b: 2", "is no YAML"),
        ("<<: 5", "<< needs a map"),
    ],
)
def test_refusals_say_where(text: str, said: str) -> None:
    _, problems = yaml_text.read(text)
    assert len(problems) == 1
    assert said in problems[0].message and "(line " in problems[0].message


def test_references_that_grow_are_refused_early() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
    ]
    _, problems = yaml_text.read("\n".join(lines))
    assert "grows to more than" in problems[0].message


def test_documents_before_the_error_are_read() -> None:
    documents, problems = yaml_text.read("a: 1\n---\nb: [\n")
    assert documents == [{"a": 1}]
    assert problems[0].document == 2


@given(st.text() | st.text("[]{}&*!:,-#\n 'a\"|>?%@`\t", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    _, problems = yaml_text.read(text)
    assert all("\n" not in str(problem) for problem in problems)
