"""What a person reads who writes a scenario wrongly: a file a case, a line a problem. The schema refuses each, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from experiments import scenario
from experiments.scenario_schema import SCHEMA
from k8sshim.errors import BadInput

pytestmark = pytest.mark.golden
CASES = sorted(Path(__file__).with_name("bad_scenario").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_message(case: Path, golden: Callable[[Path, str], None]) -> None:
    raw = yaml.safe_load(case.read_text())
    with pytest.raises(BadInput) as raised:
        scenario.parse(raw, file=case.name)
    lines = [str(problem) for problem in raised.value.problems]
    assert all(line.startswith(f"{case.name}: Scenario") for line in lines)
    golden(case.with_suffix(".txt"), "".join(f"{line}\n" for line in lines))
    assert not Draft202012Validator(SCHEMA).is_valid(raw)


def test_there_are_cases() -> None:
    assert len(CASES) >= 10
