"""Scenarios: defaults, overrides, round trips, and every problem in a line of its own."""

from __future__ import annotations

from copy import deepcopy
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments import catalogue, kinds, measurements, scenario, throughput
from experiments.planning import REPORT_S
from experiments.scenario import Pace, run_as
from k8sshim.errors import BadInput, NotFound

pytestmark = pytest.mark.unit

MINIMAL: dict[str, Any] = {
    "apiVersion": "podwire.dev/v1alpha1",
    "kind": "Scenario",
    "metadata": {"name": "small"},
    "spec": {
        "manifests": ["load.yaml"],
        "parameters": {"client": "load/a", "servers": {"cross-node": {"pod": "b", "service": "b"}}},
    },
}


def given(**spec: Any) -> dict[str, Any]:
    raw = deepcopy(MINIMAL)
    raw["spec"] |= spec
    return raw


def test_defaults() -> None:
    parsed = scenario.parse(MINIMAL)
    assert parsed.pace == Pace(5, 1.0, 1.0, 1.0)
    assert parsed.quick == parsed.pace
    assert throughput.of(parsed.parameters).streams == (1, 4)
    assert throughput.of(parsed.parameters).protocols == ("TCP", "UDP")
    assert str(throughput.of(parsed.parameters).client) == "load/a"
    assert str(throughput.of(parsed.parameters).servers[0].pod) == "default/b"


@pytest.mark.parametrize("name", catalogue.names())
def test_our_own_scenarios_are_whole(name: str) -> None:
    prepared = catalogue.prepare(catalogue.find(name))
    assert prepared.scenario.name == name
    assert prepared.scenario.pace.repetitions >= 5
    assert prepared.scenario.quick.repetitions >= 5
    assert prepared.documents
    assert len(prepared.inputs) == len(prepared.scenario.manifests)


@pytest.mark.parametrize(
    "name", ["throughput", "mtu", "overlay", "ecmp", "failover", "controller-outage", "self-check"]
)
def test_a_quick_run_is_planned_for_two_or_three_minutes(name: str) -> None:
    whole = catalogue.prepare(catalogue.find(name))
    quick = whole.with_scenario(run_as(whole.scenario, quick=True))
    of_lab = kinds.KINDS[quick.scenario.experiment].expected
    assert reduce(add, map(of_lab, quick.labs())).seconds < 200


def test_a_lab_that_asks_for_less_is_expected_to_take_less() -> None:
    ours = catalogue.prepare(catalogue.find("self-check"))
    quick = ours.with_scenario(run_as(ours.scenario, quick=True))
    labs = [kinds.KINDS["self-check"].expected(one) for one in quick.labs()]
    own = [1, 0, 1]  # the delay of the machine, where none is asked; besides one of three, overhead and MTU
    assert [lab.readings for lab in labs] == [(3 + one) * 5 for one in own]
    assert len({lab.measuring_s for lab in labs}) == 2  # a reading of delay is shorter
    whole = reduce(add, labs)
    assert (whole.readings, whole.repetitions, whole.labs) == (55, 5, 3)
    assert whole.seconds == pytest.approx(sum(one.seconds for one in labs) - 2 * REPORT_S)


def test_the_quick_start_is_planned_for_less_than_two_minutes() -> None:
    quick = run_as(catalogue.prepare(catalogue.find("quickstart")).scenario, quick=True)
    assert measurements.expected(quick).seconds < 110


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"secondsPerReading": 0.5, "repetitions": 7, "seed": 9, "quick": {"repetitions": 6}},
        {"secondsPerReading": {"tcp": 2, "udp": 1}, "cluster": "cluster.yaml"},
        {"cluster": {"nodes": 4}, "quick": {"secondsPerReading": {"latency": 0.3}}},
    ],
)
def test_what_is_written_down_parses_back(spec: dict[str, Any]) -> None:
    parsed = scenario.parse(given(**spec))
    assert scenario.parse(scenario.to_raw(parsed)) == parsed


def test_overrides() -> None:
    parsed = scenario.parse(given(quick={"secondsPerReading": 0.2, "repetitions": 6}))
    assert run_as(parsed) == parsed
    assert run_as(parsed, quick=True).pace == Pace(6, 0.2, 0.2, 0.2)
    assert run_as(parsed, quick=True, repetitions=1, seed=0).pace.repetitions == 1
    assert run_as(parsed, seed=0).seed == 0


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        ([], ["f.yaml: Scenario: must be an object, not a list"]),
        (
            {**MINIMAL, "kind": "Cluster"},
            ["f.yaml: Scenario small: kind: must be Scenario, not 'Cluster'"],
        ),
        (
            {**MINIMAL, "metadata": {"name": "Small!"}},
            ["f.yaml: Scenario Small!: metadata.name: 'Small!' is no DNS label"],
        ),
        (
            given(repetitions=0, secondsPerReading="long", seed=-1),
            [
                "spec.repetitions: must be from 1 to",
                "spec.secondsPerReading: must be a number",
                "spec.seed: must be from 0",
            ],
        ),
        (given(experiment="magic"), ["spec.experiment: must be throughput"]),
        (given(manifests="load.yaml"), ["spec.manifests: must be a list"]),
        (given(cluster=7), ["spec.cluster: must be a Cluster's spec"]),
        (given(speed=9), ["spec.speed: unknown field"]),
        (given(quick={"secondsPerReading": {"sctp": 1}}), ["spec.quick.secondsPerReading.sctp: unknown field"]),
        (
            given(parameters={"client": "a b", "servers": {"cross-node": {"pod": "b"}}, "streams": [0, "4"]}),
            [
                "spec.parameters.client: must be a name or namespace/name, not 'a b'",
                "spec.parameters.streams[0]: must be a number from 1 to 128, not 0",
                "spec.parameters.streams[1]: must be a number from 1 to 128, not '4'",
                "spec.parameters.servers.cross-node.service: is required: paths has pod-to-service",
            ],
        ),
        (given(parameters={"client": "a"}), ["spec.parameters.servers: is required"]),
        (
            given(parameters={"client": "a", "servers": {"here": {}}, "latency": "yes", "protocols": ["SCTP"]}),
            [
                "spec.parameters.servers.here: unknown field",
                "spec.parameters.protocols[0]: must be TCP or UDP, not 'SCTP'",
                "spec.parameters.latency: must be true or false",
            ],
        ),
    ],
)
def test_every_problem_has_a_line(raw: Any, lines: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        scenario.parse(raw, "f.yaml")
    found = str(caught.value).splitlines()
    for line in lines:
        assert any(line in one for one in found), (line, found)
    assert all(one.startswith("f.yaml: Scenario") for one in found)


def test_a_scenario_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r'no scenario "nothing", and no file of that name; there are: .*quickstart'):
        catalogue.find("nothing")
    with pytest.raises(BadInput, match="cannot be read: No such file or directory"):
        catalogue.prepare(catalogue.find(str(tmp_path / "nothing.yaml")))


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "no YAML"), ("", "must hold one object, not 0 documents"), ("a: 1\n---\nb: 2\n", "not 2 documents")],
)
def test_a_file_that_is_no_scenario(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(text)
    with pytest.raises(BadInput, match=message):
        catalogue.prepare(file)


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(yaml.safe_dump(MINIMAL))
    with pytest.raises(BadInput, match=r"load\.yaml"):
        catalogue.prepare(file)
