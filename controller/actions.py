"""What flows and groups do to a packet, as values with the text that people read. Pure.

Fields have OpenFlow's names (`ipv4_dst`), marks those of `controller.marks`. Addresses and ranges are texts, everything
else is a number; `ct_state` is Open vSwitch's text (`+trk+new`).
"""

from __future__ import annotations

from dataclasses import dataclass

from .marks import MARKS, Mark
from .tables import Table

Value = int | str
IN_PORT = 0xFFFFFFF8
PORT_NAMES = {IN_PORT: "in_port"}


@dataclass(frozen=True)
class SetField:
    """Write a field or a mark."""

    field: str
    value: Value

    def __str__(self) -> str:
        return f"set_field:{value_text(self.field, self.value)}->{self.field}"


@dataclass(frozen=True)
class Move:
    """Copy one field to another of the same width."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"move:{self.source}->{self.target}"


@dataclass(frozen=True)
class Output:
    """Send out of a port."""

    port: int

    def __str__(self) -> str:
        return f"output:{PORT_NAMES.get(self.port, self.port)}"


@dataclass(frozen=True)
class OutputMark:
    """Send out of the port that a mark holds."""

    mark: str

    def __str__(self) -> str:
        return f"output:{self.mark}"


@dataclass(frozen=True)
class ToGroup:
    """Go on with a group."""

    id: int

    def __str__(self) -> str:
        return f"group:{self.id:#x}"


@dataclass(frozen=True)
class DecTtl:
    """Take one from the TTL."""

    def __str__(self) -> str:
        return "dec_ttl"


@dataclass(frozen=True)
class ToController:
    """Send the packet's first bytes to the controller."""

    max_bytes: int = 128

    def __str__(self) -> str:
        return f"controller:{self.max_bytes}"


@dataclass(frozen=True)
class Resubmit:
    """Go on in another table, from within a group."""

    table: Table

    def __str__(self) -> str:
        return f"resubmit:{self.table}"


@dataclass(frozen=True)
class Goto:
    """Go on in a later table."""

    table: Table

    def __str__(self) -> str:
        return f"goto_table:{self.table}"


@dataclass(frozen=True)
class Nat:
    """Translate: `src` or `dst` to an address (and port); `known` does what the connection's first packet decided."""

    kind: str
    address: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.kind == "known":
            return "nat"
        return f"nat({self.kind}={self.address}{f':{self.port}' if self.port else ''})"


@dataclass(frozen=True)
class Ct:
    """Conntrack in the zone that a mark holds: look up (and go on in `table`), or remember."""

    zone: str
    commit: bool = False
    table: Table | None = None
    nat: Nat | None = None
    load: tuple[tuple[str, int], ...] = ()  # conntrack marks and their values

    def __str__(self) -> str:
        parts = ["commit"] if self.commit else []
        parts.append(f"zone={self.zone}")
        parts += [str(self.nat)] if self.nat else []
        loads = ",".join(f"{name}={value_text(name, value)}" for name, value in self.load)
        parts += [f"exec({loads})"] if loads else []
        parts += [f"table={self.table}"] if self.table else []
        return f"ct({','.join(parts)})"


Action = SetField | Move | Output | OutputMark | ToGroup | DecTtl | ToController | Resubmit | Goto | Ct
Actions = tuple[Action, ...]


def load(mark: Mark, value: int) -> SetField:
    """Write a mark."""
    return SetField(mark.name, value)


def value_text(name: str, value: Value) -> str:
    """A field's or a mark's value as a person reads it."""
    if isinstance(value, str):
        return value
    if name in MARKS:
        return MARKS[name].text(value)
    return str(value)


def actions_text(actions: Actions) -> str:
    return ",".join(map(str, actions)) or "drop"
