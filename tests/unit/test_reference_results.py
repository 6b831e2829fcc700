"""The results that are kept for others to compare with: they are read, told and compared by what there is today."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import catalogue, comparison, folder, kinds

pytestmark = pytest.mark.unit

REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"
NAMES = sorted(path.parent.name for path in REFERENCE.glob("*/run.json"))


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_is_read_told_and_compared(name: str) -> None:
    run = folder.read(REFERENCE / name)
    assert run.name == name
    assert run.samples
    assert not run.failures
    told = kinds.KINDS.get(run.scenario["spec"]["experiment"])  # benchmarks have a table of their own
    if told and (story := told.story):
        assert story(run).headline
    assert not comparison.compare(run, run).exceeding
    assert f"`{name}`" in (REFERENCE / "README.md").read_text()


def test_every_scenario_has_one() -> None:
    assert {path.stem for path in catalogue.FOLDER.glob("*.yaml")} <= set(NAMES)
