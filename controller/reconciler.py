"""The one thread that decides: takes what objects and switches tell from a queue, and drives each switch.

Everything that changes state happens here, one thing after the other, so nothing is locked. What comes within a few
milliseconds is handled together and becomes one bundle a switch.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from operator import attrgetter
from typing import Any

from k8sshim.objects import Key

from .answers import Answers
from .datapaths import DatapathOf, Datapaths
from .denials import Denials
from .desired import Changes, Desired, View
from .encode import Encoder
from .framework import Datapath, Framework, Message
from .gate import Gate
from .links import Links, is_live
from .marks import PATH_MTU, Feature, feature_of
from .patience import Patience
from .rejudging import Rejudging
from .services import EVERY_NODE
from .sync import Counters, State, SwitchSync
from .turns import Turns
from .watch import KINDS

log = logging.getLogger(__name__)
GATHER_S = 0.003
CALM_S = 0.03  # within which the objects of one change come, from the threads that follow their kinds
LOOK_AGAIN_S = 0.02  # whether what is held back may open
LONGEST_TURN_S = 0.25
AGAIN_S = 1.0
GATHER_SWITCHES_S = 2.0  # in which all come that there are: they try once a second
TOLD_AT_ONCE, MOST_UNTOLD = 10, 1000  # denied connections: those that come when so many wait push the oldest out
Task = Callable[[], None]


class Reconciler:
    """State of the network as it shall be, and one `SwitchSync` for each switch that is connected."""

    def __init__(
        self,
        framework: Framework,
        log_denial: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        datapaths: Datapaths | None = None,
    ) -> None:
        self._framework, self._datapaths = framework, datapaths
        self._tasks: Any = framework.queue()
        self._encoder = Encoder(framework.protocol)
        self._desired = Desired()
        self._rejudging = Rejudging(framework, self._encoder, self._desired, datapaths)
        self._turns = Turns(self._encoder, clock)
        self._answers = Answers(self._desired, self._encoder, clock)
        self._denials = Denials(self._desired, log_denial or log.info, clock, partial(datetime.now, timezone.utc))
        self._clock, self._waking = clock, False
        self._closed = Gate(clock, attrgetter("closing_since"))
        self._passed = Gate(clock, attrgetter("passing_since"))
        self._opened = Gate(clock, attrgetter("opening_since"), settle_s=0.0)
        self._denied: deque[tuple[int, Message]] = deque(maxlen=MOST_UNTOLD)
        self._telling = False  # it is a task already to tell of these
        self._switches: dict[int, tuple[Datapath, SwitchSync]] = {}
        self._links = Links()
        self._began: float | None = None  # when the first switch came
        self._counters: dict[int, Counters] = {}
        self._unsynced = set(KINDS)

    def run(self) -> None:
        """For ever."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Wait for something to do, let more gather, do what there is for a while, and send what it comes to."""
        task: Task = self._tasks.get()
        self._framework.hub.sleep(GATHER_S)
        until = self._clock() + LONGEST_TURN_S
        self._do(task)
        while not self._tasks.empty() and self._clock() < until:
            self._do(self._tasks.get())
        self._do(self._reroute)
        self._flush()
        self._forget_again()

    def _flush(self) -> None:
        """What closes first; what opens when it may: nobody else might wake this up then."""
        connected = {dpid: switch for dpid, (_, switch) in self._switches.items()}
        self._look(connected)
        for switch in connected.values():
            self._do(switch.flush)
        self._look(connected)
        if any(switch.withholds for switch in connected.values()) and not self._waking:
            self._waking = True
            self._framework.spawn(self._wake)

    def _look(self, connected: Mapping[int, SwitchSync]) -> None:
        for gate in (self._closed, self._passed, self._opened):
            gate.look(self._desired.node_bridges(), connected)

    def _wake(self) -> None:
        self._framework.hub.sleep(LOOK_AGAIN_S)
        self._tasks.put(self._awake)

    def _awake(self) -> None:
        self._waking = False

    def _forget_again(self) -> None:
        """Once more after a while: a switch may have taken a packet by what it remembered of its old flows."""
        told = [(switch, forgotten) for _, switch in self._switches.values() if (forgotten := switch.take_forgotten())]

        def later() -> None:
            self._framework.hub.sleep(AGAIN_S)
            for switch, forgotten in told:
                self._tasks.put(partial(switch.forget, forgotten))

        if told:
            self._framework.spawn(later)

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
        if is_turn(message):
            self._give_turn(datapath, message)
        elif is_denial(message):
            self._denied.append((datapath.id, message))
            if not self._telling:
                self._telling = True
                self._tasks.put(self._tell_denied)
        else:
            self._tasks.put(lambda: self._received(datapath, message))

    def _give_turn(self, datapath: Datapath, message: Message) -> None:
        """At once, in the framework's thread: a connection waits for it, and nothing else is read or changed."""
        answer = self._turns.answer(datapath.id, dict(message.match.items()), bytes(message.data))
        if answer:
            datapath.send(answer)

    # What follows, in the one thread.

    def _tell_denied(self) -> None:
        """A few at a time: there may be more than can be told, and all else comes first."""
        self._telling = False  # before looking: what comes from now on asks again
        for _ in range(min(len(self._denied), TOLD_AT_ONCE)):
            dpid, message = self._denied.popleft()
            self._denials.note(dpid, dict(message.match.items()), bytes(message.data))
        if self._denied:
            self._telling = True
            self._tasks.put(self._tell_denied)

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

    def _reroute(self) -> None:
        """Find other ways where links are down."""
        cluster = self._desired.cluster
        if cluster is None or not self._links.news:
            return
        changes = self._desired.lose(self._links.down(cluster, self._is_settled))
        if changes:
            log.info("links that are down are led round on %d switches", len(changes))
        self._spread(changes)

    def _is_settled(self, dpid: int) -> bool:
        """Whether a switch is there and holds what it shall, as far as is known."""
        return dpid in self._switches and self._switches[dpid][1].settled

    def _synced(self, kind: str) -> None:
        self._unsynced.discard(kind)
        self._greet()

    def _greet(self) -> None:
        """Read the switches that wait for it.

        They are left alone until all that the API holds is known, and while the cluster does not name them, lest flows
        that are needed be deleted.
        """
        if self._unsynced or not self._ports_known():
            return
        for dpid, (_, switch) in self._switches.items():
            if switch.state is State.WAITING and self._desired.switch(dpid):
                switch.read()

    def _ports_known(self) -> bool:
        """Whether it is known which links are down, where there are other ways than those.

        A controller that starts anew would have switches send by links that are down until it hears of them.
        """
        cluster = self._desired.cluster
        late = self._began is not None and self._clock() - self._began >= GATHER_SWITCHES_S
        if cluster is None or late or len(cluster.links) < len(cluster.switches):
            return True
        if all(switch.dpid in self._switches for switch in cluster.switches):
            self._reroute()
            return True
        return False

    def _greet_later(self) -> None:
        """Whoever has not come by then is not waited for."""
        self._framework.hub.sleep(GATHER_SWITCHES_S)
        self._tasks.put(self._greet)

    def _connected(self, datapath: Datapath) -> None:
        dpid = datapath.id
        counters = self._counters.setdefault(dpid, Counters())
        switch = SwitchSync(
            dpid,
            datapath,
            self._encoder,
            lambda: self._desired.wanted(dpid),
            counters,
            patience=Patience(
                closed_until=partial(self._closed.open_until, dpid),
                passed_until=partial(self._passed.open_until, dpid),
                opened_until=partial(self._opened.open_until, dpid),
                baseline=lambda: self._desired.policies.baseline,
                calm_s=CALM_S,
            ),
            memory=DatapathOf(self._datapaths, partial(self._name, dpid), self._tasks.put) if self._datapaths else None,
            rejudge=partial(self._rejudging.soon, datapath),
            clock=self._clock,
        )
        self._switches[dpid] = (datapath, switch)
        ports = {number: is_live(datapath.ofproto, port) for number, port in datapath.ports.items()}
        self._links.ports(dpid, ports)
        log.info("%s: connected", switch.name)
        if self._began is None:
            self._began = self._clock()
            self._framework.spawn(self._greet_later)
        self._greet()

    def _name(self, dpid: int) -> str:
        """Its bridge's, as far as it is known."""
        one = self._desired.switch(dpid)
        return one.name if one else ""

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
            case "OFPPortStatus":
                switch.port_changed()
                gone = message.reason == ofp.OFPPR_DELETE
                self._links.port(datapath.id, message.desc.port_no, not gone and is_live(ofp, message.desc))
            case "OFPErrorMsg":
                switch.refused(message.xid, error_text(ofp, message))
            case "OFPPacketIn":
                in_port, mtu = message.match["in_port"], PATH_MTU.value_in(dict(message.match.items()))
                answer = self._answers.to(datapath.id, message.cookie, in_port, bytes(message.data), mtu)
                if answer:
                    datapath.send(answer)


def is_denial(message: Message) -> bool:
    """Whether a switch tells of a connection that a policy denies."""
    return type(message).__name__ == "OFPPacketIn" and feature_of(message.cookie) is Feature.DENIAL


def is_turn(message: Message) -> bool:
    """Whether a switch asks whose turn it is (round robin)."""
    return type(message).__name__ == "OFPPacketIn" and feature_of(message.cookie) is Feature.BALANCING


def error_text(ofp: Any, message: Message) -> str:
    """An OpenFlow error by name."""
    return f"{ofp.ofp_error_type_to_str(message.type)} {ofp.ofp_error_code_to_str(message.type, message.code)}"
