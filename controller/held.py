"""What a switch says that it holds, read from its answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .flows import FlowId
from .framework import Message
from .marks import FAULT_COOKIE


def held_flows(reply: Message) -> list[FlowId]:
    """Table and cookie of each flow in a part of a switch's answer; what a fault has put there is left alone."""
    return [(entry.table_id, entry.cookie) for entry in reply.body if entry.cookie != FAULT_COOKIE]


def held_groups(reply: Message) -> dict[int, int]:
    """Number and content digest of each group in a part of a switch's answer; 0 where a group has no note."""
    return {entry.group_id: _note(entry.buckets[0].actions if entry.buckets else []) for entry in reply.body}


def _note(actions: Iterable[Any]) -> int:
    notes = [bytes(action.note)[:8] for action in actions if hasattr(action, "note")]
    return int.from_bytes(notes[0], "big") if notes else 0
