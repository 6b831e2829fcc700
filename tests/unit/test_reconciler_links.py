"""The controller's one thread, and links: who is told when a port dies, and when one lives again."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from network_model import cluster_of, node
from test_reconciler import PROTOCOL, Controller, Datapath, connected, hold_nothing, kinds
from test_switch_sync import BUNDLE_CONTROL, READ

from controller.links import is_live
from controller.watch import KINDS
from k8sshim.objects import Key

pytestmark = pytest.mark.unit
CLUSTER = cluster_of(2, leaves=2)
OFP = PROTOCOL.ofproto
LIVE = OFP.OFPPS_LIVE


def ports_of(name: str, dead: int = 0) -> dict[int, Any]:
    ends = [end for link in CLUSTER.links for end in (link.a, link.b) if end.switch == name]
    return {end.port: SimpleNamespace(state=0 if end.port == dead else LIVE, config=0) for end in ends}


def controller_of_a_fabric() -> Controller:
    controller = Controller()
    knows_a_fabric(controller)
    return controller


def knows_a_fabric(controller: Controller) -> None:
    controller.reconciler.put("Cluster", Key("", "lab"), CLUSTER)
    for number in (1, 2):
        controller.reconciler.put("Node", Key("", f"node{number}"), node(number))
    for kind in KINDS:
        controller.reconciler.synced(kind)
    controller.work()


def comes(controller: Controller, name: str, dead: int = 0) -> Datapath:
    datapath = Datapath(next(switch.dpid for switch in CLUSTER.switches if switch.name == name))
    datapath.ports = ports_of(name, dead)
    controller.reconciler.connected(datapath)
    controller.work()
    return datapath


def whole(controller: Controller) -> dict[str, Datapath]:
    """Every switch is there and has taken in what it was sent."""
    datapaths = {switch.name: comes(controller, switch.name) for switch in CLUSTER.switches}
    for datapath in datapaths.values():
        datapath.take()
        hold_nothing(controller, datapath)
    controller.opens()
    for datapath in datapaths.values():
        if datapath.take():
            taken(controller, datapath)
    return datapaths


def taken(controller: Controller, datapath: Datapath) -> None:
    done = PROTOCOL.ofproto_parser.OFPBundleCtrlMsg(PROTOCOL, 1, OFP.OFPBCT_COMMIT_REPLY, 0, [])
    controller.reconciler.received(datapath, done)
    controller.work()


class OFPPortStatus(SimpleNamespace):
    """As the framework has it."""


def port_status(controller: Controller, datapath: Datapath, port: int, state: int) -> None:
    desc = SimpleNamespace(port_no=port, state=state, config=0)
    controller.reconciler.received(datapath, OFPPortStatus(reason=OFP.OFPPR_MODIFY, desc=desc))
    controller.work()


def test_where_there_are_other_ways_switches_are_read_once_all_are_there() -> None:
    """A controller that starts while a link is down would send by it, or by what lies behind."""
    controller = controller_of_a_fabric()
    first = comes(controller, "leaf1")
    assert kinds(first) == []
    rest = [comes(controller, switch.name) for switch in CLUSTER.switches if switch.name != "leaf1"]
    assert [kinds(datapath) for datapath in (first, *rest)] == [READ] * len(CLUSTER.switches)


def test_a_switch_that_does_not_come_is_not_waited_for_long() -> None:
    controller = controller_of_a_fabric()
    first = comes(controller, "leaf1")
    controller.now += 10.0
    connected(controller, 77)
    assert kinds(first) == READ


def test_a_port_that_dies_changes_switches_far_away_and_nobody_else() -> None:
    controller = controller_of_a_fabric()
    datapaths = whole(controller)
    spine = datapaths["spine1"]
    (port,) = (link.b.port for link in CLUSTER.links if (link.a.switch, link.b.switch) == ("leaf2", "spine1"))
    port_status(controller, spine, port, state=OFP.OFPPS_LINK_DOWN)
    told = {name for name, datapath in datapaths.items() if kinds(datapath)[:1] == [BUNDLE_CONTROL]}
    assert told == {"leaf1", "leaf2", "spine1"}
    for name in told:
        taken(controller, datapaths[name])
    port_status(controller, spine, port, state=LIVE)
    assert {name for name, datapath in datapaths.items() if kinds(datapath)} == told


class Memories:
    """Datapaths that note which is to forget."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def forget(self, bridge: str, done: Callable[[], object]) -> None:
        self.forgotten.append(bridge)
        done()

    def forget_soon(self, bridge: str) -> None:
        self.forgotten.append(bridge)


def test_a_port_that_dies_has_the_datapath_forget_where_it_sent() -> None:
    memories = Memories()
    controller = Controller(memories)
    knows_a_fabric(controller)
    datapaths = whole(controller)
    assert set(memories.forgotten) == set(datapaths)
    memories.forgotten.clear()
    (port,) = (link.b.port for link in CLUSTER.links if (link.a.switch, link.b.switch) == ("leaf2", "spine1"))
    port_status(controller, datapaths["spine1"], port, state=OFP.OFPPS_LINK_DOWN)
    assert memories.forgotten == ["spine1"]


def test_a_switch_that_comes_back_is_sent_to_once_it_holds_its_flows() -> None:
    controller = controller_of_a_fabric()
    datapaths = whole(controller)
    controller.reconciler.disconnected(datapaths["spine1"])
    dying = [(link.a.switch, link.a.port) for link in CLUSTER.links if link.b.switch == "spine1"]
    for name, port in dying:
        port_status(controller, datapaths[name], port, state=OFP.OFPPS_LINK_DOWN)
    for datapath in (datapaths["leaf1"], datapaths["leaf2"]):
        assert kinds(datapath)
        taken(controller, datapath)
        datapath.take()
    for name, port in dying:
        port_status(controller, datapaths[name], port, state=LIVE)
    assert kinds(datapaths["leaf1"]) == []
    back = comes(controller, "spine1")
    assert (kinds(back), kinds(datapaths["leaf1"])) == (READ, [])
    hold_nothing(controller, back)
    assert kinds(datapaths["leaf1"])[:1] == [BUNDLE_CONTROL]


@pytest.mark.parametrize(
    ("state", "config", "live"),
    [
        (LIVE, 0, True),
        (0, 0, False),  # BFD hears nothing
        (OFP.OFPPS_LINK_DOWN, 0, False),
        (LIVE, OFP.OFPPC_PORT_DOWN, False),
        (LIVE, OFP.OFPPC_NO_FWD, True),
    ],
)
def test_what_makes_a_port_alive(state: int, config: int, live: bool) -> None:
    assert is_live(OFP, SimpleNamespace(state=state, config=config)) is live
