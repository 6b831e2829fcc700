"""Tries many connections at once from many network namespaces: one process in the sandbox, no thread a connection.

A socket belongs to the namespace that it was made in, whatever its maker does next. So one thread makes sockets in
each namespace, those of one namespace together, and waits for all of them with one epoll.

Thousands wait at once, since what is denied says nothing for as long as one waits. But not all begin at once:
switches, which learn flows for them, and servers lose packets then. So as many begin as are answered, and some more
each moment.

`python -m experiments.probes` reads {"wait_s", "probes": [[netns, address, port, protocol], ...]} as JSON from stdin.
It writes lines: {"done": N} now and then, and at last {"found": [[outcome, name], ...]}.
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
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from experiments.reach.probe import ASK_AGAIN_S, SCTP, UDP, WAIT_S, Found, Outcome, Probe
from topo import syscalls

_AT_ONCE = 16_000  # connections; each is a file descriptor
_SPARE_FILES = 64
_TICK_S = 0.02
_NAME_S = 0.25  # for a TCP server to say its name, once it has taken the connection
_FRESH_S = 0.1  # a connection that began so long ago is no longer one that the network is busy with
_FRESH = 400  # connections that may be fresh at a time
_TOLD_EVERY_S = 0.1
_MAX_NAME = 253
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: no connection waits for its last packets
# Stand-ins answer whatever line comes with their name. DNS servers answer only questions: this one is for the root.
_LINE = b"hostname\n"
_QUESTION = struct.pack(">HHHHHH", 0x7077, 0x0100, 1, 0, 0, 0) + b"\0" + struct.pack(">HH", 2, 1)
_CLOSED = (errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)
_MACHINE = (errno.EMFILE, errno.ENFILE, errno.EPERM)  # says nothing about the network
_NO_WAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EACCES, errno.ENOPROTOOPT)
Tell = Callable[[int], None]  # how many are done


@dataclass
class _Attempt:
    index: int
    probe: Probe
    socket: socket.socket
    begun: float
    deadline: float
    asked: int = 1  # datagrams sent
    connected: bool = False


class Attempts:
    """Connections under way, and what came of those that are through."""

    def __init__(self, probes: Sequence[Probe], wait_s: float, limit: int) -> None:
        self.found = [Found(Outcome.UNTRIED)] * len(probes)
        self.done = 0
        self._wait_s, self._limit = wait_s, limit
        self._batches = deque(_by_namespace(probes))
        self._waiting: dict[int, _Attempt] = {}
        self._fresh: deque[_Attempt] = deque()  # in the order they began
        self._poll = select.epoll()

    def run(self, tell: Tell) -> list[Found]:
        """Try all of them; what came of each."""
        looked = told = time.monotonic()
        with self._poll:
            while self._batches or self._waiting:
                self._begin_some()
                for descriptor, _ in self._poll.poll(_TICK_S):
                    self._hear(self._waiting[descriptor])
                now = time.monotonic()
                if now > looked + _TICK_S:
                    looked = now
                    self._look_at_clocks(now)
                if now > told + _TOLD_EVERY_S:
                    told = now
                    tell(self.done)
        return self.found

    def _begin_some(self) -> None:
        """As many as the pace allows, one namespace after the other."""
        now = time.monotonic()
        while self._fresh and (self._fresh[0].begun + _FRESH_S < now or self._fresh[0].socket.fileno() < 0):
            self._fresh.popleft()
        room = min(_FRESH - sum(one.socket.fileno() >= 0 for one in self._fresh), self._limit - len(self._waiting))
        while room > 0 and self._batches:
            netns, batch = self._batches[0]
            some = [batch.popleft() for _ in range(min(room, len(batch)))]
            if not batch:
                self._batches.popleft()
            self._begin(netns, some)
            room -= len(some)

    def _begin(self, netns: str, some: list[tuple[int, Probe]]) -> None:
        try:
            with syscalls.inside(netns):
                made = [(index, probe, _open(probe)) for index, probe in some]
        except FileNotFoundError:  # no such namespace
            self.done += len(some)
            return
        now = time.monotonic()
        for index, probe, opened in made:
            if isinstance(opened, Outcome):
                self._end(index, Found(opened))
                continue
            one = _Attempt(index, probe, opened, now, now + self._wait_s)
            self._waiting[opened.fileno()] = one
            self._fresh.append(one)
            self._poll.register(opened, select.EPOLLIN if probe.protocol == UDP else select.EPOLLOUT)

    def _hear(self, one: _Attempt) -> None:
        """Something has come for a connection."""
        if one.probe.protocol == UDP or one.connected:
            self._read(one)
        elif code := one.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._leave(one, Found(_meaning(code)))
        else:
            one.connected, one.deadline = True, time.monotonic() + _NAME_S
            with suppress(OSError):
                one.socket.send(_LINE)
            self._poll.modify(one.socket, select.EPOLLIN)

    def _read(self, one: _Attempt) -> None:
        try:
            name = _name(one.socket.recv(4096))
        except BlockingIOError:
            return
        except OSError as error:
            self._leave(one, Found(Outcome.ANSWERED if one.connected else _meaning(error.errno)))
        else:
            self._leave(one, Found(Outcome.ANSWERED, name))

    def _look_at_clocks(self, now: float) -> None:
        """Leave those whose time is up; of the others, send datagrams again that are due."""
        for one in [one for one in self._waiting.values() if one.deadline <= now]:
            self._leave(one, Found(Outcome.ANSWERED if one.connected else Outcome.SILENT))
        for one in self._waiting.values():
            due = one.asked <= len(ASK_AGAIN_S) and one.begun + ASK_AGAIN_S[one.asked - 1] <= now
            if due and one.probe.protocol == UDP:
                one.asked += 1
                with suppress(OSError):  # an error that came back is heard
                    one.socket.send(_QUESTION)

    def _leave(self, one: _Attempt, found: Found) -> None:
        del self._waiting[one.socket.fileno()]
        one.socket.close()
        self._end(one.index, found)

    def _end(self, index: int, found: Found) -> None:
        self.found[index] = found
        self.done += 1


def attempt(probes: Sequence[Probe], wait_s: float = WAIT_S, tell: Tell = lambda done: None) -> list[Found]:
    """What comes of each within `wait_s`. Raises OSError where this machine stands in the way."""
    return Attempts(probes, wait_s, _files()).run(tell)


def _by_namespace(probes: Sequence[Probe]) -> Iterator[tuple[str, deque[tuple[int, Probe]]]]:
    """Probes with their places, by namespace."""
    placed = sorted(enumerate(probes), key=lambda one: one[1].netns)
    for netns, some in groupby(placed, key=lambda one: one[1].netns):
        yield netns, deque(some)


def _open(probe: Probe) -> socket.socket | Outcome:
    """A socket of the thread's namespace whose first packet is out, or why there is none."""
    try:
        return _begun(probe)
    except OSError as error:
        if error.errno in _MACHINE:
            raise
        return _meaning(error.errno) if error.errno in _CLOSED else Outcome.UNTRIED


