"""Open vSwitch forgets what its datapath remembers when it is told to, whoever of several it is."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from handmade import Handmade, run
from netpol.probing import SILENT, Probe, attempt

from controller import framework
from controller.datapaths import Datapaths, ask
from lab.waiting import wait_until

pytestmark = pytest.mark.netns


@pytest.fixture
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Handmade:
    return Handmade(tmp_path).begun(request)


def remembered(lab: Handmade) -> int:
    """How many flows the datapath has for packets of pods."""
    control = str(lab.folder / "switchd" / "ovs-vswitchd.ctl")
    flows = run("ovs-appctl", "-t", control, "dpctl/dump-flows").stdout
    return sum("10.244." in line for line in flows.splitlines())


def forgotten(datapaths: Datapaths, bridge: str) -> bool:
    done = threading.Event()
    datapaths.forget(bridge, done.set)
    return done.wait(60)


@pytest.fixture
def datapaths(lab: Handmade) -> Datapaths:
    return Datapaths(lab.folder, framework.load("os-ken"))


def test_a_datapath_forgets_when_it_is_told_to(lab: Handmade, datapaths: Datapaths) -> None:
    if lab.in_kernel:
        pytest.skip("the kernel's datapath is given time, and keeps its flows")
    a, b = lab.pod("a", 1, 2), lab.pod("b", 2, 2)
    lab.programmed()
    assert a.reaches(b.address) and remembered(lab)
    assert forgotten(datapaths, "no-such-bridge") and remembered(lab)
    assert forgotten(datapaths, "b1") and not remembered(lab)
    assert a.reaches(b.address) and remembered(lab)
    for _ in range(3):
        datapaths.forget_soon("b2")
    assert wait_until(lambda: not remembered(lab), 60)
    assert a.reaches(b.address)


def test_it_may_be_told_to_while_packets_ask_for_flows(lab: Handmade, datapaths: Datapaths) -> None:
    """Open vSwitch 3.1.0 ends itself where flows of the kernel's datapath go in that moment."""
    pods = [lab.pod(f"pod{number}", number % 2 + 1, 2 + number) for number in range(6)]
    lab.programmed()
    probes = [Probe(one.netns, other.address, 80, "UDP") for one in pods for other in pods if one is not other]
    ended = threading.Event()

    def talk() -> None:
        while not ended.is_set():
            assert set(attempt(probes, 0.1)) <= {"ECONNREFUSED", SILENT}

    with ThreadPoolExecutor(1) as thread:
        talking = thread.submit(talk)
        try:
            told = [forgotten(datapaths, f"b{number % 2 + 1}") for number in range(100)]
        finally:
            ended.set()
        talking.result()
    assert all(told) and lab.switchd
    assert not lab.switchd.alive()
    assert pods[0].reaches(pods[1].address)


def test_whoever_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    assert ask(tmp_path / "nobody", "revalidator/purge") is None
    assert forgotten(Datapaths(tmp_path, framework.load("os-ken")), "b1")
