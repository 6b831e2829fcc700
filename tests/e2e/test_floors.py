"""Floors in a running lab: their ends reach each other, and nothing of them stays."""

from __future__ import annotations

import pytest
from laboratory import RunningLab

from experiments.floors import floors
from experiments.inside import Sandbox
from experiments.throughput import FLOORS

pytestmark = pytest.mark.e2e


def seen(sandbox: Sandbox) -> tuple[str, str, str]:
    """Namespaces, links of the first one, and bridges."""
    database = "--db=unix:/run/podwire/switchd/0/db.sock"
    commands = (["ip", "netns", "list"], ["ip", "-brief", "link"], ["ovs-vsctl", database, "show"])
    return tuple(sandbox.must(argv) for argv in commands)  # type: ignore[return-value]


def test_floors_come_and_go(quiet: RunningLab) -> None:
    sandbox = Sandbox(quiet.pid)
    before = seen(sandbox)
    with floors(sandbox, FLOORS, 1400) as ends:
        assert set(ends) == set(FLOORS)
        for there in ends.values():
            ping = ["ping", "-n", "-c", "1", "-M", "do", "-s", str(1400 - 28), there.address]
            assert " 0% packet loss" in sandbox.must(ping, netns=there.netns)
        assert "floor-normal" in seen(sandbox)[2]
    assert seen(sandbox) == before


def test_floors_go_when_measuring_fails(quiet: RunningLab) -> None:
    sandbox = Sandbox(quiet.pid)
    before = seen(sandbox)
    with pytest.raises(RuntimeError, match="in the middle"), floors(sandbox, FLOORS, 1500):
        raise RuntimeError("in the middle")
    assert seen(sandbox) == before
