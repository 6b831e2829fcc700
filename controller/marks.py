"""Registers, conntrack marks, priorities, the cookie's layout and reserved numbers, each named once.

A mark is a range of bits that carries a meaning between stages; flows speak of marks, and only `encode` of registers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b

from k8sshim.cluster import conntrack_zones


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

    def value_in(self, registers: Mapping[str, int]) -> int:
        """What these registers hold of it; 0 where they do not have it."""
        return (registers.get(self.register, 0) & self.mask) >> self.first

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


class Side(IntEnum):
    """Whose side of a connection a policy speaks of."""

    EGRESS = 1
    INGRESS = 2


class Endpoint(IntEnum):
    """How far the choice of a Service's endpoint has come."""

    CHOSEN = 1
    REFUSED = 2


def _names(numbers: type[IntEnum]) -> tuple[tuple[str, int], ...]:
    return tuple((number.name.lower(), int(number)) for number in numbers)


SOURCE = Mark("source", "reg0", 0, 3, "where the packet entered the bridge", _names(Source))
ENDPOINT = Mark("endpoint", "reg0", 4, 5, "whether an endpoint was chosen for the connection", _names(Endpoint))
SOURCE_TRANSLATED = Mark(
    "source_translated", "reg0", 6, 6, "the source was translated, in the second zone, which remembers it"
)
MASQUERADE = Mark("masquerade", "reg0", 7, 7, "the client came from outside: it shall be seen as this node")
OUTSIDE = Mark("outside", "reg0", 8, 8, "the packet came in by an uplink: to Services, its client is an outside one")
TO_NODE = Mark("to_node", "reg0", 9, 9, "the packet was sent to the node's own address")
EXEMPT = Mark(
    "exempt", "reg0", 10, 10, "policies have no say: an answer, an ICMP error, a pod and itself, a pod and its own node"
)
TOO_LARGE = Mark("too_large", "reg0", 13, 13, "the packet is larger than the way ahead carries")
TO_BE_CUT = Mark("to_be_cut", "reg0", 14, 14, "the packet is larger than any that is sent: it is cut up on its way")
JUDGED_ONLY = Mark(
    "judged_only", "reg0", 15, 15, "the controller made the packet, so that its connection is judged: it goes nowhere"
)
DENIED_SIDE = Mark("denied_side", "reg0", 11, 12, "on which side of the connection a policy denied it", _names(Side))
OUT_PORT = Mark("out_port", "reg1", 0, 31, "the port that Routing chose")
ZONE = Mark("zone", "reg2", 0, 15, "the bridge's conntrack zone: the low 16 bits of its datapath id")
SOURCE_ZONE = Mark("source_zone", "reg2", 16, 31, "the bridge's second zone, where sources are translated")
ENDPOINT_IPV4 = Mark("endpoint_ipv4", "reg3", 0, 31, "the chosen endpoint's address")
ENDPOINT_PORT = Mark("endpoint_port", "reg4", 0, 15, "the chosen endpoint's port")
PATH_MTU = Mark("path_mtu", "reg4", 16, 31, "bytes of the largest packet that the way ahead carries")
SERVICE_PORT = Mark(
    "service_port", "reg5", 0, 31, "the Service port that the packet was sent to: which endpoints may answer"
)
SLOT = Mark("slot", "reg6", 0, 15, "the place that a hash of the packet chose among a Service port's endpoints")
SLOT_GIVEN = Mark("slot_given", "reg6", 16, 16, "the controller has chosen the slot")
DENYING_RULE = Mark(
    "denying_rule", "reg7", 0, 31, "the rule that denied the packet; 0: none allowed it to an isolated pod"
)
TRANSLATED = Mark("translated", "ct_mark", 0, 0, "the connection was sent to a Service and translated to an endpoint")

MASQUERADED = Mark("masqueraded", "ct_mark", 1, 1, "the client of the connection is seen as this node")
CUT = Mark("cut", "ct_mark", 2, 2, "a policy denies the connection now: its answers are dropped, too")
REMEMBERED = Mark(
    "remembered",
    "ct_mark",
    3,
    3,
    "conntrack knows the connection, whose destination was not translated, though it may not be answered yet",
)
SERVICE_LABEL = Mark("service_label", "ct_label", 0, 31, "the Service port that the connection was sent to")

