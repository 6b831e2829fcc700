"""docs/conformance.md names tests that exist, and every one that is called as Kubernetes' conformance tests are."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from netpol import CONTEXTS
from netpol.model import Context

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "conformance.md").read_text()
NAMED = re.findall(r"\[`(test_\w+)`\]\(\.\./(tests/\S+?)\) \|$", PAGE, re.MULTILINE)
SCENARIO = re.compile(r"^\| (.+) \| \[`(\w+)`\]\(\.\./(tests/netpol/\w+\.py)\) \|$", re.MULTILINE)
KUBERNETES_NAMES = re.compile(r"test_(should|granular_checks|validates_that)_")


def functions_of(file: Path) -> set[str]:
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("test", "file"), NAMED, ids=[test for test, _ in NAMED])
def test_what_the_page_names_is_there(test: str, file: str) -> None:
    assert test in functions_of(ROOT / file)


def test_every_row_names_a_test() -> None:
    rows = [
        line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| Kubernetes"))
    ]
    assert len(NAMED) == len(set(NAMED))
    assert len(rows) == len(NAMED) + len(SCENARIO.findall(PAGE))


def test_no_conformance_test_is_missing_on_the_page() -> None:
    files = [*(ROOT / "tests" / "e2e").glob("test_conformance_*.py"), ROOT / "tests" / "e2e" / "test_dns.py"]
    ours = {test for file in files for test in functions_of(file) if KUBERNETES_NAMES.match(test)}
    assert ours - {test for test, _ in NAMED} == set()


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.name)
def test_the_page_lists_the_scenarios_of_policies_under_kubernetes_names(context: Context) -> None:
    section = PAGE.partition(f"### {context.name}\n")[2].partition("\n#")[0]
    there = {
        (name, scenario.__name__, str(Path(inspect.getfile(scenario)).relative_to(ROOT)))
        for name, scenario in context.scenarios.items()
    }
    assert set(SCENARIO.findall(section)) == there
