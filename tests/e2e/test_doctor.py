"""`podwire doctor` on this machine."""

from __future__ import annotations

import shutil

import pytest
from laboratory import Podwire

pytestmark = pytest.mark.e2e

LOOKED_FOR = {
    *("user namespaces", "/dev/net/tun", "Open vSwitch userspace datapath", "Open vSwitch kernel datapath", "mnexec"),
    *("netem", "VXLAN", "WireGuard", "Geneve", "bubblewrap", "kubectl", "iperf3", "Python", "kernel", "cores"),
}


def test_every_feature_is_told_with_cost_and_remedy(podwire: Podwire) -> None:
    findings = podwire.json("doctor")
    assert {tuple(finding) for finding in findings} == {("feature", "found", "detail", "cost", "remedy")}
    assert {finding["feature"] for finding in findings} >= LOOKED_FOR
    lacking = [finding for finding in findings if not finding["found"]]
    assert all(finding["cost"] and finding["remedy"] and finding["detail"] for finding in lacking)
    found = {finding["feature"]: finding["found"] for finding in findings}
    assert {name: found[name] for name in ("kubectl", "iperf3")} == {
        name: shutil.which(name) is not None for name in ("kubectl", "iperf3")
    }


def test_a_machine_that_runs_these_tests_can_run_labs(podwire: Podwire) -> None:
    done = podwire("doctor")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "a lab can run here"
