"""The ICMP errors that routers send, as frames (RFC 792, RFC 1122, RFC 1812). Pure."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from .checksums import ETHERNET_BYTES, IPV4_ETHERTYPE, internet
from .marks import REPLY_TTL, Feature

ICMP = 1
UNREACHABLE, TIME_EXCEEDED = 3, 11
NET, HOST, PORT, TOO_LARGE, PROHIBITED = 0, 1, 3, 4, 13
QUOTED_BYTES = 576 - 20 - 8  # RFC 1812, 4.3.2.3: as much of the packet as fits 576 bytes
QUERIES = frozenset({0, 8, 13, 14, 15, 16, 17, 18})  # the ICMP messages that are no errors


@dataclass(frozen=True)
class Problem:
    """Type and code of an ICMP error."""

    type: int
    code: int
    mtu: int = 0  # bytes, of what is too large


@dataclass(frozen=True)
class Packet:
    """What an answer needs to know of the packet it answers."""

    source: str
    destination: str
    quoted: bytes  # its IPv4 header and what followed

    @classmethod
    def parse(cls, frame: bytes) -> Packet | None:
        """The packet in a frame; None where no error may be sent about it (RFC 1122, 3.2.2)."""
        packet = frame[ETHERNET_BYTES:]
        if frame[12:14] != IPV4_ETHERTYPE or len(packet) < 28:
            return None
        header_bytes, fragment_offset = (packet[0] & 0x0F) * 4, struct.unpack_from("!H", packet, 6)[0] & 0x1FFF
        if fragment_offset or (packet[9] == ICMP and packet[header_bytes] not in QUERIES):
            return None
        source, destination = ipaddress.IPv4Address(packet[12:16]), ipaddress.IPv4Address(packet[16:20])
        if source.is_multicast or source.is_unspecified or source.is_loopback or destination.is_multicast:
            return None
        length = struct.unpack_from("!H", packet, 2)[0]
        return cls(str(source), str(destination), packet[: min(length, QUOTED_BYTES)])


def problem(feature: Feature, destination: str, networks: tuple[str, ...], mtu: int = 0) -> Problem:
    """What is wrong with a packet that a feature's flow sent to the controller; `networks` are the cluster's own.

    `mtu` is what the way ahead carries, in bytes (RFC 1191).
    """
    if feature is Feature.PATH_MTU:
        return Problem(UNREACHABLE, TOO_LARGE, mtu)
    if feature is Feature.TIME_EXCEEDED:
        return Problem(TIME_EXCEEDED, 0)
    if feature is Feature.GATEWAY:
        return Problem(UNREACHABLE, PORT)
    if feature is Feature.BORDER:
        return Problem(UNREACHABLE, PROHIBITED)
    inside = any(ipaddress.ip_address(destination) in ipaddress.ip_network(network) for network in networks)
    return Problem(UNREACHABLE, HOST if inside else NET)


def error_frame(packet: Packet, what: Problem, sender: str) -> bytes:
    """An error about a packet from `sender`, a router's address. The MACs are set by the switch that routes it."""
    body = struct.pack("!BBHHH", what.type, what.code, 0, 0, what.mtu) + packet.quoted
    body = body[:2] + struct.pack("!H", internet(body)) + body[4:]
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0xC0, 20 + len(body), 0, 0, REPLY_TTL, ICMP, 0,
        ipaddress.IPv4Address(sender).packed, ipaddress.IPv4Address(packet.source).packed,
    )  # fmt: skip
    header = header[:10] + struct.pack("!H", internet(header)) + header[12:]
    return bytes(12) + IPV4_ETHERTYPE + header + body
