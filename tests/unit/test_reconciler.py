"""The controller's one thread: what it waits for before it touches a switch, and whom a change reaches."""

from __future__ import annotations

import queue
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from network_model import cluster_of, node, pod
from test_switch_sync import BUNDLE_CONTROL, READ, Wire

from controller import app, framework
from controller.marks import DENIED_SIDE, Feature, Side, cookie
from controller.reconciler import Reconciler
from controller.watch import KINDS
from k8sshim.objects import Key

pytestmark = pytest.mark.unit
PROTOCOL = framework.load("os-ken").protocol


class Datapath(Wire):
    """A switch's connection."""

    def __init__(self, dpid: int) -> None:
        super().__init__()
        self.id, self.ofproto, self.ports = dpid, PROTOCOL.ofproto, dict[int, object]()


class Controller:
    """A reconciler whose tasks are done one after the other, on demand."""

    def __init__(self, datapaths: Any = None) -> None:
        self._tasks: queue.Queue[Any] = queue.Queue()
        hub = SimpleNamespace(sleep=lambda seconds: None)
        self.later: list[Callable[[], None]] = []
        self.now, self.tick = 0.0, 0.0
        self.log: list[str] = []
        framework = SimpleNamespace(queue=lambda: self._tasks, hub=hub, protocol=PROTOCOL, spawn=self.later.append)
        self.reconciler = Reconciler(framework, self.log.append, self._clock, datapaths)  # type: ignore[arg-type]

    def _clock(self) -> float:
        self.now += self.tick
        return self.now

    def work(self) -> None:
        """What the thread does with what has gathered."""
        if not self._tasks.empty():
            self.reconciler.turn()

    def opens(self, *datapaths: Datapath) -> None:
        """What was held back may go, and the switches take it in."""
        self.now += 1.0
        self._tasks.put(lambda: None)
        self.work()
        for datapath in datapaths:
            assert datapath.take()
            taken_in(self, datapath)

    def knows(self, *, cluster: bool = True) -> None:
        """All kinds are synced."""
        if cluster:
            self.reconciler.put("Cluster", Key("", "lab"), cluster_of(2))
        for number in (1, 2):
            self.reconciler.put("Node", Key("", f"node{number}"), node(number))
        for kind in KINDS:
            self.reconciler.synced(kind)
        self.work()


def connected(controller: Controller, dpid: int) -> Datapath:
    datapath = Datapath(dpid)
    controller.reconciler.connected(datapath)
    controller.work()
    return datapath


def hold_nothing(controller: Controller, datapath: Datapath) -> None:
    """The switch answers that it is empty, and takes its bundle in."""
    parser = PROTOCOL.ofproto_parser
    controller.reconciler.received(datapath, parser.OFPFlowStatsReply(PROTOCOL, body=[], flags=0))
    controller.reconciler.received(datapath, parser.OFPGroupDescStatsReply(PROTOCOL, body=[], flags=0))
    controller.work()
    assert datapath.take()[-1][0] == BUNDLE_CONTROL
    taken_in(controller, datapath)


def taken_in(controller: Controller, datapath: Datapath) -> None:
    """The switch answers that it has taken its bundle in."""
    done = PROTOCOL.ofproto_parser.OFPBundleCtrlMsg(PROTOCOL, 1, PROTOCOL.ofproto.OFPBCT_COMMIT_REPLY, 0, [])
    controller.reconciler.received(datapath, done)
    controller.work()


def kinds(datapath: Datapath) -> list[int]:
    return [kind for kind, _, _ in datapath.take()]


def test_a_switch_is_left_alone_until_everything_is_known() -> None:
    controller = Controller()
    datapath = connected(controller, 1)
    controller.reconciler.put("Cluster", Key("", "lab"), cluster_of(2))
    controller.work()
    assert kinds(datapath) == []
    controller.knows()
    assert kinds(datapath) == READ


def test_a_switch_that_the_cluster_does_not_name_is_left_alone() -> None:
    controller = Controller()
    controller.knows(cluster=False)
    stranger, bridge = connected(controller, 77), connected(controller, 1)
    assert kinds(stranger) == kinds(bridge) == []
    controller.reconciler.put("Cluster", Key("", "lab"), cluster_of(2))
    controller.work()
    assert kinds(stranger) == []
    assert kinds(bridge) == READ


