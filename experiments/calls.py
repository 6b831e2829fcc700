"""Many connections from many network namespaces, each asked who answered and timed: one process in the sandbox.

A connection is made, told "?", and hears the name of who answered on a line of its own; stand-ins and
`experiments.answerers` speak so. It ends with a reset: its source port can be used again at once.

`python -m experiments.calls` reads {"timeout_s", "at_once", "per_second", "calls": [[netns, address, port, source
port or 0], ...]} as JSON from stdin and writes {"seconds", "began_s", "answers": [[name or null, connect_us,
answer_us], ...]} to stdout; `per_second` is how many begin in a second, 0 for as many as can.
"""

from __future__ import annotations

import errno
import json
import resource
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from topo import syscalls

_TICK_S = 0.05
_RESET = struct.pack("ii", 1, 0)
_QUESTION = b"?\n"
_LONGEST = 4096


@dataclass(frozen=True)
class Call:
    """One connection to make."""

    netns: str  # the name of the namespace that it starts from
    address: str
    port: int
    source_port: int = 0  # 0: the kernel's choice


@dataclass(frozen=True)
class Answer:
    """What came of it."""

    name: str | None  # None: nobody answered in time, or the connection was refused
    connect_us: float  # from the first packet to the handshake's end
    answer_us: float  # from the first packet to the name

    @property
    def answered(self) -> bool:
        return self.name is not None


NOBODY = Answer(None, 0.0, 0.0)


@dataclass
class Attempt:
    """A call that is under way."""

    index: int
    socket: socket.socket
    began: float
    connected: float = 0.0
    received: bytes = b""


def call(calls: Sequence[Call], timeout_s: float, at_once: int, per_second: float = 0.0) -> list[Answer]:
    """Make the calls, in their order, so many at once, and begin no more than so many in a second."""
    answers = [NOBODY] * len(calls)
    waiting: dict[int, Attempt] = {}
    begun, first = 0, time.monotonic()
    tick_s = min(_TICK_S, 1 / per_second) if per_second else _TICK_S
    with select.epoll() as poll:
        while waiting or begun < len(calls):
            due = 1 + int((time.monotonic() - first) * per_second) if per_second else len(calls)
            while begun < min(due, len(calls)) and len(waiting) < at_once:
                if one := begin(begun, calls[begun]):
                    waiting[one.socket.fileno()] = one
                    poll.register(one.socket, select.EPOLLOUT)
                begun += 1
            for descriptor, _ in poll.poll(tick_s):
                answer = turn(waiting[descriptor], poll)
                if answer:
                    answers[waiting[descriptor].index] = answer
                    waiting.pop(descriptor).socket.close()
            overdue = time.monotonic() - timeout_s
            for descriptor in [fd for fd, one in waiting.items() if one.began <= overdue]:
                waiting.pop(descriptor).socket.close()
    return answers


def begin(index: int, one: Call) -> Attempt | None:
    """A call under way; None where it cannot even begin (no such namespace, source port in use)."""
    try:
        with syscalls.inside(one.netns):
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.EPERM):
            raise  # says nothing about the network
        return None
    began = time.monotonic()
    if _connect(made, one):
        return Attempt(index, made, began)
    made.close()
    return None


def _connect(made: socket.socket, one: Call) -> bool:
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    try:
        if one.source_port:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("", one.source_port))
        return made.connect_ex((one.address, one.port)) in (0, errno.EINPROGRESS)
    except OSError:
        return False


def turn(one: Attempt, poll: select.epoll) -> Answer | None:
    """Something happened to the call: what came of it, or None where more is to come."""
    try:
        if not one.connected:
            if one.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return NOBODY
            one.connected = time.monotonic()
            one.socket.send(_QUESTION)
            poll.modify(one.socket, select.EPOLLIN)
            return None
        part = one.socket.recv(_LONGEST)
    except OSError:  # reset on the way
        return NOBODY
    one.received += part
    if part and b"\n" not in one.received:
        return None
    name = one.received.partition(b"\n")[0].decode(errors="replace")
    now = time.monotonic()
    return Answer(name or None, 1e6 * (one.connected - one.began), 1e6 * (now - one.began))


def ask(
    run: Callable[[Sequence[str], str], str],
    calls: Sequence[Call],
    timeout_s: float,
    at_once: int,
    *,
    per_second: float = 0.0,
) -> Asked:
    """Make the calls in a sandbox, by whoever runs a program there with a text on its stdin."""
    rows = [[one.netns, one.address, one.port, one.source_port] for one in calls]
    asked = json.dumps({"timeout_s": timeout_s, "at_once": at_once, "per_second": per_second, "calls": rows})
    told = json.loads(run([sys.executable, "-m", "experiments.calls"], asked))
    return Asked(told["seconds"], tuple(Answer(*row) for row in told["answers"]), told["began_s"])


@dataclass(frozen=True)
class Asked:
    """Many calls, and how long they took together."""

    seconds: float
    answers: tuple[Answer, ...]
    began_s: float = 0.0  # of the machine's monotonic clock

    @property
    def per_second(self) -> float:
        """Answered calls a second."""
        return sum(one.answered for one in self.answers) / self.seconds


def main() -> None:
    """Read calls from stdin, write answers to stdout."""
    asked = json.load(sys.stdin)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    calls = [Call(*row) for row in asked["calls"]]
    begin = time.monotonic()
    answers = call(calls, asked["timeout_s"], asked["at_once"], asked["per_second"])
    seconds = time.monotonic() - begin
    rows = [[one.name, round(one.connect_us, 1), round(one.answer_us, 1)] for one in answers]
    json.dump({"seconds": seconds, "answers": rows, "began_s": begin}, sys.stdout)


if __name__ == "__main__":
    main()
