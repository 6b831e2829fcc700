"""Brings a switch to hold what it shall: reads what it holds, then sends differences, one atomic bundle at a time.

Whatever comes, nothing is sent but by `flush`, which is called once what came together has been taken in. One thread
drives it; nothing waits in here. What a switch refuses, or what no message can say, is named in the log,
counted, and left out from then on, so that one bad flow cannot keep the others away; the switch is read anew after
every refusal.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from .bundles import Bundle, Item, bundle_of, describe
from .datapaths import FadesByItself, Memory
from .diff import Change, Held, Rules, missing
from .encode import Encoder, with_xid
from .flows import Flow, FlowId, Group
from .framework import Message
from .held import held_flows, held_groups
from .marks import DENIALS_METER, DENIALS_PER_S, zone_of
from .open_connections import LATER_S, moments
from .opening import (
    closes_anything,
    closing_objects,
    enters,
    object_of,
    opens,
    opens_anything,
    passes,
    passes_anything,
    replacements,
    without_openings,
)
from .patience import IMPATIENT, LONG_AGO, Patience, Pending
from .tables import ENDPOINT_DNAT

log = logging.getLogger(__name__)
ATTEMPTS = 3  # at a bundle that is refused without a reason that can be left out
FORGET_XID = 0x3FFFFFFF  # of all messages that have connections forgotten
METER_XID = 0x3FFFFFFE  # of the message that makes the meter for the log of denials
FIRST_XID = 0x40000000  # the framework's own messages count from elsewhere; only errors are told apart by this


class Connection(Protocol):
    """A switch's connection."""

    def send(self, buf: bytes) -> object: ...


class State(Enum):
    """What the switch is asked to do."""

    WAITING = "has not been asked anything"
    READING = "tells what it holds"
    IDLE = "holds what it shall, as far as was sent"
    COMMITTING = "takes in a bundle"
    FORGETTING = "has its datapath forget what is closed"


@dataclass
class Counters:
    """Of one switch, over all its connections."""

    bundles: int = 0
    messages: int = 0
    errors: int = 0
    forgets: bool = True  # connections, when it is told to
    refused: set[FlowId | int] = field(default_factory=set)  # flows by id, groups by content digest


