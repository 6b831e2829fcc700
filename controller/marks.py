"""Registers, conntrack marks, priorities, the cookie's layout and reserved numbers, each named once.

A mark is a range of bits that carries a meaning between stages; flows speak of marks, and only `encode` of registers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b


@dataclass(frozen=True)
class Mark:
    """Bits `first` to `last` (from 0, the lowest) of a register or of the conntrack mark."""

    name: str
    register: str
    first: int
    last: int
    purpose: str
    values: tuple[tuple[str, int], ...] = ()

    @property
    def bits(self) -> int:
        return self.last - self.first + 1

    @property
    def mask(self) -> int:
        return ((1 << self.bits) - 1) << self.first

    def text(self, value: int) -> str:
        """A value as a person reads it."""
        names = {number: name for name, number in self.values}
        return names.get(value) or (f"{value:#x}" if value > 0xFFFF else str(value))


class Source(IntEnum):
    """Where a packet entered the bridge."""

    POD = 1
    NODE = 2
    UPLINK = 3
    CONTROLLER = 4


class Endpoint(IntEnum):
    """How far the choice of a Service's endpoint has come."""

    CHOSEN = 1
    REFUSED = 2


def _names(numbers: type[IntEnum]) -> tuple[tuple[str, int], ...]:
    return tuple((number.name.lower(), int(number)) for number in numbers)


SOURCE = Mark("source", "reg0", 0, 3, "where the packet entered the bridge", _names(Source))
ENDPOINT = Mark("endpoint", "reg0", 4, 5, "whether an endpoint was chosen for the connection", _names(Endpoint))
HAIRPIN = Mark("hairpin", "reg0", 6, 6, "a client reached itself through a Service")
OUT_PORT = Mark("out_port", "reg1", 0, 31, "the port that Routing chose")
ZONE = Mark("zone", "reg2", 0, 15, "the bridge's conntrack zone: the low 16 bits of its datapath id")
HAIRPIN_ZONE = Mark("hairpin_zone", "reg2", 16, 31, "the bridge's second zone, for the source translation of hairpins")
ENDPOINT_IPV4 = Mark("endpoint_ipv4", "reg3", 0, 31, "the chosen endpoint's address")
ENDPOINT_PORT = Mark("endpoint_port", "reg4", 0, 15, "the chosen endpoint's port")
SERVICE_PORT = Mark("service_port", "reg5", 0, 31, "the Service port that the packet was sent to, by its group's id")
TRANSLATED = Mark("translated", "ct_mark", 0, 0, "the connection was sent to a Service and translated to an endpoint")

MARKS = {
    mark.name: mark
    for mark in (
        SOURCE, ENDPOINT, HAIRPIN, OUT_PORT, ZONE, HAIRPIN_ZONE, ENDPOINT_IPV4, ENDPOINT_PORT, SERVICE_PORT, TRANSLATED,
    )
}  # fmt: skip

HAIRPIN_ZONE_BIT = 0x8000  # the second zone of a bridge is its first with this bit set: room for 32,767 node bridges
REFUSED_PORT = 1  # tcpmux: nothing listens there, so the kernel of the client's node refuses what is sent to it
REPLY_TTL = 64


def zone_of(dpid: int) -> int:
    """The conntrack zone of a bridge."""
    return dpid & 0xFFFF


def hairpin_zone_of(zone: int) -> int:
    """The second zone of the bridge whose first this is."""
    return zone | HAIRPIN_ZONE_BIT


class Priority(IntEnum):
    """Of the flows of one stage; a gap between each, for features to come."""

    DEFAULT = 0
    FALLBACK = 50
    NORMAL = 100
    SPECIFIC = 200
    FIRST = 300


PRIORITY_PURPOSE = {
    Priority.DEFAULT: "the stage's default",
    Priority.FALLBACK: "what has no better flow: undeclared ports of a Service, unknown destinations",
    Priority.NORMAL: "ranges of addresses; everything of one kind",
    Priority.SPECIFIC: "one address, one port, one connection state",
    Priority.FIRST: "exceptions that come before everything else",
}


class Feature(IntEnum):
    """Who wrote a flow: the highest 8 bits of its cookie. Numbers stay for ever, names may change."""

    PIPELINE = 1
    CLASSIFIER = 2
    ARP_RESPONDER = 3
    SPOOF_GUARD = 4
    CONNTRACK = 5
    ROUTING = 6
    SERVICES = 7
    HAIRPIN = 8
    OUTPUT = 9
    GATEWAY = 10
    TIME_EXCEEDED = 11
    UNREACHABLE = 12
    FABRIC = 13


OBJECT_BITS, CONTENT_BITS = 24, 32


def digest(text: str, bits: int) -> int:
    """A number of `bits` bits that stands for a text, the same in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> (64 - bits)


def cookie(feature: Feature, subject: str, content: str) -> int:
    """Feature (8 bits), object (24) and content (32): in one table, equal cookies mean equal flows."""
    owner = feature << OBJECT_BITS | digest(subject, OBJECT_BITS)
    return owner << CONTENT_BITS | digest(content, CONTENT_BITS)


@dataclass(frozen=True)
class Explanation:
    """What a cookie says of its flow; `subjects` are several where the digests of their names agree."""

    feature: Feature
    subjects: tuple[str, ...]


def explain(number: int, objects: Iterable[str]) -> Explanation | None:
    """The feature and the object (`Kind namespace/name`, out of `objects`) that a cookie's flow belongs to."""
    try:
        feature = Feature(number >> (OBJECT_BITS + CONTENT_BITS))
    except ValueError:
        return None  # not a flow of ours
    wanted = number >> CONTENT_BITS & ((1 << OBJECT_BITS) - 1)
    return Explanation(feature, tuple(sorted(name for name in objects if digest(name, OBJECT_BITS) == wanted)))
