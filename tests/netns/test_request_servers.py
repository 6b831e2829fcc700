"""Who answers requests answers them however close they come: where a machine stalls, they come all at once."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

from experiments import catalogue
from experiments.traffic import IRTT_PORT, SERVERS
from lab.waiting import wait_until

pytestmark = pytest.mark.netns
SERVER = next(list(argv) for argv in SERVERS if argv[0] == "irtt")


def test_scenarios_pods_run_the_same_server() -> None:
    found = [
        container["command"]
        for file in catalogue.FOLDER.glob("*/*.yaml")
        for one in yaml.safe_load_all(file.read_text())
        if one["kind"] == "Pod"
        for container in one["spec"]["containers"]
        if container["name"] == "irtt"
    ]
    assert found
    assert all(command == SERVER for command in found)


def test_a_burst_is_answered_whole() -> None:
    """A server with a least interval drops what comes closer, five requests aside, and it would count as lost."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    asking = ["irtt", "client", "-i", "20us", "-d", "20ms", "-l", "64", "--tstamp=none", "-Q", "-o", "-", "--wait=3s"]

    def report() -> dict[str, list[dict[str, str]]]:
        done = subprocess.run([*asking, f"127.0.0.1:{IRTT_PORT}"], capture_output=True, text=True, check=False)
        return dict(json.loads(done.stdout)) if done.stdout.startswith("{") else {}

    with subprocess.Popen(SERVER, stdout=subprocess.DEVNULL) as server:
        try:
            assert wait_until(lambda: bool(report()), 10)
            trips = report()["round_trips"]
        finally:
            server.terminate()
    assert len(trips) > 20
    assert {one["lost"] for one in trips} == {"false"}