def test_a_change_reaches_the_switches_it_concerns() -> None:
    controller = Controller()
    controller.knows()
    one, other = connected(controller, 1), connected(controller, 2)
    for datapath in (one, other):
        datapath.take()
        hold_nothing(controller, datapath)
    controller.opens(one, other)
    controller.reconciler.put("Pod", Key("default", "a"), pod("a", 1, 2))
    controller.work()
    assert kinds(one)[0] == BUNDLE_CONTROL
    assert kinds(other) == []


def test_what_comes_together_is_one_bundle() -> None:
    controller = Controller()
    controller.knows()
    datapath = connected(controller, 1)
    datapath.take()
    hold_nothing(controller, datapath)
    for number in range(2, 12):
        controller.reconciler.put("Pod", Key("default", f"p{number}"), pod(f"p{number}", 1, number))
    controller.work()
    assert kinds(datapath).count(BUNDLE_CONTROL) == 2


def test_a_message_of_a_connection_that_was_replaced_is_ignored() -> None:
    controller = Controller()
    controller.knows()
    old = connected(controller, 1)
    new = connected(controller, 1)
    old.take(), new.take()
    controller.reconciler.disconnected(old)
    controller.reconciler.received(old, PROTOCOL.ofproto_parser.OFPFlowStatsReply(PROTOCOL, body=[], flags=0))
    controller.work()
    hold_nothing(controller, new)


def test_one_object_that_cannot_be_handled_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    controller = Controller()
    controller.knows()
    controller.reconciler.put("Pod", Key("default", "broken"), SimpleNamespace(node="node1"))  # type: ignore[arg-type]
    controller.reconciler.received(SimpleNamespace(), None)
    controller.work()
    assert "not handled" in caplog.text
    assert connected(controller, 1).take() != []


def test_a_switch_that_stumbles_does_not_keep_the_others_from_their_changes(caplog: pytest.LogCaptureFixture) -> None:
    controller = Controller()
    controller.knows()
    broken, whole = connected(controller, 1), connected(controller, 2)
    for datapath in (broken, whole):
        datapath.take()
        hold_nothing(controller, datapath)
    controller.opens(broken, whole)
    broken.send = None  # type: ignore[assignment,method-assign]
    for number in (1, 2):
        controller.reconciler.put("Pod", Key("default", f"p{number}"), pod(f"p{number}", number, 2))
    controller.work()
    assert "not handled" in caplog.text
    assert kinds(whole)[0] == BUNDLE_CONTROL


def denial(number: int) -> Any:
    """A bridge tells of a connection that a policy has denied."""
    addresses = bytes((10, 244, 2, 2, 10, 244, 1, 2))
    header = b"\x45\0" + struct.pack("!HHHBBH", 40, 0, 0, 64, 6, 0) + addresses
    frame = bytes(12) + b"\x08\0" + header + struct.pack("!HH", 1024 + number, 80) + bytes(16)
    fields = PROTOCOL.ofproto_parser.OFPMatch(in_port=2, reg0=Side.INGRESS << DENIED_SIDE.first)
    number_of = cookie(Feature.DENIAL, "Cluster lab", "")
    return PROTOCOL.ofproto_parser.OFPPacketIn(PROTOCOL, cookie=number_of, match=fields, data=frame)


def test_a_flood_of_denials_keeps_no_change_waiting() -> None:
    """Each takes time; after a turn a pod that came meanwhile is on its way, and every denial is told in the end."""
    controller = Controller()
    controller.knows()
    datapaths = [connected(controller, 1), connected(controller, 2)]
    for datapath in datapaths:
        datapath.take()
        hold_nothing(controller, datapath)
    controller.opens(*datapaths)
    controller.tick = 0.01
    for number in range(100):
        controller.reconciler.received(datapaths[0], denial(number))
    controller.reconciler.put("Pod", Key("default", "a"), pod("a", 1, 2))
    controller.work()
    assert 0 < len(controller.log) < 100
    assert kinds(datapaths[0])[0] == BUNDLE_CONTROL
    for _ in range(20):
        controller.work()
    assert len(controller.log) == 100


def test_the_process_ends_with_the_thread_that_decides(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(app.os, "_exit", codes.append)
    app.deciding(lambda: 1 // 0)
    assert codes == [1] and "ZeroDivisionError" in caplog.text
