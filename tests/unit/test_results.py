"""The record of a run: what is written reads back, what is no record is told in a line, and the schema is published."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from experiments import folder, report, schema
from experiments.results import SCHEMA_VERSION, Machine, Reading, Run, Sample, labels
from k8sshim.errors import BadInput, PodwireError

pytestmark = pytest.mark.unit

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "run.schema.json"
LABELS = labels(path="pod-to-pod", locality="cross-node", floor=None, protocol="TCP", streams=1)
RUN = Run(
    id="0a1b2c",
    started="2026-01-02T03:04:05Z",
    finished="2026-01-02T03:05:00Z",
    scenario={
        "apiVersion": "podwire.dev/v1alpha1",
        "kind": "Scenario",
        "metadata": {"name": "small"},
        "spec": {"experiment": "throughput", "repetitions": 1},
    },
    inputs=(("load.yaml", "0" * 64),),
    seed=3,
    samples=(Sample("throughput", "Mbit/s", 9610.2, 0, LABELS),),
    readings=(Reading(0, "throughput", 0, LABELS, 0.5, 1.0, 1, ("iperf3",), Machine(0.9, None, 2.5, 1.5)),),
    failures=(),
    environment={"machine": {"cores": 2, "processor": None}},
)


def test_a_sample_reads_as_the_contract_has_it() -> None:
    assert RUN.to_json()["samples"] == [
        {
            "metric": "throughput",
            "unit": "Mbit/s",
            "value": 9610.2,
            "repetition": 0,
            "labels": {"path": "pod-to-pod", "locality": "cross-node", "protocol": "TCP", "streams": 1},
        }
    ]


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    written = folder.write(RUN, tmp_path)
    assert written == tmp_path / "small" / "20260102T030405Z-0a1b2c"
    assert folder.read(written) == RUN


def test_results_are_never_written_over(tmp_path: Path) -> None:
    folder.write(RUN, tmp_path)
    with pytest.raises(PodwireError, match="cannot be written: File exists"):
        folder.write(RUN, tmp_path)


def test_the_published_schema_is_the_one_that_is_checked() -> None:
    published = json.loads(PUBLISHED.read_text())
    assert published == schema.SCHEMA, "make it again: python -m experiments.schema > docs/run.schema.json"
    Draft202012Validator.check_schema(published)
    Draft202012Validator(published).validate(RUN.to_json())


def changed(**fields: Any) -> dict[str, Any]:
    raw = deepcopy(RUN.to_json())
    raw |= fields
    return raw


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ([], "r: schemaVersion: is not a number: not the record of a run"),
        (changed(schemaVersion="1"), "r: schemaVersion: is not a number: not the record of a run"),
        (
            changed(schemaVersion=SCHEMA_VERSION + 1),
            f"r: schemaVersion: {SCHEMA_VERSION + 1} is newer than this podwire reads ({SCHEMA_VERSION}); "
            "read it with a newer podwire",
        ),
        (changed(seeds={}), "r: seeds: 'order' is a required property"),
        (
            changed(samples=[{**RUN.to_json()["samples"][0], "value": "fast"}]),
            "r: samples[0].value: 'fast' is not of type 'number'",
        ),
        (changed(extra=1), "r: Additional properties are not allowed ('extra' was unexpected)"),
    ],
)
def test_what_is_no_record_is_told_in_a_line(raw: Any, line: str) -> None:
    with pytest.raises(BadInput) as caught:
        schema.read(raw, "r")
    assert str(caught.value) == line


def test_a_folder_without_a_record(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"run\.json: cannot be read: No such file or directory"):
        folder.read(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(BadInput, match=r"run\.json: no JSON"):
        folder.read(tmp_path)


def test_there_is_no_report_of_what_no_experiment_wrote(tmp_path: Path) -> None:
    other = replace(RUN, scenario={**RUN.scenario, "spec": {"experiment": "bench", "repetitions": 1}})
    with pytest.raises(BadInput) as caught:
        report.write(other, tmp_path)
    assert str(caught.value) == f"{tmp_path}/run.json: scenario.spec.experiment: there is no report of 'bench'"
    assert not list(tmp_path.iterdir())


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="results cannot be written there"):
        folder.check_writable(tmp_path / "file")
