"""The fakes of `topo.ports` pass the suite that the real ones pass in `tests/netns/test_ports.py`."""

from __future__ import annotations

import pytest
from fake_ports import FakeBridges, FakeNamespaces
from ports_suite import BridgesSuite, NamespacesSuite

pytestmark = pytest.mark.contract


@pytest.fixture
def namespaces() -> FakeNamespaces:
    return FakeNamespaces()


@pytest.fixture
def bridge() -> str:
    return "b1"


@pytest.fixture
def bridges(namespaces: FakeNamespaces, bridge: str) -> FakeBridges:
    return FakeBridges(namespaces, {bridge: {}})


class TestFakeNamespaces(NamespacesSuite):
    pass


class TestFakeBridges(BridgesSuite):
    pass
