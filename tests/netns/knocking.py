"""Knocks at pods' doors all the time, and sees what arrives there: frames out of a pod's eth0, and into another's.

A process of its own in the sandbox. Each probe is a first packet from a fresh port, or one more of a flow that goes on
from the same port. Nobody listens: a packet is seen at the receiver, before its kernel has a word.

`python knocking.py` reads {"ends": [[netns, address, mac, gateway's mac], ...], "often": [[source, target], ...],
"rate": per second, "most_s": N} from stdin, and knocks until a line more comes, or its time is up. Then it writes
{"sent": N, "arrived": [[source, target, protocol, port, source port, sent_s, arrived_s], ...]}; ends by their places,
moments of the monotonic clock.
"""

from __future__ import annotations

import json
import random
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from itertools import count

from controller.checksums import TCP, UDP, finished
from topo.syscalls import inside

ETH_P_IP = 0x0800
DOORS = ((TCP, 80), (TCP, 8080), (UDP, 53))  # what the random policies speak of
FRESH, GOING_ON = range(20_000, 60_000), 10_000
LATE_S = 0.3  # for what is still on its way at the end
NAMES = {TCP: "TCP", UDP: "UDP"}


@dataclass(frozen=True)
class Probe:
    """One way to knock."""

    source: int
    target: int
    protocol: int
    port: int
    same: bool  # always from the same port

    def source_port(self, number: int) -> int:
        """That the knock with this number leaves from."""
        return GOING_ON + self.target if self.same else FRESH[number % len(FRESH)]


@dataclass
class Knocking:
    """Sockets in every namespace, and what was sent and seen."""

    ends: list[tuple[str, str, str, str]]
    often: list[tuple[int, int]]
    sockets: list[socket.socket] = field(default_factory=list)
    sent: list[tuple[Probe, float]] = field(default_factory=list)
    arrived: list[tuple[int, float]] = field(default_factory=list)

    def open(self) -> None:
        for netns, *_ in self.ends:
            with inside(netns):
                one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
                one.bind(("eth0", ETH_P_IP))
            one.setblocking(False)
            self.sockets.append(one)

    def run(self, rate: int, most_s: float) -> None:
        """Until stdin says something."""
        probes = self._probes()
        ends, places = time.monotonic() + most_s, count()
        began, done = time.monotonic(), 0
        with select.epoll() as poll:
            poll.register(sys.stdin, select.EPOLLIN)
            for one in self.sockets:
                poll.register(one, select.EPOLLIN)
            by_number = {one.fileno(): one for one in self.sockets}
            while (now := time.monotonic()) < ends:
                due = min(int((now - began) * rate), done + 50)
                for _ in range(due - done):
                    place = next(places)
                    if place % len(probes) == 0:
                        random.shuffle(probes)
                    self._knock(probes[place % len(probes)])
                done = due
                for number, _ in poll.poll(0.002):
                    if number == sys.stdin.fileno():
                        ends = min(ends, time.monotonic() + LATE_S)
                        rate, began, done = 0, 0.0, 0
                        poll.unregister(number)
                    else:
                        self._see(by_number[number])

    def _probes(self) -> list[Probe]:
        pairs = [(one, other) for one in range(len(self.ends)) for other in range(len(self.ends)) if one != other]
        return [
            Probe(one, other, protocol, port, same)
            for one, other in [*pairs, *self.often * 5]
            for protocol, port in DOORS
            for same in (False, True)
        ]

    def _knock(self, probe: Probe) -> None:
        number = len(self.sent)
        frame = self._frame(probe, probe.source_port(number), number)
        self.sent.append((probe, time.monotonic()))
        self.sockets[probe.source].send(frame)

    def _frame(self, probe: Probe, port: int, number: int) -> bytes:
        (_, source, mac, gateway), target = self.ends[probe.source], self.ends[probe.target][1]
        if probe.protocol == TCP:
            body = struct.pack("!HHIIBBHHH", port, probe.port, number, 0, 5 << 4, 0x02, 1024, 0, 0)
        else:
            body = struct.pack("!HHHHI", port, probe.port, 12, 0, number)
        addresses = socket.inet_aton(source) + socket.inet_aton(target)
        header = struct.pack("!BBHHHBBH8s", 0x45, 0, 20 + len(body), 0, 0, 64, probe.protocol, 0, addresses)
        header = header[:10] + _checksum(header) + header[12:]
        macs = bytes.fromhex(gateway.replace(":", "")) + bytes.fromhex(mac.replace(":", ""))
        return finished(macs + ETH_P_IP.to_bytes(2, "big") + header + body)

    def _see(self, one: socket.socket) -> None:
        for _ in range(200):
            try:
                frame, (_, _, kind, *_) = one.recvfrom(100)
            except BlockingIOError:
                return
            number = _number(frame) if kind == socket.PACKET_HOST else None
            if number is not None:
                self.arrived.append((number, time.monotonic()))

    def told(self) -> dict[str, object]:
        return {"sent": len(self.sent), "arrived": [self._row(*one) for one in self.arrived]}

    def _row(self, number: int, arrived_s: float) -> list[object]:
        probe, sent_s = self.sent[number]
        way = [probe.source, probe.target, NAMES[probe.protocol], probe.port]
        return [*way, probe.source_port(number), sent_s, arrived_s]


def _number(frame: bytes) -> int | None:
    """Which knock a frame is; None where it is none."""
    if frame[14] != 0x45:
        return None
    if frame[23] == UDP:
        return int(struct.unpack_from("!I", frame, 42)[0]) if frame[36:38] in DNS else None
    return int(struct.unpack_from("!I", frame, 38)[0]) if frame[23] == TCP and frame[47] == 0x02 else None


DNS = tuple(port.to_bytes(2, "big") for protocol, port in DOORS if protocol == UDP)


def _checksum(header: bytes) -> bytes:
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return (~(total + (total >> 16)) & 0xFFFF).to_bytes(2, "big")


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    knocking = Knocking([tuple(one) for one in asked["ends"]], [tuple(one) for one in asked["often"]])
    knocking.open()
    print("ready", flush=True)
    knocking.run(asked["rate"], asked["most_s"])
    print(json.dumps(knocking.told()), flush=True)


if __name__ == "__main__":
    main()