MARKS = {
    mark.name: mark
    for mark in (
        SOURCE, ENDPOINT, SOURCE_TRANSLATED, MASQUERADE, OUTSIDE, TO_NODE, EXEMPT, DENIED_SIDE, TOO_LARGE, TO_BE_CUT,
        JUDGED_ONLY, OUT_PORT, ZONE, SOURCE_ZONE, ENDPOINT_IPV4, ENDPOINT_PORT, PATH_MTU, SERVICE_PORT, SLOT,
        SLOT_GIVEN, DENYING_RULE, TRANSLATED, MASQUERADED, CUT, REMEMBERED, SERVICE_LABEL,
    )
}  # fmt: skip

RULE_PRIORITIES = (1000, 60000)  # the first, and the one after the last, of policies' rules
DENIALS_METER, DENIALS_PER_S = 1, 100  # of each bridge: packets of denied connections that go to the controller
NUMBER_BIT = 1 << 30  # the numbers of Service ports and of groups have it, so that none is 0
REFUSED_PORT = 1  # tcpmux: nothing listens there, so the kernel of the client's node refuses what is sent to it
REPLY_TTL = 64
# Of what is seen as a node: above what nodes listen on (10250, say) and below node ports; and as values under masks.
NODE_SOURCE_PORTS = (0x2C00, 0x6FFF)
NODE_SOURCE_MASKS = ("0x2c00/0xfc00", "0x3000/0xf000", "0x4000/0xe000", "0x6000/0xf000")


def zone_of(dpid: int) -> int:
    """The conntrack zone of a bridge."""
    return conntrack_zones(dpid)[0]


def source_zone_of(zone: int) -> int:
    """The second zone of the bridge whose first this is."""
    return conntrack_zones(zone)[1]


class Priority(IntEnum):
    """Of the flows of one stage; a gap between each, for features to come."""

    DEFAULT = 0
    FALLBACK = 50
    NORMAL = 100
    SPECIFIC = 200
    STRICT = 250
    FIRST = 300
    EXEMPT = 65000


PRIORITY_PURPOSE = {
    Priority.DEFAULT: "the stage's default",
    Priority.FALLBACK: "what has no better flow: undeclared ports of a Service, unknown destinations",
    Priority.NORMAL: "ranges of addresses; everything of one kind",
    Priority.SPECIFIC: "one address, one port, one connection state",
    Priority.STRICT: "what ends here, whatever one address, port or state would have",
    Priority.FIRST: "exceptions that come before everything else",
    Priority.EXEMPT: "what policies have no say in: before each of their rules, which have priorities of their own",
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
    MASQUERADE = 14
    HOST_PORTS = 15
    SERVICE_COUNTERS = 16
    BORDER = 17
    AFFINITY = 18
    BALANCING = 19
    EGRESS = 20
    EXTERNAL_ADDRESSES = 21
    POLICY_ALLOW = 22
    POLICY_DENY = 23
    POLICY_PASS = 24
    ISOLATION = 25
    DENIAL = 26
    EXEMPTIONS = 27
    OVERLAY = 28
    PATH_MTU = 29


OBJECT_BITS, CONTENT_BITS = 24, 32
FAULT_COOKIE = 0xFA << (OBJECT_BITS + CONTENT_BITS)  # of flows that are a fault on purpose: no feature's, left alone
_FEATURES = {int(feature): feature for feature in Feature}


def digest(text: str, bits: int) -> int:
    """A number of `bits` bits that stands for a text, the same in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> (64 - bits)


def cookie(feature: Feature, subject: str, content: str) -> int:
    """Feature (8 bits), object (24) and content (32): in one table, equal cookies mean equal flows."""
    owner = feature << OBJECT_BITS | digest(subject, OBJECT_BITS)
    return owner << CONTENT_BITS | digest(content, CONTENT_BITS)


def feature_of(number: int) -> Feature | None:
    """The feature that a cookie's flow belongs to; None where it is none of ours."""
    return _FEATURES.get(number >> (OBJECT_BITS + CONTENT_BITS))


@dataclass(frozen=True)
class Explanation:
    """What a cookie says of its flow; `subjects` are several where the digests of their names agree."""

    feature: Feature
    subjects: tuple[str, ...]


def explain(number: int, objects: Iterable[str]) -> Explanation | None:
    """The feature and the object (`Kind namespace/name`, out of `objects`) that a cookie's flow belongs to."""
    feature = feature_of(number)
    if feature is None:
        return None
    wanted = number >> CONTENT_BITS & ((1 << OBJECT_BITS) - 1)
    return Explanation(feature, tuple(sorted(name for name in objects if digest(name, OBJECT_BITS) == wanted)))
