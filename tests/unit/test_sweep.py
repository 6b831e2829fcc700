"""What is swept: every choice is a lab with its cluster, and its samples say which."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments import catalogue, scenario, sweep
from experiments.gathering import Gathered
from experiments.recording import Measured
from experiments.results import Machine, Reading, Sample, labels
from experiments.scenario import run_as
from k8sshim.errors import BadInput

pytestmark = pytest.mark.unit

RAW: dict[str, Any] = {
    "apiVersion": "podwire.dev/v1alpha1",
    "kind": "Scenario",
    "metadata": {"name": "swept"},
    "spec": {
        "cluster": {"nodes": 2, "mtu": 1500},
        "sweep": {"mtu": [1500, 9000], "fabric": ["single", {"shape": "leaf-spine", "spines": 3}]},
        "quick": {"sweep": {"mtu": [1500]}},
        "parameters": {"client": "a", "servers": {"cross-node": {"pod": "b", "service": "b"}}},
    },
}


def prepared(tmp_path: Path, **spec: Any) -> catalogue.Prepared:
    raw = deepcopy(RAW)
    raw["spec"] |= spec
    file = tmp_path / "swept.yaml"
    file.write_text(yaml.safe_dump(raw, sort_keys=False))
    return catalogue.prepare(file)


def test_every_choice_is_a_lab(tmp_path: Path) -> None:
    labs = prepared(tmp_path).labs()
    assert [dict(one.labels) for one in labs] == [
        {"mtu": 1500, "fabric": "single"},
        {"mtu": 1500, "fabric": "leaf-spine spines 3"},
        {"mtu": 9000, "fabric": "single"},
        {"mtu": 9000, "fabric": "leaf-spine spines 3"},
    ]
    assert [one.cluster.mtu for one in labs] == [1500, 1500, 9000, 9000]
    assert labs[1].cluster.fabric.size("spines") == 3


def test_nothing_swept_is_one_lab(tmp_path: Path) -> None:
    (only,) = prepared(tmp_path, sweep=None, quick=None).labs()
    assert only.labels == ()


def test_a_quick_run_sweeps_less(tmp_path: Path) -> None:
    whole = prepared(tmp_path)
    quick = whole.with_scenario(run_as(whole.scenario, quick=True))
    assert len(quick.labs()) == 2
    assert scenario.parse(scenario.to_raw(whole.scenario)) == whole.scenario


def test_the_order_of_labs_is_the_seed_s() -> None:
    assert list(sweep.in_order(20, 1)) == list(sweep.in_order(20, 1)) != list(sweep.in_order(20, 2))


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"mtu": []}, "spec.sweep.mtu: must have a value or more"),
        ({"mtu": 1500}, "spec.sweep.mtu: must be a list, not 1500"),
        ({"mtu": [[1]]}, "spec.sweep.mtu[0]: must be a value of the cluster's field, not [1]"),
        ({"mtu": list(range(201))}, "spec.sweep: makes 201 labs, more than 200"),
    ],
)
def test_a_sweep_that_is_none(given: Any, line: str) -> None:
    raw = deepcopy(RAW)
    raw["spec"]["sweep"] = given
    with pytest.raises(BadInput) as caught:
        scenario.parse(raw)
    assert str(caught.value) == f"Scenario swept: {line}"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"mtu.of": [1]}, "Scenario swept: spec.sweep.mtu.of: lies within a field of the cluster that is no object"),
        ({"mtu": [7]}, "Cluster swept: spec.mtu: must be from"),
        ({"colour": ["red"]}, "Cluster swept: spec.colour: unknown field"),
    ],
)
def test_a_cluster_that_is_none(tmp_path: Path, given: Any, line: str) -> None:
    with pytest.raises(BadInput) as caught:
        prepared(tmp_path, sweep=given, quick=None).labs()
    assert line in str(caught.value)


def test_labs_are_gathered() -> None:
    def measured(value: float) -> Measured:
        bare = labels(path="floor")
        reading = Reading(0, "latency", 0, bare, 0.5, 1.0, 1, (), Machine(0.1, None, 0.0, 0.0))
        return Measured([Sample("latency", "us", value, 0, bare)], [reading], [])

    gathered = Gathered()
    for mtu in (1500, 9000):
        gathered.add(labels(mtu=mtu), measured(mtu), {"pod_mtu": mtu})
    gathered.failed(labels(mtu=7), "no lab")
    assert [dict(one.labels) for one in gathered.measured.samples] == [
        {"path": "floor", "mtu": 1500},
        {"path": "floor", "mtu": 9000},
    ]
    assert [(one.order, one.started_s) for one in gathered.measured.readings] == [(0, 0.5), (1, 2.0)]
    assert gathered.within == {
        "lab": {"pod_mtu": 1500},
        "labs": {"mtu 1500": {"pod_mtu": 1500}, "mtu 9000": {"pod_mtu": 9000}},
    }
    assert gathered.measured.failures[0].message == "no lab"


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (True, "on"),
        (False, "off"),
        (1500, 1500),
        (0.5, "0.5"),
        ("ring", "ring"),
        ({"shape": "leaf-spine", "spines": 2}, "leaf-spine spines 2"),
        ({"mode": "vxlan", "pathMtuDiscovery": "swallow"}, "vxlan pathMtuDiscovery swallow"),
        ({"kind": "veth", "bandwidthMbit": 10}, "bandwidthMbit 10"),
    ],
)
def test_a_value_as_a_label(value: Any, label: str | int) -> None:
    assert sweep.text(value) == label
