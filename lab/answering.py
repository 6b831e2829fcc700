"""Asks the network itself whether it is there: every pod and node pings its gateway until that answers.

The gateway is flows on the node's bridge, and all flows of a pod come in one bundle; so an answer means that the pod's
packets are forwarded, whoever programs the bridge. This runs in the sandbox, `python -m lab.answering`: it reads
{"timeout_s", "places": [[netns, address of the gateway], ...]} as JSON from stdin, and writes the namespaces whose
gateway has not answered to stdout.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

from topo import syscalls

Place = tuple[str, str]  # name of a network namespace, and its gateway's address
_RESEND_S = 0.05
_IPV4_ECHO, _IPV4_REPLY, _IPV6_ECHO, _IPV6_REPLY = 8, 0, 128, 129
_HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number (RFC 792)


def unanswered(places: Iterable[Place], timeout_s: float) -> list[str]:
    """The namespaces whose gateway has not answered within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    silent = set(places)
    asked: dict[Place, socket.socket] = {}
    with select.epoll() as poll:
        while silent and time.monotonic() < deadline:
            for place in silent:
                with suppress(OSError):  # there is no such namespace yet, or no way out of it
                    if place not in asked:
                        asked[place] = _open(place)
                        poll.register(asked[place], select.EPOLLIN)
                    asked[place].send(_echo(asked[place]))
            poll.poll(_RESEND_S)
            for place in [place for place in silent if place in asked and _replied(asked[place])]:
                silent.remove(place)
                asked.pop(place).close()
    for opened in asked.values():
        opened.close()
    return sorted(netns for netns, _ in silent)


def _open(place: Place) -> socket.socket:
    netns, gateway = place
    ipv6 = ":" in gateway
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if ipv6 else (socket.AF_INET, socket.IPPROTO_ICMP)
    with syscalls.inside(netns):
        opened = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
    try:
        opened.connect((gateway, 0))  # receives what the gateway sends, and nothing else
    except OSError:
        opened.close()
        raise
    return opened


def _echo(opened: socket.socket) -> bytes:
    kind = _IPV6_ECHO if opened.family == socket.AF_INET6 else _IPV4_ECHO
    checksum = ~(kind << 8) & 0xFFFF  # the one word that is not zero; for IPv6 the kernel writes it
    return _HEADER.pack(kind, 0, checksum, 0, 0)


def _replied(opened: socket.socket) -> bool:
    """Whether an echo reply is among what has come."""
    with suppress(OSError):  # nothing (more) has come
        while packet := opened.recv(2048):
            if opened.family == socket.AF_INET6:
                kind, reply = packet[0], _IPV6_REPLY
            else:
                kind, reply = packet[(packet[0] & 0x0F) * 4], _IPV4_REPLY
            if kind == reply:
                return True
    return False


def main() -> None:
    """Read places from stdin, write the silent ones to stdout."""
    wanted = json.load(sys.stdin)
    json.dump(unanswered([(netns, address) for netns, address in wanted["places"]], wanted["timeout_s"]), sys.stdout)


if __name__ == "__main__":
    main()
