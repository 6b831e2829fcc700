"""When a bridge may take in what lets more through: once no other lets through what shall not get through any more.

Of a kind of change, `since` tells since when a bridge has some that it has not taken in: what closes, what passes, or
what opens, for which those wait whose first packets need it.

A bridge lets it through until it has taken the change in, and for a moment longer: its datapath remembers what it did
with packets of the kind, and looks whether that still holds some milliseconds later. A bridge that is not there, or has
not said what it holds, may hold anything: it is waited for, but not for long, since it may be gone for good.

What opens waits for what was to close when it came, and not for what comes later: policies may change all the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from .patience import ALWAYS, LONG_AGO
from .sync import SwitchSync

SETTLE_S = 0.05  # 10,000 datapath flows were looked at within 33 ms
PATIENCE_S = 3.0  # with bridges that are away
BUSY_S = 10.0  # with bridges that are there, and have not taken in what they were sent
Span = tuple[float, float]  # two moments


class Gate:
    """Asked by each node bridge before it opens. One thread asks."""

    def __init__(
        self, clock: Callable[[], float], since: Callable[[SwitchSync], float | None], settle_s: float = SETTLE_S
    ) -> None:
        self._clock, self._since, self._settle_s = clock, since, settle_s
        self._away_since: dict[int, float] = {}
        self._closing: dict[int, Span] = {}  # since when something is to be closed, and when that was seen
        self._settling: dict[int, list[Span]] = {}  # since when that was which is closed, and when it was

    def look(self, bridges: Iterable[int], there: Mapping[int, SwitchSync]) -> None:
        """See which of the cluster's node bridges are there, and which have something to take in."""
        now, bridges = self._clock(), list(bridges)
        self._away_since = {one: self._away_since.get(one, now) for one in bridges if one not in there}
        since = {one: self._since(there[one]) for one in bridges if one in there}
        self._settling = {one: self._settled(one, at, now) for one, at in since.items()}
        seen = {one: self._closing.get(one, (None, now)) for one in since}
        self._closing = {
            one: (at, seen[one][1] if seen[one][0] == at else now) for one, at in since.items() if at is not None
        }

    def _settled(self, dpid: int, since: float | None, now: float) -> list[Span]:
        """What a bridge has closed a moment ago."""
        settling = [(began, at) for began, at in self._settling.get(dpid, ()) if now - at < self._settle_s]
        before = self._closing.get(dpid)
        closed = before is not None and (since is None or since > before[0])
        return [*settling, (before[0], now)] if before and closed else settling

    def open_until(self, dpid: int) -> float:
        """The moment before which a bridge may open all that had come."""
        now = self._clock()
        if any(now - since < PATIENCE_S for since in self._away_since.values()):
            return LONG_AGO
        closing = [since for other, (since, at) in self._closing.items() if other != dpid and now - at < BUSY_S]
        settling = [
            since
            for other, all_of_it in self._settling.items()
            for since, at in all_of_it
            if other != dpid and now - at < self._settle_s
        ]
        return min([*closing, *settling], default=ALWAYS)
