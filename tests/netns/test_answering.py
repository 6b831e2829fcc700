"""Asking gateways from many namespaces, until they answer."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator

import pytest

from lab import answering, sandbox

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not sandbox.inside(), reason="makes namespaces: run in python -m lab.sandbox -- pytest"),
]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def rooms() -> Iterator[list[str]]:
    """Two namespaces with a link each to this one, which has the gateways' addresses."""
    names = ["room-1", "room-2"]
    for number, name in enumerate(names, 1):
        ip("netns", "add", name)
        ip("link", "add", f"door{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("addr", "add", f"10.78.{number}.1/24", "dev", f"door{number}")
        ip("addr", "add", f"fd78:{number}::1/64", "dev", f"door{number}", "nodad")
        ip("link", "set", f"door{number}", "up")
        ip("-n", name, "addr", "add", f"10.78.{number}.2/24", "dev", "eth0")
        ip("-n", name, "addr", "add", f"fd78:{number}::2/64", "dev", "eth0", "nodad")
        ip("-n", name, "link", "set", "eth0", "up")
    yield names
    for number, name in enumerate(names, 1):
        ip("link", "delete", f"door{number}")
        ip("netns", "delete", name)


def test_gateways_that_answer_and_those_that_do_not(rooms: list[str]) -> None:
    answer = [("room-1", "10.78.1.1"), ("room-2", "10.78.2.1"), ("room-2", "fd78:2::1")]
    assert answering.unanswered(answer, 5.0) == []
    assert answering.unanswered([*answer, ("room-1", "10.78.1.9"), ("no-room", "10.78.1.1")], 0.5) == [
        "no-room",
        "room-1",
    ]


def test_a_gateway_that_answers_late_is_waited_for(rooms: list[str]) -> None:
    ip("link", "set", "door1", "down")
    timer = threading.Timer(0.5, ip, ("link", "set", "door1", "up"))
    timer.start()
    assert answering.unanswered([("room-1", "10.78.1.1")], 20.0) == []
    timer.join()


def test_nobody_to_ask() -> None:
    assert answering.unanswered([], 5.0) == []
