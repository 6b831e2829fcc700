"""The largest packet that passes whole, and whether whoever sends a larger one is told so: asked with ping."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from experiments.inside import Sandbox

HEADERS = 28  # IPv4 and ICMP
_WAIT_S = 0.4
_TOLD = re.compile(r"mtu ?= ?(\d+)")
SMALLEST = 68  # RFC 791: what every link carries


@dataclass(frozen=True)
class Tried:
    """One packet that may not be fragmented."""

    passed: bool
    told: int | None = None  # the MTU that somebody on the way told of


@dataclass(frozen=True)
class PathMtu:
    """What there is between two ends."""

    largest: int  # bytes of an IP packet that passes; 0: not even the smallest
    told: bool  # whether the sender of a larger one hears of it
    swallowed: bool  # a packet that its interface takes is lost in silence


def find(attempt: Callable[[int], Tried], most: int) -> PathMtu:
    """The largest of packets up to `most` bytes, by halving."""
    first = attempt(most)
    if first.passed:
        return PathMtu(most, told=False, swallowed=False)
    told = first.told is not None
    low, high = SMALLEST - 1, most
    if first.told and SMALLEST <= first.told < most and attempt(first.told).passed:
        low = first.told
        high = first.told + 1 if not attempt(first.told + 1).passed else most
    while high - low > 1:
        middle = (low + high) // 2
        if attempt(middle).passed:
            low = middle
        else:
            high = middle
    largest = low if low >= SMALLEST else 0
    return PathMtu(largest, told=told, swallowed=not told)


def attempt(sandbox: Sandbox, netns: str, address: str, size: int) -> Tried:
    """Send one packet of so many bytes, which nobody may fragment; a second time where nothing came of it."""
    for _ in range(2):
        argv = ["ping", "-n", "-M", "do", "-c", "1", "-W", str(_WAIT_S), "-s", str(size - HEADERS), address]
        done = sandbox.run(argv, netns=netns)
        told = _TOLD.search(done.stdout + done.stderr)
        if done.code == 0 or told:
            return Tried(done.code == 0, int(told[1]) if told else None)
    return Tried(False)


def forget(sandbox: Sandbox, netns: str) -> None:
    """What the namespace has been told of paths before."""
    sandbox.run(["ip", "route", "flush", "cache"], netns=netns)
