"""UDP connections that are open while policies change: which to judge anew, when, and by which packets. Pure.

Open vSwitch's commands tell of them (ovs-dpctl(8)).
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .checksums import ETHERNET_BYTES, IPV4_ETHERTYPE, internet
from .diff import Change
from .flows import UDP
from .marks import REPLY_TTL, Feature, Source, feature_of
from .opening import closes_anything, opens_anything, passes_anything

AT_ONCE_S, LATER_S = 0.01, 0.5  # after a bridge has taken in what closes, and what opens: what closes comes first
FRAME_BYTES = ETHERNET_BYTES + 20 + 8
_VERDICTS = frozenset({Feature.POLICY_ALLOW, Feature.POLICY_DENY, Feature.POLICY_PASS, Feature.ISOLATION})
_COUNT = r"^ *{}: (\d+)$"
_UDP = re.compile(r"^udp,orig=\(src=([\d.]+),dst=([\d.]+),sport=(\d+),dport=(\d+)\)", re.MULTILINE)


class Connection(NamedTuple):
    """As its client's packets come to conntrack, before they are translated."""

    client: str
    address: str
    client_port: int
    port: int


@dataclass(frozen=True)
class Place:
    """A node bridge, and who is at its ports."""

    bridge: str
    zone: int
    pod_cidrs: tuple[str, ...]
    addresses: tuple[str, ...]  # the node's own

    def source_of(self, address: str) -> Source:
        """Where packets of an address enter the bridge."""
        if address in self.addresses:
            return Source.NODE
        here = any(ipaddress.ip_address(address) in ipaddress.ip_network(cidr) for cidr in self.pod_cidrs)
        return Source.POD if here else Source.UPLINK

    def by_source(self, connections: Iterable[Connection]) -> dict[Source, list[Connection]]:
        """Connections by where packets of their clients enter the bridge."""
        known: dict[str, Source] = {}
        found: dict[Source, list[Connection]] = {}
        for one in connections:
            if one.client not in known:
                known[one.client] = self.source_of(one.client)
            found.setdefault(known[one.client], []).append(one)
        return found


def moments(change: Change) -> set[float]:
    """How long after a bridge has taken a change in what is open is to be judged anew; none where verdicts stay."""
    flows = {number: flow for number, flow in change.flows.items() if feature_of(number[1]) in _VERDICTS}
    verdicts = Change(flows, gone=change.gone)
    either = passes_anything(verdicts)
    found = {AT_ONCE_S} if either or closes_anything(verdicts) else set()
    return found | ({LATER_S} if either or opens_anything(verdicts) else set())


def counted(text: str, what: str) -> int:
    """How many `dpctl/ct-stats-show` has in all (`Total`), or of a protocol, which is left out where it has none."""
    found = re.search(_COUNT.format(what), text, re.MULTILINE)
    return int(found[1]) if found else 0


def connections_in(text: str) -> list[Connection]:
    """The UDP connections that `dpctl/dump-conntrack` has."""
    return [Connection(one[1], one[2], int(one[3]), int(one[4])) for one in _UDP.finditer(text)]


def datagram(one: Connection) -> bytes:
    """An empty one, as its client sends them, in a frame of nobody's. It has no checksum (RFC 768)."""
    ends = bytes(map(int, f"{one.client}.{one.address}".split(".")))
    header = struct.pack("!BBHHHBBH8s", 0x45, 0, FRAME_BYTES - ETHERNET_BYTES, 0, 0, REPLY_TTL, UDP, 0, ends)
    header = header[:10] + struct.pack("!H", internet(header)) + header[12:]
    return bytes(12) + IPV4_ETHERTYPE + header + struct.pack("!HHHH", one.client_port, one.port, 8, 0)
