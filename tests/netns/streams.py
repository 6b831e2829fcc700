"""One end of a connection that goes on and on: numbered datagrams, or bytes in an order that is known.

`python streams.py ROLE ...` inside a namespace, until "end" comes on stdin; then it writes what it has seen as JSON. It
writes "ready" before, and "begun" when the first packet arrives. Nobody who ends leaves what is on its way.
Moments are of the monotonic clock, which is the same in all namespaces.

echo PORT            answers every datagram with itself: {"seen": [[number, moment], ...]}
count ADDRESS PORT   sends a numbered datagram each millisecond: {"sent": N, "seen": [answers]}
push PORT            sends numbered datagrams to whoever sent one: {"sent": N}
hear ADDRESS PORT    sends a datagram, and one at each "speak": {"seen": [those that came]}
ask ADDRESS PORT     one datagram, and waits: {"error": the name of the error that came back}
take|give ADDRESS PORT, or take|give PORT for the end that listens
                     bytes by TCP; who takes says a byte at "speak":
                     {"bytes": N, "exact": whether they were right, "seen": [[bytes, moment], ...]}
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from contextlib import suppress

SO_RCVBUFFORCE = 33
STEP_S, BLOCK = 0.001, 200
QUIET_S, LINGER_S = 2.0, 20.0  # after which no more datagrams are waited for, or bytes of a stream
PATTERN = bytes(range(251)) * 8  # its length has no factor in common with a block's
PERIOD = 251


def main(role: str, *where: str) -> None:
    {"echo": echo, "count": counting, "take": take, "give": give, "ask": ask, "push": push, "hear": hear}[role](*where)


def told(**result: object) -> None:
    print(json.dumps(result), flush=True)


def heard() -> str:
    """A line, if there is one."""
    return sys.stdin.readline().strip() if select.select([sys.stdin], [], [], 0)[0] else ""


def datagrams() -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        one.setsockopt(socket.SOL_SOCKET, option, 1 << 22)
    with suppress(PermissionError):  # beyond what is usually allowed
        one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
    return one


class Seen(list[tuple[int, float]]):
    """What has arrived, and when."""

    def add(self, number: int) -> None:
        if not self:
            print("begun", flush=True)
        self.append((number, time.monotonic()))


def echo(port: str) -> None:
    one, seen = datagrams(), Seen()
    one.bind(("", int(port)))
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([one, sys.stdin], [], [])
        if one in readable:
            data, client = one.recvfrom(100)
            seen.add(int(data))
            one.sendto(data, client)
        elif sys.stdin in readable:
            break
    told(seen=seen)


def counting(address: str, port: str) -> None:
    one, seen, sent = datagrams(), Seen(), 0
    one.connect((address, int(port)))
    one.setblocking(False)
    print("ready", flush=True)
    began = time.monotonic()
    while True:
        if time.monotonic() >= began + sent * STEP_S:
            try:
                one.send(b"%d" % sent)
            except OSError:
                continue  # an error that came back
            sent += 1
        readable, _, _ = select.select([one, sys.stdin], [], [], max(0.0, began + sent * STEP_S - time.monotonic()))
        if one in readable:
            with suppress(OSError):
                seen.add(int(one.recv(100)))
        if sys.stdin in readable:
            break
    while len(seen) < sent and select.select([one], [], [], QUIET_S)[0]:
        with suppress(OSError):
            seen.add(int(one.recv(100)))
    told(sent=sent, seen=seen)


def push(port: str) -> None:
    one, sent = datagrams(), 0
    one.bind(("", int(port)))
    print("ready", flush=True)
    client = one.recvfrom(100)[1]
    began = time.monotonic()
    while not select.select([sys.stdin], [], [], max(0.0, began + sent * STEP_S - time.monotonic()))[0]:
        with suppress(OSError):
            one.sendto(b"%d" % sent, client)
        sent += 1
    told(sent=sent)


def hear(address: str, port: str) -> None:
    one, seen = datagrams(), Seen()
    one.connect((address, int(port)))
    print("ready", flush=True)
    one.send(b"0")
    while True:
        readable, _, _ = select.select([one, sys.stdin], [], [])
        if one in readable:
            with suppress(OSError):
                seen.add(int(one.recv(100)))
        if sys.stdin in readable:
            if heard() != "speak":
                break
            one.send(b"0")
    told(seen=seen)


def ask(address: str, port: str) -> None:
    """The error that comes back for one datagram, and what it says."""
    print("ready", flush=True)
    one = datagrams()
    one.connect((address, int(port)))
    one.settimeout(10)
    back = ""
    try:
        one.send(b"0")
        one.recv(100)
    except OSError as error:
        back = type(error).__name__
    sys.stdin.readline()  # not before: whoever started this may still read "ready", and would take both at once
    told(error=back)


def connection(where: tuple[str, ...]) -> socket.socket:
    if len(where) == 2:
        print("ready", flush=True)
        return socket.create_connection((where[0], int(where[1])), 10)
    listening = socket.create_server(("", int(where[0])))
    print("ready", flush=True)
    one = listening.accept()[0]
    listening.close()
    return one


def take(*where: str) -> None:
    one, got, exact, seen, ended = connection(where), 0, True, Seen(), False
    while True:
        readable, _, _ = select.select([one] if ended else [one, sys.stdin], [], [], LINGER_S if ended else None)
        if sys.stdin in readable:
            if heard() == "speak":
                one.send(b".")
            else:
                ended = True
            continue
        try:
            data = one.recv(1000) if readable else b""
        except ConnectionError:  # the other end has ended
            data = b""
        if not data:
            break
        exact = exact and data == PATTERN[got % PERIOD :][: len(data)]
        got += len(data)
        seen.add(got)
    if not ended:
        sys.stdin.readline()
    told(bytes=got, exact=exact, seen=seen)


def give(*where: str) -> None:
    one, sent, broken = connection(where), 0, False
    one.setblocking(False)
    began, steps = time.monotonic(), 0
    while True:
        if not broken and time.monotonic() >= began + steps * STEP_S:
            steps += 1
            try:
                sent += one.send(PATTERN[sent % PERIOD :][:BLOCK])
            except BlockingIOError:
                pass
            except ConnectionError:  # the other end has ended
                broken = True
        rest = max(0.0, began + steps * STEP_S - time.monotonic())
        if select.select([sys.stdin], [], [], 1 if broken else rest)[0]:
            break
    told(bytes=sent)


if __name__ == "__main__":
    main(*sys.argv[1:])
