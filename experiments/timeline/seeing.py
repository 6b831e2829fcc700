"""What watchers saw, between one step and the next: time without traffic, loss, reordering, recovery. Pure.

Times are seconds of the machine's monotonic clock, which whoever did the steps has too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from experiments.parse import ToolFailed

BIN_S, STREAM_BIN_S = 0.01, 0.1
_UNSEEN_S = 0.2  # at a case's beginning, and at its end, at most


@dataclass(frozen=True)
class Probe:
    """A request, and the reply if one came."""

    sent_s: float
    received_s: float | None


@dataclass(frozen=True)
class Span:
    """A stretch from one step to the next."""

    event: str
    begins_s: float
    ends_s: float


@dataclass(frozen=True)
class Seen:
    """What became of the probes of a span."""

    outage_s: float  # the longest time between one that was answered and the next that was
    lost: int
    reordered: int  # replies that came after one to a later request
    recovery_s: float  # from the step to the first request after which all are answered


def probes(stdout: str, to_monotonic_s: float) -> list[Probe]:
    """The requests of an irtt run; `to_monotonic_s` is what its wall clock is to be shifted by. Raises ToolFailed."""
    try:
        trips = json.loads(stdout)["round_trips"]
    except (ValueError, KeyError, TypeError) as error:
        raise ToolFailed("irtt: no report") from error
    found = []
    for trip in trips:
        client = trip["timestamps"]["client"]
        sent = client["send"]["wall"] / 1e9 + to_monotonic_s
        received = client.get("receive", {}).get("wall") if trip["lost"] == "false" else None
        found.append(Probe(sent, received / 1e9 + to_monotonic_s if received else None))
    if not any(one.received_s for one in found):
        raise ToolFailed(f"irtt: no reply to {len(found)} requests")
    return found


def ended_early(times_s: Sequence[float], seconds: float) -> bool:
    """Whether what was to watch for so long ended long before: it gives up where nobody listens any more."""
    return bool(times_s) and times_s[-1] - times_s[0] < seconds - _UNSEEN_S - STREAM_BIN_S


def check_to_the_end(last_s: Mapping[str, float], ends_s: float, late_s: float) -> None:
    """Raises ToolFailed where a watcher had ended when the case had not: what nobody looked at would count as well."""
    for watch, last in last_s.items():
        if last < ends_s - _UNSEEN_S:
            raise ToolFailed(
                f"{watch}: the last {ends_s - last:.1f} s were not watched, as steps came {late_s:.1f} s late"
            )


def check_from_the_beginning(first_s: Mapping[str, float], began_s: float) -> None:
    """Raises ToolFailed where a watcher began when the case had begun long ago."""
    for watch, first in first_s.items():
        if first > began_s + _UNSEEN_S:
            raise ToolFailed(f"{watch}: the first {first - began_s:.1f} s were not watched: what watches began late")


def ended_before(found: Sequence[Probe], span: Span) -> bool:
    """Whether no probe was sent any more when a span began."""
    return all(one.sent_s < span.begins_s for one in found)


def of(found: Sequence[Probe], span: Span) -> Seen:
    """What became of the probes that were sent within a span."""
    within = [one for one in found if span.begins_s <= one.sent_s < span.ends_s]
    answered = [one for one in within if one.received_s is not None]
    lost = [one for one in within if one.received_s is None]
    before = max((one.sent_s for one in found if one.received_s and one.sent_s < span.begins_s), default=span.begins_s)
    return Seen(
        outage_s=_longest_gap([before, *(one.sent_s for one in answered)], lost, span.ends_s),
        lost=len(lost),
        reordered=_reordered(answered),
        recovery_s=max((one.sent_s for one in lost), default=span.begins_s) - span.begins_s,
    )


def _longest_gap(answered: Sequence[float], lost: Sequence[Probe], ends_s: float) -> float:
    """Between requests that were answered, where one between them was not: a sender that was late is no outage."""
    marks, longest = [*sorted(answered), ends_s], 0.0
    times = sorted(one.sent_s for one in lost)
    place = 0
    for begins, ends in pairwise(marks):
        while place < len(times) and times[place] < begins:
            place += 1
        if place < len(times) and times[place] < ends:
            longest = max(longest, ends - begins)
    return longest


def _reordered(answered: Sequence[Probe]) -> int:
    latest, count = 0.0, 0
    for one in answered:
        assert one.received_s is not None
        count += one.received_s < latest
        latest = max(latest, one.received_s)
    return count


def spans(events: Sequence[tuple[str, float]], ends_s: float) -> Iterator[Span]:
    """From each event to the next, and from the last to the end."""
    times = [*(when for _, when in events[1:]), ends_s]
    for (name, begins), ends in zip(events, times, strict=True):
        yield Span(name, begins, ends)


def shares(found: Sequence[Probe], begins_s: float, seconds: float) -> list[float | None]:
    """The share of requests that were answered, for each hundredth of a second; None where none was sent."""
    sent, answered = ([0] * round(seconds / BIN_S) for _ in range(2))
    for one in found:
        place = int((one.sent_s - begins_s) / BIN_S)
        if 0 <= place < len(sent):
            sent[place] += 1
            answered[place] += one.received_s is not None
    return [round(a / s, 3) if s else None for a, s in zip(answered, sent, strict=True)]


@dataclass(frozen=True)
class Interval:
    """What a stream moved within a stretch."""

    begins_s: float
    ends_s: float
    bytes: int


def intervals(stdout: str, ended_s: float) -> list[Interval]:
    """The stretches of an iperf3 run whose client ended then, also of one that broke off. Raises ToolFailed."""
    try:
        sums = [one["sum"] for one in json.loads(stdout)["intervals"]]
        began_s = ended_s - max(float(one["end"]) for one in sums)
    except (ValueError, KeyError, TypeError) as error:
        raise ToolFailed("iperf3: no report") from error
    return [Interval(began_s + one["start"], began_s + one["end"], one["bytes"]) for one in sums]


def to_the_end(found: Sequence[Interval], ends_s: float) -> list[Interval]:
    """A stream that broke off, which moves nothing until the case ends."""
    last_s = max((one.ends_s for one in found), default=ends_s)
    begins = [last_s + number * STREAM_BIN_S for number in range(ceil((ends_s - last_s) / STREAM_BIN_S))]
    return [*found, *(Interval(one, min(one + STREAM_BIN_S, ends_s), 0) for one in begins)]


def still_s(found: Sequence[Interval], span: Span) -> float:
    """The longest time within a span in which a stream moved nothing, to a tenth of a second."""
    longest = 0.0
    since: float | None = None
    for one in found:
        if one.ends_s <= span.begins_s or one.begins_s >= span.ends_s or one.bytes:
            since = None
            continue
        since = one.begins_s if since is None else since
        longest = max(longest, one.ends_s - since)
    return longest


def rates(found: Sequence[Interval], begins_s: float, seconds: float) -> list[float]:
    """Mbit/s of a stream, for each tenth of a second."""
    made = [0.0] * round(seconds / STREAM_BIN_S)
    for one in found:
        place = int(((one.begins_s + one.ends_s) / 2 - begins_s) / STREAM_BIN_S)
        if 0 <= place < len(made):
            made[place] += 8e-6 * one.bytes / STREAM_BIN_S
    return [round(one, 2) for one in made]
