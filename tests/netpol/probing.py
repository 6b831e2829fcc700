"""Tries connections from many network namespaces at once, and tells silence from refusal.

A lab's prober is this file as a program in its sandbox: a line of JSON in, {"timeout_s", "probes": [[netns, address,
port, protocol], ...]}, a line out, what became of each, for as long as it is asked.
"""

from __future__ import annotations

import errno
import json
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from topo import syscalls

ANSWERED, SILENT = "answered", "silent"
_RESET = struct.pack("ii", 1, 0)  # close by a reset: no connection stays behind
_RESEND_S = 0.3
_TICK_S = 0.05


@dataclass(frozen=True)
class Probe:
    """One connection to try."""

    netns: str
    address: str
    port: int
    protocol: str  # TCP, UDP, SCTP


def attempt(probes: Sequence[Probe], timeout_s: float) -> list[str]:
    """What became of each within the time: ANSWERED (a handshake, or a datagram came back), SILENT, or an error."""
    outcomes = [SILENT] * len(probes)
    waiting: dict[int, tuple[int, socket.socket]] = {}
    with select.epoll() as poll:
        for index, one in _begun(probes):
            waiting[one.fileno()] = (index, one)
            poll.register(one, select.EPOLLIN if probes[index].protocol == "UDP" else select.EPOLLOUT)
        began = resent = time.monotonic()
        while waiting and time.monotonic() < began + timeout_s:
            for descriptor, _ in poll.poll(_TICK_S):
                index, one = waiting.pop(descriptor)
                outcomes[index] = _outcome(one, probes[index].protocol)
                one.close()
            if time.monotonic() > resent + _RESEND_S:
                resent = time.monotonic()
                _send_again(one for index, one in waiting.values() if probes[index].protocol == "UDP")
    for _, one in waiting.values():
        one.close()
    return outcomes


def _begun(probes: Sequence[Probe]) -> Iterator[tuple[int, socket.socket]]:
    for index, probe in enumerate(probes):
        kind = socket.SOCK_DGRAM if probe.protocol == "UDP" else socket.SOCK_STREAM
        number = socket.IPPROTO_SCTP if probe.protocol == "SCTP" else 0
        with syscalls.inside(probe.netns):
            one = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, number)
        if probe.protocol != "UDP":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        code = one.connect_ex((probe.address, probe.port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, f"{probe}: {errno.errorcode[code]}")
        if probe.protocol == "UDP":
            one.send(b"?\n")
        yield index, one


def _send_again(sockets: Iterator[socket.socket]) -> None:
    for one in sockets:
        with suppress(OSError):  # what is wrong is read from the socket
            one.send(b"?\n")


def _outcome(one: socket.socket, protocol: str) -> str:
    code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if not code and protocol == "UDP":
        try:
            one.recv(4096)
        except OSError as error:
            code = error.errno or 0
    return errno.errorcode[code] if code else ANSWERED


def main() -> None:
    """Answer line by line."""
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(attempt([Probe(*row) for row in asked["probes"]], asked["timeout_s"])), flush=True)


if __name__ == "__main__":
    main()
