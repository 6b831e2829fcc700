"""Tries many connections at once from many network namespaces: one process in the sandbox, no thread a connection.

A socket belongs to the namespace that it was made in, whatever its maker does next. So one thread makes a socket
in each namespace, and waits for all of them together.

`python -m experiments.probes` reads {"timeout_s", "probes": [[netns, address, port, protocol], ...]} as JSON from
stdin, and writes a list of booleans to stdout: whether an answer came (a TCP handshake, or a datagram to the one sent).
"""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import socket
import struct
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from topo import syscalls

TCP, UDP = "TCP", "UDP"
_RESEND_S = 0.4  # a datagram that was lost is sent again after that long
_AT_ONCE = 1500  # connections; each is a file descriptor
_SPARE_FILES = 64
_TICK_S = 0.05
_DATAGRAM = b"podwire\n"


@dataclass(frozen=True)
class Probe:
    """One connection to try."""

    netns: str  # the name of the namespace that it starts from
    address: str
    port: int
    protocol: str  # TCP or UDP


@dataclass
class _Attempt:
    index: int
    probe: Probe
    socket: socket.socket
    deadline: float
    resend_at: float


def attempt(probes: Sequence[Probe], timeout_s: float) -> list[bool]:
    """Whether each was answered within `timeout_s`."""
    results = [False] * len(probes)
    waiting: dict[int, _Attempt] = {}
    fresh, limit = _begin_all(probes, timeout_s), _files()
    with select.epoll() as poll:
        while True:
            for one in islice(fresh, limit - len(waiting)):
                waiting[one.socket.fileno()] = one
                poll.register(one.socket, select.EPOLLIN if one.probe.protocol == UDP else select.EPOLLOUT)
            if not waiting:
                return results
            for descriptor, _ in poll.poll(_TICK_S):
                one = waiting.pop(descriptor)
                results[one.index] = _answered(one)
                one.socket.close()
            for descriptor in _overdue(waiting.values()):
                waiting.pop(descriptor).socket.close()


def _begin_all(probes: Sequence[Probe], timeout_s: float) -> Iterator[_Attempt]:
    """Each probe under way; those that cannot even begin (no such namespace, no route) are left out."""
    for index, probe in enumerate(probes):
        try:
            with syscalls.inside(probe.netns):
                made = _begin(probe)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.EPERM):
                raise  # says nothing about the network
            continue
        now = time.monotonic()
        yield _Attempt(index, probe, made, now + timeout_s, now + _RESEND_S)


def _begin(probe: Probe) -> socket.socket:
    family = socket.AF_INET6 if ":" in probe.address else socket.AF_INET
    kind = socket.SOCK_DGRAM if probe.protocol == UDP else socket.SOCK_STREAM
    one = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if probe.protocol == TCP:  # leave no connection waiting for its last packets
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        code = one.connect_ex((probe.address, probe.port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        if probe.protocol == UDP:
            one.send(_DATAGRAM)
    except OSError:
        one.close()
        raise
    return one


def _answered(one: _Attempt) -> bool:
    if one.probe.protocol == TCP:
        return one.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    try:
        return bool(one.socket.recv(65536))
    except OSError:  # an ICMP error came back
        return False


def _overdue(attempts: Iterable[_Attempt]) -> list[int]:
    """The descriptors of those whose time is up; of the others, datagrams that are due are sent again."""
    now = time.monotonic()
    for one in attempts:
        if one.probe.protocol == UDP and one.resend_at <= now < one.deadline:
            one.resend_at = now + _RESEND_S
            with suppress(OSError):
                one.socket.send(_DATAGRAM)
    return [one.socket.fileno() for one in attempts if one.deadline <= now]


def _files() -> int:
    """How many connections may be open at once."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(1, min(_AT_ONCE, hard - _SPARE_FILES))


def main() -> None:
    """Read probes from stdin, write answers to stdout."""
    asked = json.load(sys.stdin)
    json.dump(attempt([Probe(*row) for row in asked["probes"]], asked["timeout_s"]), sys.stdout)


if __name__ == "__main__":
    main()
