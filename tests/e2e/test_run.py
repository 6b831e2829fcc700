"""An experiment by the command line: a lab of its own, results, a report, and nothing of the lab afterwards."""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path

import pytest
import yaml
from laboratory import Podwire
from scenarios import failed

from experiments import catalogue, folder, schema
from lab.waiting import wait_until

pytestmark = pytest.mark.e2e

PATHS = ["pod-to-pod", "pod-to-service", "node-to-pod"]
FLOORS = ["veth", "linux-bridge", "ovs-normal"]
PLOTS = {f"{name}.{suffix}" for name in ("throughput-tcp", "throughput-udp", "latency") for suffix in ("png", "svg")}


def scenario(place: Path, placement: str = "shared") -> Path:
    """A small scenario in a folder of its own: the load of our own, the shortest readings."""
    shutil.copy(catalogue.FOLDER / "quickstart" / "load.yaml", place)
    server = {"pod": "load/server-far", "service": "load/server-far"}
    spec = {
        "cluster": {"nodes": 2, "bridgePlacement": placement},
        "manifests": ["load.yaml"],
        "secondsPerReading": 0.05,
        "parameters": {"client": "load/client", "servers": {"cross-node": server}, "streams": [1]},
    }
    raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Scenario", "metadata": {"name": "tiny"}, "spec": spec}
    file = place / "tiny.yaml"
    file.write_text(yaml.safe_dump(raw))
    return file


@pytest.mark.parametrize("placement", ["shared", "per-node"])
def test_run_and_report(podwire: Podwire, tmp_path: Path, placement: str) -> None:
    done = podwire(
        *("run", str(scenario(tmp_path, placement)), "--repeat", "2", "--seed", "5", "--out", str(tmp_path / "out"))
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = Path(done.stdout.splitlines()[-1])
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", written.name)
    assert written.parent == tmp_path / "out" / "tiny"
    assert {path.name for path in written.iterdir()} == PLOTS | {"run.json", "report.html"}
    check_record(written, placement)
    assert "tiny" not in podwire.said("ls")
    before = {path.name: path.read_bytes() for path in written.iterdir()}
    for path in written.iterdir():
        if path.name != "run.json":
            path.unlink()
    podwire.said("report", str(written))
    assert {path.name: path.read_bytes() for path in written.iterdir()} == before


def check_record(written: Path, placement: str) -> None:
    raw = json.loads((written / "run.json").read_text())
    run = schema.read(raw, "run.json")
    assert folder.read(written) == run
    assert raw["seeds"] == {"order": 5}
    assert raw["scenario"]["spec"]["repetitions"] == 2
    assert not failed(run)
    measured = {(dict(one.labels).get("path"), dict(one.labels).get("floor"), one.metric) for one in run.samples}
    for metric in ("throughput", "latency", "loss"):
        assert {(path, None, metric) for path in PATHS} | {("floor", floor, metric) for floor in FLOORS} <= measured
    assert all(one.value > 0 for one in run.samples if one.metric != "loss")
    lab = run.environment["lab"]
    assert lab["nodes"] == 2
    assert lab["ovs_vswitchd_processes"] == (1 if placement == "shared" else 3)
    assert run.environment["versions"]["openvswitch"]
    orders = [[one.labels for one in run.readings if one.repetition == repetition] for repetition in (0, 1)]
    assert set(orders[0]) == set(orders[1])
    assert orders[0] != orders[1]


def test_what_is_calibrated_is_kept_and_runs_stand_beside_it(podwire: Podwire, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "out"))
    kept = Path(podwire.said("calibrate", "--quick", *out).splitlines()[-1])
    found = json.loads(kept.read_text())
    assert {one.partition(" ")[0] for one in found["floors"]} == {"throughput", "latency", "loss"}
    assert found["timer"]["sleeps"] > 0
    raw = yaml.safe_load(scenario(tmp_path).read_text())
    raw["spec"] |= {"repetitions": 1}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(raw))
    done = podwire("run", str(tmp_path / "tiny.yaml"), *out)
    assert "of those that this machine gave when it was calibrated" in done.stdout + done.stderr
    assert folder.read(Path(done.stdout.splitlines()[-1])).environment["calibration"] == found


def test_an_interrupted_run_takes_its_lab_down(podwire: Podwire, tmp_path: Path) -> None:
    running = podwire.start("run", str(scenario(tmp_path)), "--repeat", "500", "--out", str(tmp_path / "out"))
    try:
        assert wait_until(lambda: any(one["name"].startswith("tiny-") for one in podwire.json("ls")), 60)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130
    assert "Traceback" not in told
    assert not any(one["name"].startswith("tiny-") for one in podwire.json("ls"))
    assert not list((tmp_path / "out").glob("*/*"))


def test_servers_that_are_not_where_the_scenario_says(podwire: Podwire, tmp_path: Path) -> None:
    file = scenario(tmp_path)
    raw = yaml.safe_load(file.read_text())
    raw["spec"]["parameters"]["servers"] = {"same-node": raw["spec"]["parameters"]["servers"]["cross-node"]}
    file.write_text(yaml.safe_dump(raw))
    done = podwire("run", str(file), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "podwire: server of same-node load/server-far runs on node2, client load/client on node1"
    )
    assert not any(one["name"].startswith("tiny-") for one in podwire.json("ls"))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("run", "nothing"),
            'podwire: no scenario "nothing", and no file of that name; there are: calibrate, ',
        ),
        (("run", "quickstart", "--repeat", "0"), "podwire: Invalid value for '--repeat'"),
        (("report", "nothing"), "podwire: nothing/run.json: cannot be read: No such file or directory"),
    ],
)
def test_wrong_use_is_told_in_a_line(podwire: Podwire, arguments: tuple[str, ...], line: str) -> None:
    done = podwire(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1


def test_a_record_of_a_newer_podwire(podwire: Podwire, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schemaVersion": 99}))
    done = podwire("report", str(tmp_path))
    assert done.returncode == 2
    assert "schemaVersion: 99 is newer than this podwire reads (1)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
