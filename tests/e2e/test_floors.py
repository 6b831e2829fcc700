"""Floors in a running lab: their ends reach each other, and nothing of them stays."""

from __future__ import annotations

import pytest
from laboratory import RunningLab

from experiments.floors import floors
from experiments.inside import Sandbox
from experiments.throughput import FLOORS

pytestmark = pytest.mark.e2e


def seen(sandbox: Sandbox) -> dict[str, list[str]]:
    """Namespaces, links of the first one, and bridges with their ports; nothing of how they are."""
    database = "--db=unix:/run/podwire/switchd/0/db.sock"
    named = ("--format=csv", "--no-headings")
    commands = {
        "namespaces": ["ip", "netns", "list"],
        "links": ["ip", "-brief", "link"],
        "bridges": ["ovs-vsctl", database, *named, "--columns=name,ports,controller", "list", "bridge"],
        "interfaces": ["ovs-vsctl", database, *named, "--columns=name,type,options", "list", "interface"],
    }
    return {what: sorted(sandbox.must(argv).splitlines()) for what, argv in commands.items()}


def test_floors_come_and_go(quiet: RunningLab) -> None:
    sandbox = Sandbox(quiet.pid)
    before = seen(sandbox)
    with floors(sandbox, FLOORS, 1400) as ends:
        assert set(ends) == set(FLOORS)
        for there in ends.values():
            ping = ["ping", "-n", "-c", "1", "-M", "do", "-s", str(1400 - 28), there.address]
            assert " 0% packet loss" in sandbox.must(ping, netns=there.netns)
        assert any("floor-normal" in bridge for bridge in seen(sandbox)["bridges"])
    assert seen(sandbox) == before


def test_floors_go_when_measuring_fails(quiet: RunningLab) -> None:
    sandbox = Sandbox(quiet.pid)
    before = seen(sandbox)
    with pytest.raises(RuntimeError, match="in the middle"), floors(sandbox, FLOORS, 1500):
        raise RuntimeError("in the middle")
    assert seen(sandbox) == before
