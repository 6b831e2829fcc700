"""Label selectors: both notations, against rules written out a second time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8sshim.errors import BadInput
from k8sshim.objects import labels_of
from k8sshim.selectors import EVERYTHING, NOTHING, Operator, Requirement, Selector

pytestmark = pytest.mark.unit

KEYS = st.sampled_from(["app", "tier", "in", "notin", "app.kubernetes.io/name", "A_b.c-9"])
VALUES = st.sampled_from(["", "web", "db", "in", "1.2", "a_b"])
LABELS = st.dictionaries(KEYS, VALUES)


@st.composite
def expressions(draw: st.DrawFn) -> dict[str, object]:
    operator = draw(st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]))
    values = draw(st.lists(VALUES, min_size=1, max_size=3)) if operator in ("In", "NotIn") else None
    return {"key": draw(KEYS), "operator": operator} | ({"values": values} if values else {})


SELECTORS = st.builds(
    lambda labels, wanted: {"matchLabels": labels, "matchExpressions": wanted},
    LABELS,
    st.lists(expressions(), max_size=3),
)


def holds(expression: dict[str, object], labels: dict[str, str]) -> bool:
    """The API's words for each operator, a second time."""
    key, values = expression["key"], expression.get("values")
    return {
        "In": lambda: key in labels and labels[key] in values,
        "NotIn": lambda: key not in labels or labels[key] not in values,
        "Exists": lambda: key in labels,
        "DoesNotExist": lambda: key not in labels,
    }[str(expression["operator"])]()


@given(SELECTORS, LABELS)
def test_object_means_all_its_requirements(raw: dict[str, object], labels: dict[str, str]) -> None:
    expected = raw["matchLabels"].items() <= labels.items() and all(holds(e, labels) for e in raw["matchExpressions"])
    selector = Selector.from_raw(raw)
    assert selector.matches(labels) is expected
    assert selector.matches(labels_of(labels)) is expected


@given(SELECTORS)
def test_text_reads_back(raw: dict[str, object]) -> None:
    selector = Selector.from_raw(raw)
    assert Selector.parse(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("a=b", {"a": "b"}, True),
        ("a==b", {"a": "c"}, False),
        ("a!=b", {}, True),
        ("a!=b,a", {}, False),
        ("a in (x, y)", {"a": "y"}, True),
        ("a notin (x,y)", {"a": "y"}, False),
        ("a notin (x,y)", {}, True),
        ("!a", {"a": ""}, False),
        ("a=", {"a": ""}, True),
        (" a = b , !c ", {"a": "b"}, True),
        ("in in (in)", {"in": "in"}, True),
        ("", {"a": "b"}, True),
    ],
)
def test_text(text: str, labels: dict[str, str], matches: bool) -> None:
    assert Selector.parse(text).matches(labels) is matches


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a b", "after 'a', found 'b'"),
        ("a=b,", "ends where a label key is expected"),
        ("a in x", "expected '('"),
        ("a in (x", "not closed"),
        ("=x", 'Invalid value: "=": name part must consist of'),
        ("a==b==c", "expected ','"),
        ("a=b c", "expected ','"),
        ("a/b/c=d", 'Invalid value: "a/b/c": a qualified name must consist of'),
        ("a=-x", 'Invalid value: "-x": a valid label must be an empty string or consist of'),
        ("!", "ends where a label key is expected"),
    ],
)
def test_malformed_text(text: str, said: str) -> None:
    with pytest.raises(BadInput, match="bad label selector") as caught:
        Selector.parse(text)
    assert said in str(caught.value)


def test_absent_selects_nothing_and_empty_everything() -> None:
    assert Selector.from_raw(None) == NOTHING and not NOTHING.matches({})
    assert Selector.from_raw({}) == EVERYTHING and EVERYTHING.matches({"a": "b"}) and EVERYTHING.empty
    assert Selector.parse("") == EVERYTHING


def test_map_of_a_service_without_entries_selects_nothing() -> None:
    assert Selector.from_labels({}) == Selector.from_labels(None) == NOTHING
    assert Selector.from_labels({"a": "b"}).matches({"a": "b", "c": "d"})


def test_malformed_object_names_each_field() -> None:
    raw = {
        "matchLabels": {"a b": "x"},
        "matchExpressions": [
            {"key": "a", "operator": "In"},
            {"key": "a", "operator": "Like", "values": ["x y"]},
            {"key": "a", "operator": "Exists", "values": ["x"]},
        ],
    }
    with pytest.raises(BadInput) as caught:
        Selector.from_raw(raw)
    assert [problem.field for problem in caught.value.problems] == [
        "matchLabels",
        "matchExpressions[0].values",
        "matchExpressions[1].operator",
        "matchExpressions[1].values[0]",
        "matchExpressions[2].values",
    ]


def test_requirements_do_not_depend_on_order() -> None:
    assert Selector.parse("b=1,a in (y,x)") == Selector.parse("a in (x,y),b=1")
    assert Selector.parse("a=x").requirements == (Requirement("a", Operator.IN, ("x",)),)
