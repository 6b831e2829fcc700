"""The kernel's namespaces and Open vSwitch's bridges pass the suite of `topo.ports`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ports_suite import LINKS, NAMES, BridgesSuite, NamespacesSuite

from topo.netns import LinuxNamespaces
from topo.ovs import OpenVSwitchBridges, Switchd

pytestmark = pytest.mark.netns


@pytest.fixture
def namespaces() -> Iterator[LinuxNamespaces]:
    real = LinuxNamespaces()
    yield real
    real.disconnect(LINKS)
    real.delete(NAMES)


@pytest.fixture(scope="module")
def switchd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switchd]:
    switchd = Switchd.start(tmp_path_factory.mktemp("switchd"))
    yield switchd
    switchd.stop()


@pytest.fixture
def bridge(switchd: Switchd) -> Iterator[str]:
    switchd.vsctl("add-br", "ports0", "--", "set", "Bridge", "ports0", f"datapath_type={switchd.datapath_type}")
    yield "ports0"
    switchd.vsctl("del-br", "ports0")


@pytest.fixture
def bridges(switchd: Switchd, bridge: str, namespaces: LinuxNamespaces) -> OpenVSwitchBridges:
    return OpenVSwitchBridges({bridge: Path(switchd.socket)})


class TestLinuxNamespaces(NamespacesSuite):
    pass


class TestOpenVSwitchBridges(BridgesSuite):
    pass
