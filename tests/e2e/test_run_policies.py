"""The experiment about policies by the command line: a small one, with everything that a whole one has."""

from __future__ import annotations

from pathlib import Path

import pytest
from laboratory import Podwire
from scenarios import failed, run, small

from experiments.policy_scaling.planning import METRICS

pytestmark = pytest.mark.e2e

POLICIES, PEERS = (0, 4, 30), (2, 40)
FEW = {
    "policies": list(POLICIES), "policyPeers": list(PEERS),
    "firstPackets": 10, "connections": 30, "changes": 2, "newcomers": 2,
}  # fmt: skip


def test_policy_scale(podwire: Podwire, tmp_path: Path) -> None:
    made, written = run(podwire, small(tmp_path, "policy-scale", **FEW), tmp_path / "out")
    plots = {f"{sweep}-{plot}" for sweep in ("policies", "peers") for plot in ("traffic", "changes", "memory")}
    assert {path.stem for path in written.iterdir()} == {"run", "report", *plots}
    assert not failed(made)
    taken = {(one.metric, dict(one.labels)["system"]): dict[str, set[int]]() for one in made.samples}
    for one in made.samples:
        given = dict(one.labels)
        for sweep in given.keys() & {"policies", "peers"}:
            taken[one.metric, given["system"]].setdefault(sweep, set()).add(int(given[sweep]))
    assert {system for _, system in taken} == {"podwire", "kube-router"}
    for metric in (*METRICS[:3], "denied", "allowed", "covered", "entries"):
        for system in ("podwire", "kube-router"):
            assert taken[metric, system] == {"policies": set(POLICIES), "peers": set(PEERS)}, (metric, system)
    leaked = [one.value for one in made.samples if one.metric == "leaked" and dict(one.labels)["system"] == "podwire"]
    assert leaked
    assert sum(leaked) == 0
    for system in ("podwire", "kube-router"):
        for sweep, sizes in (("policies", POLICIES), ("peers", PEERS)):
            entries = {
                dict(one.labels)[sweep]: one.value
                for one in made.samples
                if one.metric == "entries" and dict(one.labels)["system"] == system and sweep in dict(one.labels)
            }
            assert [entries[size] for size in sizes] == sorted(set(entries.values())), (system, sweep)
    again = podwire("report", str(written))
    assert again.returncode == 0, again.stderr
    assert "policy-scale" in (written / "report.html").read_text()


def test_a_scenario_whose_manifests_lack_a_pod_that_it_names(podwire: Podwire, tmp_path: Path) -> None:
    file = small(tmp_path, "policy-scale", stranger="nobody")
    done = podwire("run", str(file), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "podwire: Pod scale/nobody: the scenario names it, its manifests have no such pod"
    )
