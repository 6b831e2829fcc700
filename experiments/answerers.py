"""Servers in many network namespaces, in one process: each says its name to whoever asks, and closes.

`python -m experiments.answerers PORT NETNS=NAME...` listens in each namespace, says "ready" on stdout, and serves
until it is ended. Made for many short connections: it does next to nothing for each.
"""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from topo import syscalls

_BACKLOG = 4096
_LONGEST = 4096


def listen(netns: str, port: int) -> socket.socket:
    """A listening socket in a namespace."""
    with syscalls.inside(netns):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("", port))
    made.listen(_BACKLOG)
    return made


def serve(listeners: Mapping[int, tuple[socket.socket, bytes]]) -> None:
    """For ever; listeners by file descriptor, each with its answer."""
    asking: dict[int, tuple[socket.socket, bytes]] = {}
    with select.epoll() as poll:
        for descriptor in listeners:
            poll.register(descriptor, select.EPOLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor in listeners:
                    _accept(*listeners[descriptor], asking, poll)
                else:
                    _answer(*asking.pop(descriptor))


def _accept(
    listener: socket.socket, answer: bytes, asking: dict[int, tuple[socket.socket, bytes]], poll: select.epoll
) -> None:
    with suppress(OSError):
        while True:
            one, _ = listener.accept()
            one.setblocking(False)
            asking[one.fileno()] = (one, answer)
            poll.register(one, select.EPOLLIN)


def _answer(one: socket.socket, answer: bytes) -> None:
    with one, suppress(OSError):
        if one.recv(_LONGEST):
            one.send(answer)


def main(arguments: Sequence[str]) -> None:
    """Listen where the arguments say, and serve."""
    port, *places = arguments
    listeners = {}
    for place in places:
        netns, _, name = place.partition("=")
        made = listen(netns, int(port))
        listeners[made.fileno()] = (made, name.encode() + b"\n")
    print("ready", flush=True)
    serve(listeners)


if __name__ == "__main__":
    main(sys.argv[1:])
