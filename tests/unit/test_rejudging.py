"""Open connections are judged anew: whom it is asked of, what is sent, how much of it, and how often."""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from network_model import FABRIC, network_of

from controller import framework
from controller.encode import Encoder
from controller.open_connections import FRAME_BYTES, Connection, datagram
from controller.rejudging import BATCH, MOST, Rejudging

pytestmark = pytest.mark.unit
LOADED = framework.load("os-ken")
ENCODER = Encoder(LOADED.protocol)
PACKET_OUT = 13
STATS, DUMP = "dpctl/ct-stats-show", "dpctl/dump-conntrack"


def line(one: Connection) -> str:
    return f"udp,orig=(src={one.client},dst={one.address},sport={one.client_port},dport={one.port}),reply=(),zone=1\n"


class Switch:
    """A switch's connection."""

    def __init__(self, dpid: int, send: Callable[[bytes], None]) -> None:
        self.id, self.send = dpid, send


class World:
    """Two nodes' bridges under one Open vSwitch that tells of these connections, and what is done about them."""

    def __init__(self, connections: list[Connection], total: int | None = None) -> None:
        self.connections, self.total = connections, len(connections) if total is None else total
        self.asked: list[tuple[str, ...]] = []
        self.later: list[Callable[[], None]] = []
        self.sent: list[bytes] = []
        self.slept: list[float] = []
        self.broken = self.busy = False
        hub = SimpleNamespace(sleep=self.slept.append)
        loaded: Any = SimpleNamespace(hub=hub, spawn=self.later.append)
        self.rejudging = Rejudging(loaded, ENCODER, network_of(2).desired, self)  # type: ignore[arg-type]

    def ask(self, bridge: str, command: str, *arguments: str) -> str | None:
        self.asked.append((bridge, command, *arguments))
        if self.busy and command not in (STATS, DUMP):
            return None
        if self.broken:
            raise OSError("broken")
        counts = f"Connections Stats:\n    Total: {self.total}\n  UDP: {len(self.connections)}\n"
        return counts if command == STATS and self.connections else "".join(map(line, self.connections))

    def switch(self, dpid: int) -> Switch:
        return Switch(dpid, self.sent.append)

    def act(self) -> None:
        for one in self.later:
            one()
        self.later.clear()

    def frames(self) -> list[bytes]:
        """Of the packets that were sent."""
        found, rest = [], b"".join(self.sent)
        while rest:
            _, kind, length = struct.unpack_from("!BBH", rest)
            assert kind == PACKET_OUT
            found.append(rest[length - FRAME_BYTES : length])
            rest = rest[length:]
        return found


def many(count: int) -> list[Connection]:
    return [Connection(f"10.244.{1 + number % 2}.2", "10.96.0.10", number, 53) for number in range(count)]


def test_each_connection_gets_a_packet_like_its_clients() -> None:
    world = World(many(3))
    world.rejudging.soon(world.switch(1), 0.5)
    assert world.sent == []
    world.act()
    assert world.slept[0] == 0.5
    assert world.asked[:2] == [("b1", STATS, "zone=1"), ("b1", DUMP, "zone=1")]
    assert sorted(world.frames()) == sorted(map(datagram, many(3)))


def test_whoever_has_no_connections_is_asked_no_more() -> None:
    world = World([], total=7)
    world.rejudging.soon(world.switch(2), 0.5)
    world.act()
    assert world.asked == [("b2", STATS, "zone=2")]
    assert world.sent == []


def test_too_many_connections_are_left_alone_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    world = World(many(3), total=MOST + 1)
    world.rejudging.soon(world.switch(1), 0.5)
    world.act()
    assert [command for _, command, *_ in world.asked] == [STATS]
    assert world.sent == []
    assert "b1" in caplog.text and str(MOST) in caplog.text


def test_packets_come_in_batches_with_room_between_them() -> None:
    world = World(many(2 * BATCH + 2))
    world.rejudging.soon(world.switch(1), 0.5)
    world.act()
    assert len(world.frames()) == 2 * BATCH + 2
    assert all(len(batch) <= len(world.sent[0]) for batch in world.sent) and len(world.sent) >= 3
    assert len(world.slept) >= len(world.sent)


def test_the_next_packets_wait_until_the_switch_has_time_for_them() -> None:
    world = World(many(2 * BATCH))
    world.busy = True
    world.rejudging.soon(world.switch(1), 0.5)
    world.act()
    assert len(world.sent) == 1


def test_what_is_asked_for_meanwhile_is_done_once_and_what_comes_after_it_is_done_again() -> None:
    world = World(many(1))
    switch, other = world.switch(1), world.switch(2)
    for _ in range(5):
        world.rejudging.soon(switch, 0.5)
    world.rejudging.soon(other, 0.5)
    world.rejudging.soon(switch, 0.1)
    assert len(world.later) == 3
    world.act()
    world.rejudging.soon(switch, 0.5)
    world.rejudging.soon(world.switch(1), 0.5)  # the same bridge, connected anew
    assert len(world.later) == 2


def test_fabric_switches_and_strangers_are_not_asked_nor_is_anybody_without_control_sockets() -> None:
    world = World(many(1))
    for dpid in (FABRIC + 1, 77):
        world.rejudging.soon(world.switch(dpid), 0.5)
    assert world.later == []
    hub: Any = SimpleNamespace(spawn=world.later.append)
    Rejudging(hub, ENCODER, network_of(2).desired, None).soon(world.switch(1), 0.5)
    assert world.later == []


def test_what_goes_wrong_is_told_and_does_not_stay(caplog: pytest.LogCaptureFixture) -> None:
    world = World(many(1))
    switch, world.broken = world.switch(1), True
    world.rejudging.soon(switch, 0.5)
    world.act()
    assert "b1" in caplog.text
    world.broken = False
    world.rejudging.soon(switch, 0.5)
    world.act()
    assert len(world.frames()) == 1