class SwitchSync:
    """One connection of one switch."""

    def __init__(
        self,
        dpid: int,
        connection: Connection,
        encoder: Encoder,
        wanted: Callable[[], Rules],
        counters: Counters,
        *,
        patience: Patience = IMPATIENT,
        memory: Memory | None = None,
        rejudge: Callable[[float], object] = lambda after_s: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"switch {dpid:#x}"
        self._zone = zone_of(dpid)
        self.counters = counters
        self.state = State.WAITING
        self._connection = connection
        self._encoder = encoder
        self._wanted = wanted
        self._patience, self._clock = patience, clock
        self._memory = memory or FadesByItself()
        self._rejudge = rejudge
        self._unjudged: set[float] = set()  # how long after this is taken in what is open is to be judged
        self._outbox = Change()
        self._nothing_pends()
        self._sent: dict[int, Item] = {}
        self._xid = FIRST_XID
        self._failed = False  # something of the bundle under way was refused, or what the switch holds is not sure
        self.settled = False  # it has been told all that it was missing when it was read
        self._attempts = 0
        self._flows: set[FlowId] = set()
        self._groups: dict[int, int] = {}
        self._parts = 0  # answers still to come while reading
        self._forgotten: list[bytes] = []  # messages that are to be sent once more

    def read(self) -> None:
        """Ask what the switch holds; the difference follows when it has answered."""
        self.state, self._failed, self._parts, self.settled = State.READING, False, 2, False
        self._flows, self._groups, self._outbox = set(), {}, Change()
        self._nothing_pends()
        self._unjudged.add(LATER_S)  # nobody may have done so after the last change
        self._connection.send(with_xid(self._encoder.add_meter(DENIALS_METER, DENIALS_PER_S), METER_XID))
        for message in (self._encoder.ask_flows(), self._encoder.ask_groups()):
            self._connection.send(with_xid(message, self._next_xid()))

    def took_flows(self, reply: Message, *, more: bool) -> None:
        """A part of the switch's flows has come."""
        self._flows.update(held_flows(reply))
        self._took_part(more)

    def took_groups(self, reply: Message, *, more: bool) -> None:
        """A part of the switch's groups has come."""
        self._groups.update(held_groups(reply))
        self._took_part(more)

    def _took_part(self, more: bool) -> None:
        if more or self.state is not State.READING:
            return
        self._parts -= 1
        if self._parts == 0:
            self.state = State.IDLE
            self._outbox = missing(Held(frozenset(self._flows), self._groups), self._wanted())
            if any(table == ENDPOINT_DNAT.number for table, _ in self._outbox.flows.keys() & self._flows):
                self._outbox.stale[None] = None
            held = f"{len(self._flows)} flows and {len(self._groups)} groups"
            log.info("%s: holds %s, %d to change", self.name, held, len(self._outbox.flows) + len(self._outbox.groups))
            self._note(self._outbox, LONG_AGO)

    @property
    def closing_since(self) -> float | None:
        """Since when more gets through than shall, as far as is known; what has come to open since then has to wait."""
        return self._since(self._closing)

    @property
    def passing_since(self) -> float | None:
        """The same of what passes, which may be more than shall get through, or less."""
        return self._since(self._passing)

    @property
    def opening_since(self) -> float | None:
        """The same of what opens: less gets through than may."""
        return self._since(self._opening)

    def _since(self, pending: Pending) -> float | None:
        return LONG_AGO if self.state in (State.WAITING, State.READING) else pending.since

    def _nothing_pends(self) -> None:
        self._closing, self._passing, self._opening = Pending(), Pending(), Pending()
        self._opened: dict[FlowId, float] = {}  # what is held back, and up to when all has to be closed for it

    def _note(self, change: Change, moment: float) -> None:
        """Since when there is something to close, to pass, or to open."""
        if closes_anything(change):
            self._closing.come(moment)
        if passes_anything(change):
            self._passing.come(moment)
        if opens_anything(change):
            self._opening.come(moment)

    @property
    def withholds(self) -> bool:
        """Whether something waits until it may open."""
        return self.state is State.IDLE and bool(self._outbox)

    def change(self, change: Change) -> None:
        """More to do; sent by the next `flush`. Until the switch has been read, its answer will show it."""
        if self.state in (State.IDLE, State.COMMITTING, State.FORGETTING):
            unsure = any(flow and self._may_lack(number) for number, flow in change.flows.items())
            self._failed |= unsure
            self._outbox.add(change)
            self._note(change, self._clock())
            if unsure and self.state is State.IDLE:
                self.read()

    def _may_lack(self, number: FlowId) -> bool:
        """Of what is held back, and would go: where it was is not known, so another may have taken its place there."""
        going = number in self._opened and self._outbox.flows.get(number, self) is None
        return going and number not in self._outbox.gone

    def flush(self) -> None:
        """Send what has gathered, unless a bundle is on its way; what opens only if it may."""
        if self.state is not State.IDLE:
            return
        if not self._outbox:  # what came has gone again
            self._nothing_pends()
            self._settle()
            return
        change, opening = without_openings(self._outbox, baseline=self._patience.baseline())
        self._outbox = self._held_back(opening, closing_objects(change))
        change.add(opening.without(self._outbox))
        change.displace(self._outbox)
        self._unjudged |= moments(change)
        self._closing.send(all_of_it=True)
        self._passing.send(all_of_it=not passes_anything(self._outbox))
        self._opening.send(all_of_it=not opens_anything(self._outbox))
        bundle = bundle_of(change, self._encoder, self.counters.refused)
        for item, reason in bundle.unsayable:
            self._leave_out(item, reason)
        if bundle.messages:
            self._send(bundle)
        else:
            self._taken_in()
        forgotten = [self._encoder.forget(self._zone, one) for one in change.stale]
        self.forget(forgotten)
        self._forgotten += forgotten

    def _held_back(self, opening: Change, closing: Collection[int]) -> Change:
        """The part of what opens that has to wait."""
        if not opening:
            self._opened = {}
            return opening
        now = self._clock()
        calm = now + self._patience.calm_s

        def opens_with(number: FlowId) -> bool:
            return object_of(number) in closing and opens(number, comes=opening.flows[number] is not None)

        opened = {number: self._opened.get(number, now if opens_with(number) else calm) for number in opening.flows}
        for old, new in replacements(opening).items():
            opened[old] = opened[new]  # or nothing would be allowed meanwhile
        closed = self._patience.closed_until()
        passed = min(closed, self._patience.passed_until())
        entered = min(passed, self._patience.opened_until())

        def until(number: FlowId) -> float:
            return closed if passes(number) else entered if enters(number) else passed

        self._opened = {number: at for number, at in opened.items() if at > now or at >= until(number)}
        return Change({number: opening.flows[number] for number in self._opened}, gone=opening.gone)

    def _send(self, bundle: Bundle) -> None:
        first = self._xid + 1
        self._sent = dict(enumerate(bundle.items, first + 1))
        self._xid = first + len(bundle.messages) + 1
        self.state = State.COMMITTING
        self.counters.bundles += 1
        self.counters.messages += len(bundle.messages)
        self._connection.send(self._encoder.bundle(self.counters.bundles, bundle.messages, first))

    def forget(self, messages: list[bytes]) -> None:
        """Have connections forgotten, unless the switch does not know how."""
        for message in messages if self.counters.forgets else ():
            self._connection.send(with_xid(message, FORGET_XID))

    def take_forgotten(self) -> list[bytes]:
        """What has been sent to have connections forgotten, since this was asked last."""
        taken, self._forgotten = self._forgotten, []
        return taken

    def committed(self) -> None:
        """The switch has taken the bundle in. What it closes is closed when its datapath knows, too."""
        if self.state is not State.COMMITTING:
            return
        self.state, self._sent, self._attempts = State.FORGETTING, {}, 0
        if self._closing.sent is None and self._passing.sent is None:
            self._memory.forget_soon()
            self.forgot()
        else:
            self._memory.forget(self.forgot)

    def forgot(self) -> None:
        """The datapath goes by the tables as they are since the bundle."""
        if self.state is not State.FORGETTING:
            return
        self.state = State.IDLE
        self._settle()
        self._taken_in()
        if self._failed:
            self.read()

    def _settle(self) -> None:
        """All that it was told is taken in."""
        self.settled = True
        for after_s in self._unjudged:
            self._rejudge(after_s)
        self._unjudged = set()

    def port_changed(self) -> None:
        """Groups that live by the port choose other buckets, which the datapath may not take up by itself."""
        self._memory.forget_soon()

    def _taken_in(self) -> None:
        self._closing.sent = self._passing.sent = self._opening.sent = None

    def refused(self, xid: int, reason: str) -> None:
        """The switch answered a message with an error."""
        if xid == FORGET_XID:
            self._cannot_forget(reason)
        if xid in (FORGET_XID, METER_XID):  # a switch that was connected before has its meter
            return
        item = self._sent.get(xid)
        if item is None and self.state is State.COMMITTING and xid == self._xid:
            self.counters.errors += 1
            self._bundle_refused(reason)
            return
        self._leave_out(item, reason)
        self._failed = True

    def _leave_out(self, item: Item | None, reason: str) -> None:
        self.counters.errors += 1
        log.error("%s: %s: %s", self.name, reason, describe(item))
        if isinstance(item, Flow):
            self.counters.refused.add(item.id)
        elif isinstance(item, Group):
            self.counters.refused.add(item.content)

    def _cannot_forget(self, reason: str) -> None:
        """An older Open vSwitch: said once, and not tried again."""
        if self.counters.forgets:
            log.warning("%s: %s: UDP clients stay with an endpoint that is gone until they pause", self.name, reason)
        self.counters.forgets = False

    def _bundle_refused(self, reason: str) -> None:
        """Nothing of it was done: bundles are atomic. Try without what was refused, or a few times as it is."""
        self._attempts = 0 if self._failed else self._attempts + 1
        log.error("%s: bundle refused: %s", self.name, reason)
        if self._attempts < ATTEMPTS:
            self.read()
        else:
            log.error("%s: left as it is until it connects anew", self.name)

    def _next_xid(self) -> int:
        self._xid += 1
        return self._xid
