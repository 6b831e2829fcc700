"""Servers in many network namespaces at once, in one thread: who connects is accepted, who sends is sent it back."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from topo import syscalls

_BACKLOG = 64
_TICK_S = 0.1


@contextmanager
def serving(netns: Iterable[str], ports: Iterable[int], protocol: str) -> Iterator[None]:
    """A server on each of these ports in each of these namespaces, until the end of the block."""
    sockets = {one.fileno(): one for name in netns for one in _opened(name, ports, protocol)}
    ended = threading.Event()
    thread = threading.Thread(target=_serve, args=(sockets, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for one in sockets.values():
            one.close()


def _opened(netns: str, ports: Iterable[int], protocol: str) -> Iterator[socket.socket]:
    kind = socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM
    number = socket.IPPROTO_SCTP if protocol == "SCTP" else 0
    for port in ports:
        with syscalls.inside(netns):
            one = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK, number)
        if protocol != "UDP":  # connections of servers before may not have ended yet, where a policy cut them
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("", port))
        if protocol != "UDP":
            one.listen(_BACKLOG)
        yield one


def _serve(sockets: dict[int, socket.socket], ended: threading.Event) -> None:
    with select.epoll() as poll:
        for descriptor in sockets:
            poll.register(descriptor, select.EPOLLIN)
        while not ended.is_set():
            for descriptor, _ in poll.poll(_TICK_S):
                with suppress(OSError):  # who asked is gone
                    _answer(sockets[descriptor])


def _answer(one: socket.socket) -> None:
    if one.type == socket.SOCK_DGRAM:
        asked, client = one.recvfrom(4096)
        one.sendto(asked, client)
    else:
        one.accept()[0].close()
