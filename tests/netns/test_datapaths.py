"""Open vSwitch forgets what its datapath remembers when it is told to, whoever of several it is."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from handmade import Handmade, run

from controller import framework
from controller.datapaths import Datapaths, ask
from lab.waiting import wait_until

pytestmark = pytest.mark.netns


@pytest.fixture
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Handmade:
    one = Handmade(tmp_path)
    request.addfinalizer(one.stop)
    one.start_controller()
    one.build()
    return one


def remembered(lab: Handmade) -> int:
    """How many flows the datapath has for packets of pods."""
    control = str(lab.folder / "switchd" / "ovs-vswitchd.ctl")
    flows = run("ovs-appctl", "-t", control, "dpctl/dump-flows").stdout
    return sum("10.244." in line for line in flows.splitlines())


def forgotten(datapaths: Datapaths, bridge: str) -> bool:
    done = threading.Event()
    datapaths.forget(bridge, done.set)
    return done.wait(60)


def test_a_datapath_forgets_when_it_is_told_to(lab: Handmade) -> None:
    a, b = lab.pod("a", 1, 2), lab.pod("b", 2, 2)
    lab.programmed()
    datapaths = Datapaths(lab.folder, framework.load("os-ken"))
    assert a.pings(b.address) and remembered(lab)
    assert forgotten(datapaths, "no-such-bridge") and remembered(lab)
    assert forgotten(datapaths, "b1") and not remembered(lab)
    assert a.pings(b.address) and remembered(lab)
    for _ in range(3):
        datapaths.forget_soon("b2")
    assert wait_until(lambda: not remembered(lab), 60)
    assert a.pings(b.address)


def test_whoever_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    assert ask(tmp_path / "nobody", "revalidator/purge") is None
    assert forgotten(Datapaths(tmp_path, framework.load("os-ken")), "b1")
