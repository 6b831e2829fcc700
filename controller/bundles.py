"""A change as messages for a switch, in the order in which they are done together, and what each is about. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from .diff import Change
from .encode import Encoder
from .flows import Flow, FlowId, Group

T = TypeVar("T", Flow, Group, FlowId, int)
Item = Flow | Group | FlowId | int  # what a message is about: adding a flow or group, or deleting it


@dataclass
class Bundle:
    """Messages, each about the item at its place; what no message can say is apart, with the reason."""

    messages: list[bytes] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    unsayable: list[tuple[Item, str]] = field(default_factory=list)

    def take(self, encode: Callable[[T], bytes], items: Iterable[T]) -> None:
        """Encode these; what cannot be is set apart."""
        for item in items:
            try:
                message = encode(item)
            except Exception as error:  # the framework's own say nothing in common
                self.unsayable.append((item, f"cannot be said in OpenFlow: {error}"))
                continue
            self.messages.append(message)
            self.items.append(item)


def bundle_of(change: Change, encoder: Encoder, refused: Collection[FlowId | int]) -> Bundle:
    """Groups before the flows that use them, and gone after them; a flow's old self before its new one."""
    made = Bundle()
    made.take(encoder.put_group, (one for one in change.groups.values() if one and one.content not in refused))
    made.take(encoder.delete_flow, (number for number, flow in change.flows.items() if flow is None))
    made.take(encoder.add_flow, (one for one in change.flows.values() if one and one.id not in refused))
    made.take(encoder.delete_group, (number for number, group in change.groups.items() if group is None))
    return made


def describe(item: Item | None) -> str:
    """A message of a bundle, for the log."""
    if item is None:
        return "a message that is not known any more"
    if isinstance(item, Flow | Group):
        return f"{item.owner.subject}: {item.text}"
    return f"deleting group {item:#x}" if isinstance(item, int) else f"deleting the flow with cookie {item[1]:#x}"
