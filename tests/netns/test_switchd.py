"""A group's Open vSwitch daemons: where they live, what their death looks like, and that nothing is lost by it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8sshim.errors import PodwireError
from topo import netns
from topo.bridges import refusals
from topo.netns import BareEnd, BarePair, LinuxNamespaces
from topo.ovs import OpenVSwitchBridges, Switchd
from topo.ports import BridgePort

pytestmark = pytest.mark.netns
HOME = "switchd-home"
PORTS = [BridgePort("home0", f"home-{n}", 20 + n) for n in range(3)]


@pytest.fixture
def switchd(tmp_path: Path) -> Iterator[Switchd]:
    """Open vSwitch in a namespace of its own, with a bridge and the ends of three links."""
    namespaces = LinuxNamespaces()
    namespaces.create([HOME, "far"])
    netns.connect_pairs([BarePair(BareEnd(HOME, one.interface), BareEnd("far", one.interface), 1500) for one in PORTS])
    switchd = Switchd.start(tmp_path / "switchd", HOME, log=tmp_path, threads=1)
    switchd.vsctl("add-br", "home0", "--", "set", "Bridge", "home0", f"datapath_type={switchd.datapath_type}")
    yield switchd
    switchd.stop()
    namespaces.delete([HOME, "far"])


@pytest.fixture
def bridges(switchd: Switchd) -> OpenVSwitchBridges:
    return OpenVSwitchBridges({"home0": switchd.socket})


def kill(switchd: Switchd, daemon: str) -> None:
    """Ends a daemon, and waits until it is gone: one with many ports takes seconds."""
    os.kill(int((switchd.directory / f"{daemon}.pid").read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 20
    while not any(problem.startswith(daemon) for problem in switchd.alive()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_lives_in_its_namespace(switchd: Switchd) -> None:
    assert "home0" in netns.interfaces(HOME)
    assert "home0" not in netns.interfaces(None)
    assert Path(f"/proc/{switchd.pid}/ns/net").stat().st_ino == netns.path(HOME).stat().st_ino


def test_it_says_what_it_does_in_the_log(switchd: Switchd) -> None:
    assert "Open vSwitch" in (switchd.log / "ovs-vswitchd-switchd.log").read_text()


@pytest.mark.parametrize("daemon", ["ovs-vswitchd", "ovsdb-server"])
def test_ports_outlive_a_daemon(switchd: Switchd, bridges: OpenVSwitchBridges, daemon: str) -> None:
    bridges.add_ports(PORTS[:2])
    kill(switchd, daemon)
    switchd.restart()
    assert switchd.alive() == []
    bridges.add_ports(PORTS)
    assert bridges.ports("home0") == {port.interface: port.number for port in PORTS}
    assert refusals(switchd.socket, PORTS) == {}


def test_a_running_daemon_is_left_alone(switchd: Switchd) -> None:
    before = switchd.pid
    switchd.restart()
    assert switchd.pid == before


def test_segmentation_offload_is_on_before_it_starts(switchd: Switchd) -> None:
    said = re.search(r"userspace_tso\|INFO\|.* enabled", (switchd.log / "ovs-vswitchd-switchd.log").read_text())
    assert bool(said) == (switchd.datapath_type == "netdev")


def test_a_refused_transaction_is_one_line(switchd: Switchd) -> None:
    with pytest.raises(PodwireError, match=r"^ovs-vsctl: .*no bridge named nowhere") as raised:
        switchd.vsctl("list-ports", "nowhere")
    assert "\n" not in str(raised.value)


def test_sequence_numbers_are_not_looked_at_by_a_new_daemon(switchd: Switchd) -> None:
    """A setting that ovs-vswitchd forgets as it ends."""
    if switchd.datapath_type != "netdev":
        pytest.skip("the kernel's conntrack knows which are answers to an old connection")
    kill(switchd, "ovs-vswitchd")
    switchd.restart()
    assert "disabled" in switchd.control("dpctl/ct-get-tcp-seq-chk")
