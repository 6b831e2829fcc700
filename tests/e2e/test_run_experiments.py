"""The experiments on fabrics, sizes and faults by the command line, in their smallest form; and twice with one seed.

Two runs of one scenario with one seed take the same readings in the same order, and no figure of them differs by more
than its spread: that is what `podwire compare --same` says, which finds no difference between fewer than four
repetitions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from laboratory import Podwire
from scenarios import failed, run

from experiments import catalogue
from experiments.results import Run

pytestmark = pytest.mark.e2e
Tiny = Callable[..., Path]


def tiny(place: Path, name: str, manifests: str, **spec: Any) -> Path:
    """One of our own scenarios, made small."""
    raw = yaml.safe_load((catalogue.FOLDER / f"{name}.yaml").read_text())
    parameters = spec.pop("parameters", {})
    raw["spec"] |= {"repetitions": 2, "secondsPerReading": 0.3, "sweep": None, "quick": None} | spec
    raw["spec"]["parameters"] |= parameters
    raw["spec"]["manifests"] = [str(catalogue.FOLDER / manifests)]
    place.mkdir(exist_ok=True)
    file = place / f"{name}.yaml"
    file.write_text(yaml.safe_dump(raw, sort_keys=False))
    return file


def values(made: Run, metric: str, **labels: object) -> list[float]:
    return [one.value for one in made.samples if one.metric == metric and labels.items() <= dict(one.labels).items()]


def order(made: Run) -> list[tuple[str, int, tuple[tuple[str, str | int], ...]]]:
    return [(one.metric, one.repetition, one.labels) for one in made.readings]


def twice(podwire: Podwire, scenario: Path, place: Path) -> tuple[Run, Path]:
    """Two runs of it; one of them, with its folder."""
    (first, first_folder), (second, second_folder) = (run(podwire, scenario, place / name) for name in ("one", "two"))
    assert order(first) == order(second)
    assert same(podwire, first_folder, second_folder) or same(podwire, second_folder, again(podwire, scenario, place))
    assert not failed(first)
    return first, first_folder


def same(podwire: Podwire, one: Path, other: Path) -> bool:
    """Whether no figure differs; by chance one pair of runs in twenty does."""
    done = podwire("compare", str(one), str(other), "--same")
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


def again(podwire: Podwire, scenario: Path, place: Path) -> Path:
    return run(podwire, scenario, place / "three")[1]


def test_throughput_twice(podwire: Podwire, tmp_path: Path) -> None:
    made, _ = twice(
        podwire,
        tiny(
            tmp_path / "s", "throughput", "transfer/pods.yaml", repetitions=4,
            parameters={"floors": ["veth"], "protocols": ["TCP"], "streams": [1], "messageBytes": [1024]},
        ),
        tmp_path,
    )  # fmt: skip
    assert len(values(made, "throughput", path="pod-to-pod", message=1024)) == 4


def test_mtu_twice_over_two_modes(podwire: Podwire, tmp_path: Path) -> None:
    modes = {"network.mode": ["flat", "vxlan"]}
    file = tiny(tmp_path / "s", "mtu", "transfer/pods.yaml", repetitions=4, sweep=modes)
    made, written = twice(podwire, file, tmp_path)
    assert {path.stem for path in written.iterdir()} >= {"run", "report", "transfer", "sizes"}
    for mode, added in (("flat", 0), ("vxlan", 50)):
        assert values(made, "overhead", **{"network.mode": mode}) == [added] * 4
        assert values(made, "path-mtu", **{"network.mode": mode}) == [1500 - added] * 4
        assert all(value > 0 for value in values(made, "throughput", **{"network.mode": mode}))


def test_failover_twice(podwire: Podwire, tmp_path: Path) -> None:
    cases = {
        "link-down": {"steps": [{"at": 0.5, "fault": "link-down", "targets": ["s1:s2"], "for": 0.8}], "seconds": 2},
    }
    file = tiny(tmp_path / "s", "failover", "failover/pods.yaml", repetitions=4, parameters={"cases": cases})
    made, written = twice(podwire, file, tmp_path)
    assert {path.stem for path in written.iterdir()} >= {"run", "report", "timeline-udp", "outages"}
    for event in ("before", "link-down s1:s2", "link-up s1:s2"):
        for watch in ("udp", "connections"):
            assert len(values(made, "outage", event=event, watch=watch)) == 4
    kept = made.environment["lab"]["timelines"]["link-down"]
    assert [[name for name, _ in one["events"]] for one in kept] == [["link-down s1:s2", "link-up s1:s2"]] * 4


def test_what_nobody_serves_ends_the_run_with_a_line_that_names_it(podwire: Podwire, tmp_path: Path) -> None:
    pods = list(yaml.safe_load_all((catalogue.FOLDER / "failover/pods.yaml").read_text()))
    pods[-1]["spec"]["selector"] = {"app": "nobody"}
    (tmp_path / "pods.yaml").write_text(yaml.safe_dump_all(pods))
    file = tiny(tmp_path / "s", "failover", str(tmp_path / "pods.yaml"), parameters={"watch": ["connections"]})
    done = podwire("run", str(file), "--out", str(tmp_path / "out"))
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"podwire: {file}: Scenario failover: spec.parameters.service: "
        "nobody answers Pod default/client at TCP port 80 of Service default/web, asked for 20 s"
    )
    assert not any(one["name"].startswith("failover-") for one in podwire.json("ls"))


def test_ecmp(podwire: Podwire, tmp_path: Path) -> None:
    file = tiny(tmp_path / "s", "ecmp", "transfer/pods.yaml", parameters={"flows": [4, 200]})
    made, _ = run(podwire, file, tmp_path / "out")
    for flows in (4, 200):
        for repetition in range(2):
            counted = [
                one.value
                for one in made.samples
                if one.repetition == repetition and dict(one.labels)["connections"] == flows
            ]
            assert len(counted) == 4
            assert round(sum(counted)) == flows
    assert all(value > 0 for value in values(made, "flows", connections=200))
