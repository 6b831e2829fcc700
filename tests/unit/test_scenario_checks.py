"""What is wrong with a scenario and can be known before its lab is up: faults of nothing, kernels that lack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments import catalogue, experiment
from k8sshim.errors import BadInput
from lab import needs

pytestmark = pytest.mark.unit

IN_VM = "which this kernel does not have; it has it in: podwire vm -- podwire run"


def failover(place: Path, *steps: dict[str, Any], **spec: Any) -> catalogue.Prepared:
    """Our own scenario with one case, of these steps."""
    raw = yaml.safe_load((catalogue.FOLDER / "failover.yaml").read_text())
    raw["spec"] |= {"quick": None, "manifests": []} | spec
    raw["spec"]["parameters"]["cases"] = {"cut": {"steps": [{"at": 1, **step} for step in steps]}}
    file = place / "failover.yaml"
    file.write_text(yaml.safe_dump(raw))
    return catalogue.prepare(file)


def lines(prepared: catalogue.Prepared) -> list[str]:
    """What is wrong, without the file."""
    try:
        experiment.check(prepared)
    except BadInput as error:
        return [line.removeprefix(f"{prepared.path}: ") for line in str(error).splitlines()]
    return []


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The features that this machine's kernel has."""
    found = {"netem"}
    monkeypatch.setattr(needs, "has", found.__contains__)
    return found


def test_our_own_scenarios_are_sound(kernel: set[str]) -> None:
    kernel |= {*needs.OF_MODE.values(), needs.HTB}
    for name in catalogue.names():
        experiment.check(catalogue.prepare(catalogue.find(name)))


def test_a_fault_of_what_the_cluster_does_not_have_is_told_before_the_lab_is_up(tmp_path: Path) -> None:
    steps = (
        {"fault": "link-down", "targets": ["s1:s2"]},
        {"fault": "link-down", "targets": ["s1:s9"]},
        {"fault": "node-kill", "targets": ["node9"]},
        {"fault": "pod-kill", "targets": ["whoever"]},
    )
    where = "Scenario failover: spec.parameters.cases.cut.steps"
    assert lines(failover(tmp_path, *steps)) == [
        f'{where}: no link "s1:s9" in the cluster: there is no node or switch "s9"',
        f'{where}: no node "node9" in the cluster; there are node1, node2, node3, node4',
    ]


def test_loss_and_delay_need_netem(tmp_path: Path, kernel: set[str]) -> None:
    prepared = failover(tmp_path, {"fault": "link-loss", "targets": ["s1:s2"], "percent": 5})
    assert lines(prepared) == []
    kernel.clear()
    assert lines(prepared) == [
        f"Scenario failover: spec.parameters.cases.cut.steps: link-loss needs netem, {IN_VM}",
    ]


def test_a_kernel_that_can_make_none_of_the_labs(tmp_path: Path) -> None:
    swept = failover(tmp_path, {"newcomer": "n"}, sweep={"network.mode": ["geneve"]})
    mode = "network.mode geneve: network.mode needs Geneve"
    assert lines(swept) == [f"Scenario failover: spec.sweep: none of its labs can be made here: {mode}, {IN_VM}"]
    alone = failover(tmp_path, {"newcomer": "n"}, cluster={"network": {"mode": "geneve"}})
    assert lines(alone) == [f"Cluster failover: spec.network.mode: needs Geneve, {IN_VM}"]
    assert lines(failover(tmp_path, {"newcomer": "n"}, sweep={"network.mode": ["geneve", "flat"]})) == []
