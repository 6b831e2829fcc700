"""The ways that take most look-ups, with all bridges of two racks in one Open vSwitch, which allows six.

The client, the node whose port it asks, and the endpoint are in different racks; the endpoint is a node itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from handmade import Handmade, run
from settled import in_force
from talk import said_often, with_servers

pytestmark = pytest.mark.netns
PORTS = {80: "TCP", 53: "UDP"}
LISTENING = 9100  # as a node's metrics do


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handmade]:
    handmade = Handmade(tmp_path_factory.mktemp("lab"), 6, "leaf-spine").begun(request)
    handmade.pod("a", 1, 2)
    nodes = [(handmade.hosts[name].address, LISTENING) for name in ("node5", "node6")]
    handmade.service("one", "10.96.0.10", PORTS, nodes[:1], {80: 30080, 53: 30081})
    handmade.service("two", "10.96.0.11", PORTS, nodes, {80: 30180, 53: 30181})
    handmade.programmed()
    in_force(handmade)
    with with_servers(handmade, "node5", "node6", port=LISTENING):
        yield handmade


@pytest.mark.parametrize(("kind", "offset"), [("TCP", 0), ("UDP", 1)], ids=["TCP", "UDP"])
@pytest.mark.parametrize("port", [30080, 30180])
@pytest.mark.parametrize("client", ["a", "node1", "node5"])
def test_no_packet_is_looked_up_too_often(lab: Handmade, client: str, port: int, kind: str, offset: int) -> None:
    asked = lab.hosts["node3"].address
    found = said_often(lab.hosts[client], kind, asked, port + offset, 8)
    assert set(found) <= {f"{server} {asked}" for server in ("node5", "node6")}
    assert lost(lab) == 0


def lost(lab: Handmade) -> int:
    """Packets that the datapath dropped since they were looked up too often; TCP sends them again."""
    control = str(lab.folder / "switchd" / "ovs-vswitchd.ctl")
    return int(run("ovs-appctl", "-t", control, "coverage/read-counter", "datapath_drop_recirc_error").stdout)
