"""Flows and groups as values: what features return, switches hold, and people read.

Fields have OpenFlow's names (`ipv4_dst`), marks those of `controller.marks`. Addresses and ranges are texts, everything
else is a number; `ct_state` is Open vSwitch's text (`+trk+new`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from .marks import MARKS, Feature, Mark, Priority, cookie, digest
from .tables import Table

Value = int | str
Match = tuple[tuple[str, Value], ...]
Fields = Mapping[str, Value]  # of a match

IP, ARP = 0x0800, 0x0806
ICMP, TCP, UDP, SCTP = 1, 6, 17, 132
PROTOCOLS = {"TCP": TCP, "UDP": UDP, "SCTP": SCTP}
PORT_FIELDS = {TCP: "tcp_dst", UDP: "udp_dst", SCTP: "sctp_dst"}
IN_PORT = 0xFFFFFFF8
PORT_NAMES = {IN_PORT: "in_port"}


@dataclass(frozen=True)
class SetField:
    """Write a field or a mark."""

    field: str
    value: Value

    def __str__(self) -> str:
        return f"set_field:{_value(self.field, self.value)}->{self.field}"


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
        loads = ",".join(f"{name}={_value(name, value)}" for name, value in self.load)
        parts += [f"exec({loads})"] if loads else []
        parts += [f"table={self.table}"] if self.table else []
        return f"ct({','.join(parts)})"


Action = SetField | Move | Output | OutputMark | ToGroup | DecTtl | ToController | Resubmit | Goto | Ct
Actions = tuple[Action, ...]


@dataclass(frozen=True)
class Owner:
    """Who a flow belongs to: the feature that wrote it and the object (`Kind namespace/name`) it was written for."""

    feature: Feature
    subject: str

    def flow(self, table: Table, priority: Priority, fields: Fields, *actions: Action) -> Flow:
        """A flow of this owner; no actions: what matches is dropped."""
        return Flow(table, priority, tuple(sorted(fields.items(), key=_field_order)), actions, self)

    def group(self, number: int, buckets: tuple[Actions, ...]) -> Group:
        return Group(number, buckets, self)


@dataclass(frozen=True)
class Flow:
    """One entry of one table. In one table of one switch its cookie tells it from every other."""

    table: Table
    priority: Priority
    match: Match
    actions: Actions
    owner: Owner

    @cached_property
    def text(self) -> str:
        match, actions = match_text(self.match), actions_text(self.actions)
        return f"table={self.table}, priority={int(self.priority)}, {match} actions={actions}"

    @cached_property
    def cookie(self) -> int:
        return cookie(self.owner.feature, self.owner.subject, self.text)

    @property
    def id(self) -> FlowId:
        return (self.table.number, self.cookie)


@dataclass(frozen=True)
class Group:
    """A select group: each connection takes one of the buckets, all equally often."""

    number: int
    buckets: tuple[Actions, ...]
    owner: Owner

    @cached_property
    def text(self) -> str:
        buckets = ", ".join(f"bucket={actions_text(actions)}" for actions in self.buckets)
        return f"group={self.number:#x}, type=select, {buckets}"

    @cached_property
    def content(self) -> int:
        """A digest by which a switch's group is known to be the same."""
        return digest(self.text, 64)


FlowId = tuple[int, int]  # table number, cookie


def match_text(match: Match) -> str:
    """As ovs-ofctl writes it, marks by name: `tcp, ipv4_dst=10.96.0.1, tcp_dst=80`."""
    fields = dict(match)
    kind = _kind(fields)
    shown = [f"{name}={_value(name, value)}" for name, value in fields.items()]
    return ", ".join(([kind] if kind else []) + shown) or "any"


def actions_text(actions: Actions) -> str:
    return ",".join(map(str, actions)) or "drop"


def _kind(fields: dict[str, Value]) -> str:
    """The protocol's short name; takes the fields it stands for away."""
    names = {ICMP: "icmp", TCP: "tcp", UDP: "udp", SCTP: "sctp"}
    ethernet = fields.pop("eth_type", None)
    if ethernet == IP and fields.get("ip_proto") in names:
        return names[int(fields.pop("ip_proto"))]
    return {IP: "ip", ARP: "arp"}.get(int(ethernet or 0), "")


def _value(name: str, value: Value) -> str:
    if isinstance(value, str):
        return value
    if name in MARKS:
        return MARKS[name].text(value)
    return str(value)


def _field_order(item: tuple[str, Value]) -> tuple[int, str]:
    """Protocol first, then where from, then the rest by name."""
    first = ("eth_type", "ip_proto", "in_port")
    return (first.index(item[0]) if item[0] in first else len(first), item[0])


def load(mark: Mark, value: int) -> SetField:
    """Write a mark."""
    return SetField(mark.name, value)
