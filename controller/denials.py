"""The log of denied connections: a line of JSON for each, from the packet that a bridge hands up when it drops it.

A client that gets no answer sends again; a connection is told once while it does. What comes faster than a log is read
is left out, and the next line says how many.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from datetime import datetime

from k8sshim.objects import Raw

from .checksums import ETHERNET_BYTES, IPV4_ETHERTYPE
from .desired import Desired
from .flows import ICMP, PORT_FIELDS, PROTOCOLS
from .limits import Bucket
from .marks import DENIED_SIDE, DENYING_RULE, Side

RATE, BURST = 200.0, 1000.0  # lines a second
SAME_S = 70.0  # within which a try of a connection follows another: SCTP's are up to 60 s apart (RFC 9260), TCP's 32 s
MOST_NAMED = 10  # of the policies that isolate one pod
MOST_KNOWN = 30_000
Registers = Mapping[str, int]
_PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()} | {ICMP: "ICMP"}
Connection = tuple[int, str, int, str, int]  # protocol, source, its port, destination, its port; of ICMP its identifier
IPV4, MIN_HEADER, ICMP_HEADER = 4, 20, 8  # version; bytes
LATER_FRAGMENT = 0x1FFF  # bits of a fragment's place: 0 in the first, which alone has the ports


class Denials:
    """Knows which connections it has told of. One thread asks."""

    def __init__(
        self, desired: Desired, write: Callable[[str], object], clock: Callable[[], float], now: Callable[[], datetime]
    ) -> None:
        self._desired, self._write, self._clock, self._now = desired, write, clock, now
        self._told: dict[tuple[int, Connection], float] = {}
        self._bucket = Bucket(RATE, BURST, clock())
        self._left_out = 0

    def note(self, dpid: int, registers: Registers, frame: bytes) -> None:
        """A bridge has dropped the first packet of a connection, because of a policy."""
        connection, side = connection_of(frame), DENIED_SIDE.value_in(registers)
        if connection is None or side not in set(Side) or not self._is_new(side, connection):
            return
        if not self._bucket.take(self._clock()):
            self._left_out += 1
            return
        line = self._line(dpid, Side(side), DENYING_RULE.value_in(registers), connection)
        if self._left_out:
            line["left_out_before"], self._left_out = self._left_out, 0
        self._write(json.dumps(line))

    def _is_new(self, side: int, connection: Connection) -> bool:
        now, key = self._clock(), (side, connection)
        before = self._told.pop(key, None)
        self._told[key] = now  # the latest last
        while len(self._told) > MOST_KNOWN or next(iter(self._told.values())) < now - SAME_S:
            del self._told[next(iter(self._told))]
        return before is None or before < now - SAME_S

    def _line(self, dpid: int, side: Side, rule: int, connection: Connection) -> Raw:
        protocol, source, source_port, destination, port = connection
        with_ports = protocol in PORT_FIELDS
        switch = self._desired.switch(dpid)
        denying = self._desired.policies.rule(rule) if rule else None
        judged = self._desired.pod_with(source if side is Side.EGRESS else destination)
        isolating = self._desired.policies.isolating(judged, side) if judged and not rule else []
        policies = sorted(map(str, isolating)) or ([denying.subject.rpartition(" ")[0]] if denying else [])
        return {
            "time": self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "from": self._name(source),
            "from_address": source,
            "from_port": source_port if with_ports else 0,
            "to": self._name(destination),
            "to_address": destination,
            "port": port,
            "protocol": _PROTOCOL_NAMES.get(protocol, str(protocol)),
            "side": side.name.lower(),
            "node": switch.node if switch else "",
            "policies": policies[:MOST_NAMED],
            **({"policies_more": len(policies) - MOST_NAMED} if len(policies) > MOST_NAMED else {}),
            "rule": denying.subject.rpartition(" ")[2] if denying else None,
        }

    def _name(self, address: str) -> str:
        """The pod, node or host that has an address, or the address itself."""
        if pod := self._desired.pod_with(address):
            return str(pod)
        cluster = self._desired.cluster
        for switch in cluster.switches if cluster else ():
            node = self._desired.node(switch.node) if switch.node else None
            if node and address in node.addresses:
                return node.name
        return next((host.name for host in (cluster.hosts if cluster else ()) if address in host.addresses), address)


def connection_of(frame: bytes) -> Connection | None:
    """Whose packet an IPv4 frame is; None for what is none, is cut off, or is a fragment that has no ports.

    Ports are 0 where the protocol has none. A ping's identifier stands for its source port, since it tells pings apart.
    """
    packet = frame[ETHERNET_BYTES:]
    if frame[12:14] != IPV4_ETHERTYPE or len(packet) < MIN_HEADER or packet[0] >> 4 != IPV4:
        return None
    header = (packet[0] & 0xF) * 4
    rest = packet[header:]
    if header < MIN_HEADER or len(packet) < header or int.from_bytes(packet[6:8], "big") & LATER_FRAGMENT:
        return None
    ports = _ports(packet[9], rest)
    if ports is None:
        return None
    source, destination = (".".join(map(str, packet[first : first + 4])) for first in (12, 16))
    return (packet[9], source, ports[0], destination, ports[1])


def _ports(protocol: int, packet: bytes) -> tuple[int, int] | None:
    """Source and destination port of what an IPv4 packet carries; None where it is cut off."""
    if protocol in PORT_FIELDS:
        return struct.unpack("!HH", packet[:4]) if len(packet) >= 4 else None
    if protocol == ICMP:
        return (int.from_bytes(packet[4:6], "big"), 0) if len(packet) >= ICMP_HEADER else None
    return (0, 0)
