"""Brings a switch to hold what it shall: reads what it holds, then sends differences, one atomic bundle at a time.

One thread drives it; nothing waits in here. What a switch refuses is named in the log, counted, and left out from then
on, so that one bad flow cannot keep the others away; the switch is read anew after every refusal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from .diff import Change, Held, Rules, missing
from .encode import Encoder, with_xid
from .flows import Flow, FlowId, Group
from .framework import Message
from .held import held_flows, held_groups

log = logging.getLogger(__name__)
ATTEMPTS = 3  # at a bundle that is refused without a reason that can be left out
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


Item = Flow | Group | FlowId | int  # what a message of a bundle was about: adding a flow or group, or deleting it


@dataclass
class Counters:
    """Of one switch, over all its connections."""

    bundles: int = 0
    messages: int = 0
    errors: int = 0
    refused: set[FlowId | int] = field(default_factory=set)  # flows by id, groups by content digest


class SwitchSync:
    """One connection of one switch."""

    def __init__(
        self, name: str, connection: Connection, encoder: Encoder, wanted: Callable[[], Rules], counters: Counters
    ) -> None:
        self.name = name
        self.counters = counters
        self.state = State.WAITING
        self._connection = connection
        self._encoder = encoder
        self._wanted = wanted
        self._outbox = Change()
        self._sent: dict[int, Item] = {}
        self._xid = FIRST_XID
        self._failed = False  # something of the bundle under way was refused
        self._attempts = 0
        self._flows: set[FlowId] = set()
        self._groups: dict[int, int] = {}
        self._parts = 0  # answers still to come while reading

    def read(self) -> None:
        """Ask what the switch holds; the difference follows when it has answered."""
        self.state, self._failed, self._parts = State.READING, False, 2
        self._flows, self._groups, self._outbox = set(), {}, Change()
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
            held = f"{len(self._flows)} flows and {len(self._groups)} groups"
            log.info("%s: holds %s, %d to change", self.name, held, len(self._outbox.flows) + len(self._outbox.groups))
            self.flush()

    def change(self, change: Change) -> None:
        """More to do; sent by the next `flush`. Until the switch has been read, its answer will show it."""
        if self.state in (State.IDLE, State.COMMITTING):
            self._outbox.add(change)

    def flush(self) -> None:
        """Send what has gathered, unless a bundle is on its way."""
        if self.state is not State.IDLE or not self._outbox:
            return
        change, self._outbox = self._outbox, Change()
        messages, items = self._messages(change)
        if not messages:
            return
        first = self._xid + 1
        self._sent = {first + 1 + place: item for place, item in enumerate(items)}
        self._xid = first + len(messages) + 1
        self.state = State.COMMITTING
        self.counters.bundles += 1
        self.counters.messages += len(messages)
        self._connection.send(self._encoder.bundle(self.counters.bundles, messages, first))

    def committed(self) -> None:
        """The switch has taken the bundle in."""
        if self.state is not State.COMMITTING:
            return
        self.state, self._sent, self._attempts = State.IDLE, {}, 0
        if self._failed:
            self.read()
        else:
            self.flush()

    def refused(self, xid: int, reason: str) -> None:
        """The switch answered a message with an error."""
        self.counters.errors += 1
        item = self._sent.get(xid)
        if item is None and self.state is State.COMMITTING and xid == self._xid:
            self._bundle_refused(reason)
            return
        log.error("%s: %s: %s", self.name, reason, describe(item))
        self._failed = True
        if isinstance(item, Flow):
            self.counters.refused.add(item.id)
        elif isinstance(item, Group):
            self.counters.refused.add(item.content)

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

    def _messages(self, change: Change) -> tuple[list[bytes], list[Item]]:
        """Groups before the flows that use them, and gone after them; a flow's old self before its new one."""
        encoder, refused = self._encoder, self.counters.refused
        groups = [group for group in change.groups.values() if group and group.content not in refused]
        old_flows = [number for number, flow in change.flows.items() if flow is None]
        flows = [flow for flow in change.flows.values() if flow and flow.id not in refused]
        old_groups = [number for number, group in change.groups.items() if group is None]
        messages = [
            *map(encoder.put_group, groups),
            *map(encoder.delete_flow, old_flows),
            *map(encoder.add_flow, flows),
            *map(encoder.delete_group, old_groups),
        ]
        return messages, [*groups, *old_flows, *flows, *old_groups]


def describe(item: Item | None) -> str:
    """A message of a bundle, for the log."""
    if item is None:
        return "a message that is not known any more"
    if isinstance(item, Flow | Group):
        return f"{item.owner.subject}: {item.text}"
    return f"deleting group {item:#x}" if isinstance(item, int) else f"deleting the flow with cookie {item[1]:#x}"
