"""The controller's one thread: what it waits for before it touches a switch, and whom a change reaches."""

from __future__ import annotations

import queue
from types import SimpleNamespace
from typing import Any

import pytest
from network_model import cluster_of, node, pod
from test_switch_sync import BUNDLE_CONTROL, MULTIPART_REQUEST, Wire

from controller import framework
from controller.reconciler import Reconciler
from controller.watch import KINDS
from k8sshim.objects import Key

pytestmark = pytest.mark.unit
PROTOCOL = framework.load("os-ken").protocol


class Datapath(Wire):
    """A switch's connection."""

    def __init__(self, dpid: int) -> None:
        super().__init__()
        self.id, self.ofproto = dpid, PROTOCOL.ofproto


class Controller:
    """A reconciler whose tasks are done one after the other, on demand."""

    def __init__(self) -> None:
        self._tasks: queue.Queue[Any] = queue.Queue()
        hub = SimpleNamespace(sleep=lambda seconds: None)
        self.reconciler = Reconciler(SimpleNamespace(queue=lambda: self._tasks, hub=hub, protocol=PROTOCOL))  # type: ignore[arg-type]

    def work(self) -> None:
        """What the thread does with what has gathered."""
        if not self._tasks.empty():
            self.reconciler.turn()

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
    parser, ofp = PROTOCOL.ofproto_parser, PROTOCOL.ofproto
    controller.reconciler.received(datapath, parser.OFPFlowStatsReply(PROTOCOL, body=[], flags=0))
    controller.reconciler.received(datapath, parser.OFPGroupDescStatsReply(PROTOCOL, body=[], flags=0))
    controller.work()
    assert datapath.take()[-1][0] == BUNDLE_CONTROL
    done = parser.OFPBundleCtrlMsg(PROTOCOL, 1, ofp.OFPBCT_COMMIT_REPLY, 0, [])
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
    assert kinds(datapath) == [MULTIPART_REQUEST, MULTIPART_REQUEST]


def test_a_switch_that_the_cluster_does_not_name_is_left_alone() -> None:
    controller = Controller()
    controller.knows(cluster=False)
    stranger, bridge = connected(controller, 77), connected(controller, 1)
    assert kinds(stranger) == kinds(bridge) == []
    controller.reconciler.put("Cluster", Key("", "lab"), cluster_of(2))
    controller.work()
    assert kinds(stranger) == []
    assert kinds(bridge) == [MULTIPART_REQUEST, MULTIPART_REQUEST]


def test_a_change_reaches_the_switches_it_concerns() -> None:
    controller = Controller()
    controller.knows()
    one, other = connected(controller, 1), connected(controller, 2)
    for datapath in (one, other):
        datapath.take()
        hold_nothing(controller, datapath)
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
