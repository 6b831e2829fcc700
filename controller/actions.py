"""What flows and groups do to a packet, as values with the text that people read. Pure.

Fields have OpenFlow's names (`ipv4_dst`), marks those of `controller.marks`. Addresses and ranges are texts, everything
else is a number, or a value under a mask as text (`0x2000/0xe000`); `ct_state` is Open vSwitch's text (`+trk+new`).
"""

from __future__ import annotations

from dataclasses import dataclass

from .marks import MARKS, Mark
from .tables import Table

Value = int | str
IN_PORT = 0xFFFFFFF8
PORT_NAMES = {IN_PORT: "in_port"}
WHOLE_PACKET = 0xFFFF
SOURCE_ADDRESS, CONNECTION = "nw_src", "symmetric_l3l4+udp"
HASH_FIELDS = {SOURCE_ADDRESS: 4, CONNECTION: 3}  # Open vSwitch's enum nx_hash_fields


@dataclass(frozen=True)
class SetField:
    """Write a field or a mark."""

    field: str
    value: Value

    def __str__(self) -> str:
        return f"set_field:{value_text(self.field, self.value)}->{self.field}"


@dataclass(frozen=True)
class Move:
    """Copy one field or mark to another of the same width."""

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
    """Go through another table, and what follows it; then come back to the next action, if there is one."""

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
class Multipath:
    """Write a number from 0 to `links` - 1 into a mark: a hash of some of the packet's fields.

    Packets of other such fields do not share a cached decision of the switch.
    """

    fields: str  # one of HASH_FIELDS
    basis: int  # other hashes for another basis
    links: int
    mark: str

    def __str__(self) -> str:
        return f"multipath({self.fields},{self.basis},modulo_n,{self.links},0,{self.mark})"


@dataclass(frozen=True)
class Learn:
    """Write a flow that catches later packets; it goes when it has not been used for `idle_s` seconds.

    It matches `match`, and in the fields `same` what this packet has there; it loads marks, and that is all it can do.
    """

    table: Table
    priority: int
    cookie: int
    idle_s: int
    match: tuple[tuple[str, Value], ...]
    same: tuple[str, ...]
    load: tuple[SetField, ...]

    def __str__(self) -> str:
        match = [f"{name}={value_text(name, value)}" for name, value in self.match]
        parts = [f"table={self.table}", f"priority={self.priority}", f"idle_timeout={self.idle_s}", *match, *self.same]
        return f"learn({','.join([*parts, *map(str, self.load)])})"


@dataclass(frozen=True)
class Nat:
    """Translate: `src` or `dst` to an address (and port, or the first and last of some); `known` does what the
    connection's first packet decided."""

    kind: str
    address: str = ""
    port: int = 0
    last_port: int = 0

    def __str__(self) -> str:
        if self.kind == "known":
            return "nat"
        ports = (f":{self.port}" if self.port else "") + (f"-{self.last_port}" if self.last_port else "")
        return f"nat({self.kind}={self.address}{ports})"


@dataclass(frozen=True)
class Ct:
    """Conntrack in the zone that a mark holds: look up (and go on in `table`), or remember."""

    zone: str
    commit: bool = False
    table: Table | None = None
    nat: Nat | None = None
    load: tuple[tuple[str, int], ...] = ()  # conntrack marks and their values
    move: tuple[Move, ...] = ()  # marks that are copied to conntrack marks

    def __str__(self) -> str:
        parts = ["commit"] if self.commit else []
        parts.append(f"zone={self.zone}")
        parts += [str(self.nat)] if self.nat else []
        marks = [*(f"{name}={value_text(name, value)}" for name, value in self.load), *map(str, self.move)]
        parts += [f"exec({','.join(marks)})"] if marks else []
        parts += [f"table={self.table}"] if self.table else []
        return f"ct({','.join(parts)})"


@dataclass(frozen=True)
class Metered:
    """Go on as often as a meter of the switch lets; what is beyond is dropped."""

    meter: int

    def __str__(self) -> str:
        return f"meter:{self.meter}"


@dataclass(frozen=True)
class Conjunction:
    """This flow's match is one of several clauses; a packet that meets all of them is looked up with `conj_id`."""

    id: int
    clause: int  # from 1
    clauses: int

    def __str__(self) -> str:
        return f"conjunction({value_text('conj_id', self.id)},{self.clause}/{self.clauses})"


@dataclass(frozen=True)
class CheckLarger:
    """Write into a mark of one bit whether the packet, without its Ethernet header, is larger than `mtu` bytes."""

    mtu: int
    mark: str

    def __str__(self) -> str:
        return f"check_larger({self.mtu})->{self.mark}"


@dataclass(frozen=True)
class CtClear:
    """Forget what conntrack said of the packet, as if it came in anew."""

    def __str__(self) -> str:
        return "ct_clear"


Action = (
    SetField
    | Move
    | Output
    | OutputMark
    | ToGroup
    | DecTtl
    | ToController
    | Resubmit
    | Goto
    | Multipath
    | Learn
    | Ct
    | CtClear
    | Conjunction
    | Metered
    | CheckLarger
)
Actions = tuple[Action, ...]


def load(mark: Mark, value: int) -> SetField:
    """Write a mark."""
    return SetField(mark.name, value)


def towards(mac: str, port: int) -> Actions:
    """Send to a neighbour."""
    return (SetField("eth_dst", mac), Output(port))


def value_text(name: str, value: Value) -> str:
    """A field's or a mark's value as a person reads it."""
    if isinstance(value, str):
        return value
    if name in MARKS:
        return MARKS[name].text(value)
    return f"{value:#x}" if name == "conj_id" else str(value)


def actions_text(actions: Actions) -> str:
    return ",".join(map(str, actions)) or "drop"
