"""The one thread that decides: takes what objects and switches tell from a queue, and drives each switch.

Everything that changes state happens here, one thing after the other, so nothing is locked. What comes within a few
milliseconds is handled together and becomes one bundle a switch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from k8sshim.objects import Key

from .answers import Answers
from .desired import EVERY_NODE, Changes, Desired, View
from .encode import Encoder
from .framework import Datapath, Framework, Message
from .sync import Counters, State, SwitchSync
from .watch import KINDS

log = logging.getLogger(__name__)
GATHER_S = 0.003
Task = Callable[[], None]


class Reconciler:
    """State of the network as it shall be, and one `SwitchSync` for each switch that is connected."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._tasks: Any = framework.queue()
        self._encoder = Encoder(framework.protocol)
        self._desired = Desired()
        self._answers = Answers(self._desired, self._encoder, time.monotonic)
        self._switches: dict[int, tuple[Datapath, SwitchSync]] = {}
        self._counters: dict[int, Counters] = {}
        self._unsynced = set(KINDS)

    def run(self) -> None:
        """For ever."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Wait for something to do, let more gather, do it all, and send what it comes to."""
        task: Task = self._tasks.get()
        self._framework.hub.sleep(GATHER_S)
        self._do(task)
        while not self._tasks.empty():
            self._do(self._tasks.get())
        for _, switch in self._switches.values():
            switch.flush()

    def _do(self, task: Task) -> None:
        try:
            task()
        except Exception:  # one object or message that is handled wrongly must not end the network's control
            log.exception("not handled")

    # What others call, in their threads.

    def put(self, kind: str, key: Key, view: View | None) -> None:
        self._tasks.put(lambda: self._put(kind, key, view))

    def synced(self, kind: str) -> None:
        self._tasks.put(lambda: self._synced(kind))

    def connected(self, datapath: Datapath) -> None:
        self._tasks.put(lambda: self._connected(datapath))

    def disconnected(self, datapath: Datapath) -> None:
        self._tasks.put(lambda: self._disconnected(datapath))

    def received(self, datapath: Datapath, message: Message) -> None:
        self._tasks.put(lambda: self._received(datapath, message))

    # What follows, in the one thread.

    def _put(self, kind: str, key: Key, view: View | None) -> None:
        self._spread(self._desired.put(kind, key, view))
        if kind == "Cluster":
            self._greet()

    def _spread(self, changes: Changes) -> None:
        bridges = self._desired.node_bridges()
        for place, change in changes.items():
            for dpid in bridges if place == EVERY_NODE else (place,):
                if dpid in self._switches:
                    self._switches[dpid][1].change(change)

    def _synced(self, kind: str) -> None:
        self._unsynced.discard(kind)
        self._greet()

    def _greet(self) -> None:
        """Read the switches that wait for it.

        They are left alone until all that the API holds is known, and while the cluster does not name them, lest flows
        that are needed be deleted.
        """
        for dpid, (_, switch) in self._switches.items():
            if switch.state is State.WAITING and not self._unsynced and self._desired.switch(dpid):
                switch.read()

    def _connected(self, datapath: Datapath) -> None:
        dpid = datapath.id
        counters = self._counters.setdefault(dpid, Counters())
        switch = SwitchSync(f"switch {dpid:#x}", datapath, self._encoder, lambda: self._desired.wanted(dpid), counters)
        self._switches[dpid] = (datapath, switch)
        log.info("%s: connected", switch.name)
        self._greet()

    def _disconnected(self, datapath: Datapath) -> None:
        if datapath.id in self._switches and self._switches[datapath.id][0] is datapath:
            log.info("%s: disconnected", self._switches.pop(datapath.id)[1].name)

    def _received(self, datapath: Datapath, message: Message) -> None:
        if datapath.id not in self._switches or self._switches[datapath.id][0] is not datapath:
            return
        switch, ofp = self._switches[datapath.id][1], datapath.ofproto
        match type(message).__name__:
            case "OFPFlowStatsReply":
                switch.took_flows(message, more=bool(message.flags & ofp.OFPMPF_REPLY_MORE))
            case "OFPGroupDescStatsReply":
                switch.took_groups(message, more=bool(message.flags & ofp.OFPMPF_REPLY_MORE))
            case "OFPBundleCtrlMsg" if message.type == ofp.OFPBCT_COMMIT_REPLY:
                switch.committed()
            case "OFPErrorMsg":
                switch.refused(message.xid, error_text(ofp, message))
            case "OFPPacketIn":
                answer = self._answers.to(datapath.id, message.cookie, message.match["in_port"], bytes(message.data))
                if answer:
                    datapath.send(answer)


def error_text(ofp: Any, message: Message) -> str:
    """An OpenFlow error by name."""
    return f"{ofp.ofp_error_type_to_str(message.type)} {ofp.ofp_error_code_to_str(message.type, message.code)}"
