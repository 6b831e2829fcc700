"""Open vSwitch forgets what its datapath remembers when it is told to, whoever of several it is."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from handmade import Handmade, Host, run
from netpol.probing import SILENT, Probe, attempt

from controller import framework
from controller.datapaths import Datapaths, ask
from controller.marks import FAULT_COOKIE
from lab.waiting import wait_until

pytestmark = pytest.mark.netns


@pytest.fixture
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Handmade:
    return Handmade(tmp_path).begun(request)


def remembered(lab: Handmade, host: Host) -> list[str]:
    """What the datapath does with packets as they come from a pod."""
    control = str(lab.folder / "switchd" / "ovs-vswitchd.ctl")
    flows = run("ovs-appctl", "-t", control, "dpctl/dump-flows").stdout.splitlines()
    return [one.partition("actions:")[2] for one in flows if "recirc_id(0)" in one and f"src={host.address}" in one]


def forgotten(datapaths: Datapaths, bridge: str) -> bool:
    done = threading.Event()
    datapaths.forget(bridge, done.set)
    return done.wait(60)


@pytest.fixture
def datapaths(lab: Handmade) -> Datapaths:
    return Datapaths(lab.folder, framework.load("os-ken"))


def test_a_datapath_forgets_when_it_is_told_to(lab: Handmade, datapaths: Datapaths) -> None:
    a, b = lab.pod("a", 1, 2), lab.pod("b", 2, 2)
    lab.programmed()

    def passes() -> bool:
        return any(actions != "drop" for actions in remembered(lab, a))

    assert a.pings(b.address) and passes()
    assert forgotten(datapaths, "no-such-bridge") and passes()
    lab.ofctl("add-flow", "b1", f"cookie={FAULT_COOKIE:#x},priority=65535,in_port={a.port},actions=drop")
    assert forgotten(datapaths, "b1")
    assert wait_until(lambda: not passes(), 60) if lab.in_kernel else not passes()
    assert not a.pings(b.address)
    lab.ofctl("del-flows", "b1", f"cookie={FAULT_COOKIE:#x}/-1")
    for _ in range(3):
        datapaths.forget_soon("b1")
    assert wait_until(lambda: "drop" not in remembered(lab, a), 60)
    assert a.pings(b.address)


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
    assert pods[0].pings(pods[1].address)


def test_whoever_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    assert ask(tmp_path / "nobody", "revalidator/purge") is None
    assert forgotten(Datapaths(tmp_path, framework.load("os-ken")), "b1")
