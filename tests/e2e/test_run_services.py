"""The experiments about Services by the command line: small ones, with everything that a whole one has."""

from __future__ import annotations

from pathlib import Path

import pytest
from laboratory import Podwire
from scenarios import failed, run, small

from experiments.balancing.figures import shares

pytestmark = pytest.mark.e2e


def test_load_balancing(podwire: Podwire, tmp_path: Path) -> None:
    made, written = run(podwire, small(tmp_path, "load-balancing", connections=200), tmp_path / "out")
    assert {path.name for path in written.iterdir()} == {
        "run.json", "report.html", "shares.png", "shares.svg", "moved.png", "moved.svg",
    }  # fmt: skip
    assert not failed(made)
    found = {(one.mode, one.phase): one for one in shares(made)}
    modes = list(made.scenario["spec"]["parameters"]["services"])
    assert set(found) == {(mode, phase) for mode in modes for phase in ("before", "after")}
    assert sum(one.value for one in made.samples if one.metric == "unanswered") == 0
    for one in found.values():
        for at, left in enumerate(one.left):
            assert one.counts[at].get(left, 0) == 0, "who has left does not answer"
            assert set(one.counts[at]) == set(one.weights), "nobody else answers"
    assert found["round-robin", "before"].test.p > 0.5
    weighted = found["weighted", "before"]
    heavy, light = max(weighted.weights, key=weighted.weights.__getitem__), min(weighted.weights)
    assert sum(counts[heavy] for counts in weighted.counts) > sum(counts[light] for counts in weighted.counts)
    moved = {dict(one.labels)["mode"]: one.value for one in made.samples if one.metric == "moved-needlessly"}
    assert moved["consistent"] < moved["hash"]


def test_service_scale(podwire: Podwire, tmp_path: Path) -> None:
    few = {"sizes": [1, 5, 25], "firstPackets": 4, "connections": 30, "changes": 2}
    made, written = run(podwire, small(tmp_path, "service-scale", **few), tmp_path / "out")
    assert {path.stem for path in written.iterdir()} == {"run", "report", "traffic", "changes", "memory"}
    systems = {dict(one.labels)["system"] for one in made.samples}
    assert systems == {"podwire", "iptables", "nftables"}
    for metric in ("programmed", "served", "first-packet", "connections", "throughput", "entries"):
        taken = {
            (dict(one.labels)["system"], dict(one.labels)["services"]) for one in made.samples if one.metric == metric
        }
        assert taken == {(system, size) for system in systems for size in (1, 5, 25)}, metric
    entries = {tuple(dict(one.labels).values())[1:3]: one.value for one in made.samples if one.metric == "entries"}
    for system in systems:
        assert entries[system, 1] < entries[system, 5] < entries[system, 25]


def test_a_scenario_whose_manifests_lack_what_it_names(podwire: Podwire, tmp_path: Path) -> None:
    file = small(tmp_path, "load-balancing", clients="nobody")
    done = podwire("run", str(file), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "podwire: Namespace balancing: the scenario wants two endpoints or more and pods labelled app=nobody; "
        "there are 5 and 0"
    )