def _begun(probe: Probe) -> socket.socket:
    family = socket.AF_INET6 if ":" in probe.address else socket.AF_INET
    kind = socket.SOCK_DGRAM if probe.protocol == UDP else socket.SOCK_STREAM
    number = socket.IPPROTO_SCTP if probe.protocol == SCTP else 0
    one = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, number)
    try:
        if probe.protocol != UDP:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        code = one.connect_ex((probe.address, probe.port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        if probe.protocol == UDP:
            one.send(_QUESTION)
    except OSError:
        one.close()
        raise
    return one


def _meaning(code: int | None) -> Outcome:
    """What an error of a socket says of the connection."""
    if code in _CLOSED:
        return Outcome.CLOSED
    return Outcome.UNREACHABLE if code in _NO_WAY else Outcome.SILENT


def _name(answer: bytes) -> str:
    """The name in an answer that is a line of text; "" for other answers."""
    word = answer.strip()
    plain = len(word) <= _MAX_NAME and all(0x21 <= byte < 0x7F for byte in word)
    return word.decode() if plain else ""


def _files() -> int:
    """How many connections may be open at once."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(1, min(_AT_ONCE, hard - _SPARE_FILES))


def main() -> None:
    """Read probes from stdin; write how far it is, and what came of each, to stdout."""
    asked = json.load(sys.stdin)
    probes = [Probe(*row) for row in asked["probes"]]
    found = attempt(probes, asked["wait_s"], lambda done: print(json.dumps({"done": done}), flush=True))
    print(json.dumps({"found": [[one.outcome.value, one.name] for one in found]}), flush=True)


if __name__ == "__main__":
    main()
