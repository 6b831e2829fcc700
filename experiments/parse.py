"""What the traffic tools say, as values: iperf3's JSON and irtt's JSON. Pure.

A tool that fails says so in its own words; they are kept, because "it did not work" helps nobody.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from k8sshim.errors import PodwireError

PERCENTILES = (50, 90, 99)
_MBIT = 1e6
_NS_A_US = 1e3


class ToolFailed(PodwireError):
    """A traffic tool did not give a reading; the text is its own message."""


@dataclass(frozen=True)
class Throughput:
    """What one iperf3 run moved, as the receiver counted it."""

    mbit_per_s: float
    seconds: float
    sent_bytes: int
    loss_percent: float | None  # UDP alone
    retransmits: int | None  # TCP alone


@dataclass(frozen=True)
class Latency:
    """The round-trip times of one irtt run, in microseconds, in the order they were sent."""

    round_trips_us: tuple[float, ...]
    lost: int


def throughput(stdout: str, stderr: str = "", code: int = 0) -> Throughput:
    """iperf3's `--json` output. Raises ToolFailed."""
    report = _object("iperf3", stdout, stderr, code)
    if error := report.get("error"):
        raise ToolFailed(f"iperf3: {_line(error)}")
    try:
        return _udp(report["end"]) if report["start"]["test_start"]["protocol"] == "UDP" else _tcp(report["end"])
    except (KeyError, TypeError) as error:
        raise ToolFailed(f"iperf3: its report lacks {error}{_said(stderr, code)}") from error


def latency(stdout: str, stderr: str = "", code: int = 0) -> Latency:
    """irtt's `-o -` output. Raises ToolFailed, also where no reply came."""
    report = _object("irtt", stdout, stderr, code)
    try:
        trips = [trip["delay"].get("rtt") for trip in report["round_trips"] if trip["lost"] == "false"]
        lost = sum(trip["lost"] != "false" for trip in report["round_trips"])
    except (KeyError, TypeError) as error:
        raise ToolFailed(f"irtt: its report lacks {error}{_said(stderr, code)}") from error
    if not trips:
        raise ToolFailed(f"irtt: no reply to {lost} requests{_said(stderr, code)}")
    return Latency(tuple(trip / _NS_A_US for trip in trips), lost)


def _tcp(end: Any) -> Throughput:
    sent, received = end["sum_sent"], end["sum_received"]
    if not received["bytes"]:
        raise ToolFailed("iperf3: nothing arrived")
    return Throughput(
        mbit_per_s=received["bits_per_second"] / _MBIT,
        seconds=received["seconds"],
        sent_bytes=sent["bytes"],
        loss_percent=None,
        retransmits=sent.get("retransmits"),
    )


def _udp(end: Any) -> Throughput:
    """The receiver's count; iperf3 before 3.10 gives one sum, with the sender's rate and the receiver's losses.

    Lost is what the receiver missed up to the last datagram that it saw: those on their way when it stopped are not.
    """
    total, received = end["sum"], end.get("sum_received")
    seen = (received or total)["packets"]
    if not seen:
        raise ToolFailed("iperf3: nothing arrived")
    loss = total["lost_packets"] / seen
    rate = received["bits_per_second"] if received else total["bits_per_second"] * (1 - loss)
    if not rate or loss >= 1:
        raise ToolFailed("iperf3: nothing arrived")
    return Throughput(rate / _MBIT, total["seconds"], total["bytes"], loss * 100, None)


def _object(tool: str, stdout: str, stderr: str, code: int) -> dict[str, Any]:
    try:
        report = json.loads(stdout)
    except ValueError as error:
        raise ToolFailed(f"{tool}: no report{_said(stderr, code) or ': ' + _line(stdout)[:200]}") from error
    if not isinstance(report, dict):
        raise ToolFailed(f"{tool}: no report{_said(stderr, code)}")
    return report


def _said(stderr: str, code: int) -> str:
    """What a tool added on stderr, its last line, and its exit code."""
    lines: Sequence[str] = [line for line in stderr.splitlines() if line.strip()]
    words = f": {_line(lines[-1])}" if lines else ""
    return words + (f" (exit code {code})" if code else "")


def _line(text: object) -> str:
    return " ".join(str(text).split())
