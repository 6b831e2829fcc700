"""Flows and groups as values: what features return, switches hold, and people read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, replace
from functools import cached_property

from .actions import Action, Actions, Conjunction, Value, actions_text, value_text
from .marks import Feature, cookie, digest
from .tables import Table

Match = tuple[tuple[str, Value], ...]
Fields = Mapping[str, Value]  # of a match

IP, ARP = 0x0800, 0x0806
ICMP, TCP, UDP, SCTP = 1, 6, 17, 132
PROTOCOLS = {"TCP": TCP, "UDP": UDP, "SCTP": SCTP}
PORT_FIELDS = {TCP: "tcp_dst", UDP: "udp_dst", SCTP: "sctp_dst"}


@dataclass(frozen=True)
class Owner:
    """Who a flow belongs to: the feature that wrote it and the object (`Kind namespace/name`) it was written for."""

    feature: Feature
    subject: str

    def flow(self, table: Table, priority: int, fields: Fields, *actions: Action) -> Flow:
        """A flow of this owner; no actions: what matches is dropped."""
        return Flow(table, priority, tuple(sorted(fields.items(), key=_field_order)), actions, self)

    def group(
        self,
        number: int,
        buckets: tuple[Actions, ...],
        weights: tuple[int, ...] = (),
        *,
        watches: tuple[Watch, ...] = (),
        first: bool = False,
    ) -> Group:
        """A group of this owner; without weights all buckets weigh the same, without watches all of them live."""
        return Group(number, buckets, self, weights or (1,) * len(buckets), watches, first)


@dataclass(frozen=True)
class Flow:
    """One entry of one table. In one table of one switch its cookie tells it from every other."""

    table: Table
    priority: int  # a Priority, or a policy rule's own
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

    @property
    def place(self) -> tuple[int, int, Match]:
        """What a switch knows a flow by: another with the same would take its place."""
        return (self.table.number, int(self.priority), self.match)

    @property
    def bare(self) -> Flow:
        """It without what it does: the same of all that take its place."""
        return replace(self, actions=())

    def with_clauses(self, clauses: Iterable[Conjunction]) -> Flow:
        """It as an alternative of these, and nothing else."""
        return replace(self, actions=tuple(sorted(clauses, key=astuple)))

    @cached_property
    def clauses(self) -> frozenset[Conjunction]:
        """Those of conjunctive matches that it is one alternative of."""
        return frozenset(one for one in self.actions if isinstance(one, Conjunction))


@dataclass(frozen=True)
class Watch:
    """What a bucket lives by: a port that is up and whose other end answers, or a group that has a bucket alive."""

    port: int = 0
    group: int = 0

    def __str__(self) -> str:
        return f"watch_port:{self.port}" if self.port else f"watch_group:{self.group:#x}"


@dataclass(frozen=True)
class Group:
    """A select group: each connection takes one of the buckets, each as often as its weight says; none that is dead.

    Or a fast-failover group: each takes the first bucket that lives.
    """

    number: int
    buckets: tuple[Actions, ...]
    owner: Owner
    weights: tuple[int, ...]
    watches: tuple[Watch, ...] = ()  # one a bucket; empty: all live
    first: bool = False  # fast failover

    @cached_property
    def text(self) -> str:
        parts = zip(self.buckets, self.weights, self.watches or (None,) * len(self.buckets), strict=True)
        buckets = ", ".join(
            f"bucket={f'weight:{w},' if w != 1 else ''}{f'{live},' if live else ''}{actions_text(a)}"
            for a, w, live in parts
        )
        return f"group={self.number:#x}, type={'fast_failover' if self.first else 'select'}, {buckets}"

    @cached_property
    def content(self) -> int:
        """A digest by which a switch's group is known to be the same."""
        return digest(self.text, 64)


FlowId = tuple[int, int]  # table number, cookie


def match_text(match: Match) -> str:
    """As ovs-ofctl writes it, marks by name: `tcp, ipv4_dst=10.96.0.1, tcp_dst=80`."""
    fields = dict(match)
    kind = _kind(fields)
    shown = [f"{name}={value_text(name, value)}" for name, value in fields.items()]
    return ", ".join(([kind] if kind else []) + shown) or "any"


def _kind(fields: dict[str, Value]) -> str:
    """The protocol's short name; takes the fields it stands for away."""
    names = {ICMP: "icmp", TCP: "tcp", UDP: "udp", SCTP: "sctp"}
    ethernet = fields.pop("eth_type", None)
    if ethernet == IP and fields.get("ip_proto") in names:
        return names[int(fields.pop("ip_proto"))]
    return {IP: "ip", ARP: "arp"}.get(int(ethernet or 0), "")


def _field_order(item: tuple[str, Value]) -> tuple[int, str]:
    """Protocol first, then where from, then the rest by name."""
    first = ("eth_type", "ip_proto", "in_port")
    return (first.index(item[0]) if item[0] in first else len(first), item[0])
