"""The hash by which Open vSwitch's userspace datapath spreads connections over a group's buckets. Pure.

What `hash(sym_l4)` computes (flow_hash_symmetric_l3l4 of lib/flow.c): Austin Appleby's MurmurHash3 over the addresses,
the protocol and, but for UDP, the ports. Given to `ofproto/trace` as `dp_hash`, it makes a trace take the bucket that
the connection itself takes. The kernel's datapath, and an Open vSwitch built for newer processors than the
distribution's, hash otherwise: there a trace shows one of the possible ways.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from sys import byteorder

TCP, SCTP = 6, 132
_WORD = 0xFFFFFFFF


def connection_hash(source: str, target: str, protocol: int, source_port: int, target_port: int) -> int:
    """The datapath's hash of a packet, the same in both directions."""
    addresses = int(IPv4Address(source)) ^ int(IPv4Address(target))
    hashed = _add(0, _as_in_memory(addresses, 4))
    hashed = _add(hashed, protocol)
    if protocol in (TCP, SCTP):
        hashed = _add(hashed, _as_in_memory(source_port ^ target_port, 2))
    return _finish(hashed)


def _as_in_memory(number: int, size: int) -> int:
    """A number of the packet, as this machine reads its bytes."""
    return int.from_bytes(number.to_bytes(size, "big"), byteorder)


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (32 - bits)) & _WORD


def _add(hashed: int, data: int) -> int:
    hashed ^= _rotate(data * 0xCC9E2D51 & _WORD, 15) * 0x1B873593 & _WORD
    return (_rotate(hashed, 13) * 5 + 0xE6546B64) & _WORD


def _finish(hashed: int) -> int:
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashed = (hashed ^ hashed >> shift) * factor & _WORD
    return hashed ^ hashed >> 16
