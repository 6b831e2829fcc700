"""The checksums of packets that come up to the controller, which are often not finished. Pure.

A pod's kernel leaves them to its network device, and a virtual one leaves them to the switch, which finishes them where
it sends a packet out, but not where it sends one up. What goes back in with a wrong one is invalid to conntrack.
"""

from __future__ import annotations

import struct
from functools import cache

ETHERNET_BYTES = 14
IPV4_ETHERTYPE = b"\x08\x00"
TCP, UDP, SCTP = 6, 17, 132
OFFSETS = {TCP: 16, UDP: 6, SCTP: 8}  # of the checksum, from where the protocol's header begins
ANY_FRAGMENT = 0x3FFF
CASTAGNOLI = 0x82F63B78


def finished(frame: bytes) -> bytes:
    """The frame with the checksum that its TCP, UDP or SCTP header should have; others, and fragments, as they are."""
    packet = frame[ETHERNET_BYTES:]
    if frame[12:14] != IPV4_ETHERTYPE or len(packet) < 20:
        return frame
    header_bytes, protocol = (packet[0] & 0x0F) * 4, packet[9]
    total, fragment = struct.unpack_from("!H2xH", packet, 2)
    offset = OFFSETS.get(protocol)
    if offset is None or fragment & ANY_FRAGMENT or not header_bytes + offset + 4 <= total <= len(packet):
        return frame
    empty = bytes(4 if protocol == SCTP else 2)
    body = packet[header_bytes:total]
    body = body[:offset] + empty + body[offset + len(empty) :]
    filled = body[:offset] + _value(protocol, packet[12:20], body) + body[offset + len(empty) :]
    return frame[:ETHERNET_BYTES] + packet[:header_bytes] + filled + packet[total:]


def _value(protocol: int, addresses: bytes, body: bytes) -> bytes:
    """RFC 9293, 3.1; RFC 768; RFC 9260, 6.8."""
    if protocol == SCTP:
        return struct.pack("<I", crc32c(body))
    number = internet(addresses + struct.pack("!HH", protocol, len(body)) + body)
    return struct.pack("!H", number or 0xFFFF if protocol == UDP else number)


def internet(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def crc32c(data: bytes) -> int:
    """Castagnoli's CRC (RFC 9260, appendix A)."""
    table, value = _crc_table(), 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (CASTAGNOLI if value & 1 else 0)
        table.append(value)
    return tuple(table)
