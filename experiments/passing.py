"""Whether connections pass, as that changes: new ones from several namespaces to one address, every few milliseconds.

`python -m experiments.passing PORT LIFETIME_S NETNS...` says "ready" on stdout, reads an address from stdin and begins.
It writes a line `PLACE open TIME` when a connection from that namespace (by its place among the arguments) is answered
after none was, and `PLACE closed TIME` when none has been for a while: the time when the first of those began. The
clock is the machine's monotonic one, which whoever started it has too. At the next line from stdin it writes how many
passed from each, `end COUNT...`, and ends.
"""

from __future__ import annotations

import select
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from experiments.calls import Attempt, Call, begin, turn

PACE_S = 0.004  # from one attempt to the next
QUIET_S = 0.4  # an attempt that was not answered in that time does not pass
OPEN, CLOSED = "open", "closed"


@dataclass
class Verdict:
    """What is known of one way."""

    state: str = ""
    count: int = 0  # of attempts that passed
    unanswered: deque[float] = field(default_factory=deque)  # when attempts began, since the last that was answered

    def began(self, when: float) -> None:
        self.unanswered.append(when)

    def passed(self, began: float, now: float) -> tuple[str, float] | None:
        """An attempt was answered: the change that this is, if it is one."""
        self.count += 1
        while self.unanswered and self.unanswered[0] <= began:
            self.unanswered.popleft()
        return self._turned(OPEN, now)

    def overdue(self, now: float) -> tuple[str, float] | None:
        """The change that it is where attempts have been waiting for too long."""
        if self.unanswered and self.unanswered[0] < now - QUIET_S:
            return self._turned(CLOSED, self.unanswered[0])
        return None

    def _turned(self, state: str, when: float) -> tuple[str, float] | None:
        if state == self.state:
            return None
        self.state = state
        return state, when


class Watch:
    """Attempts from some namespaces to one address."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = calls
        self._verdicts = [Verdict() for _ in calls]
        self._waiting: dict[int, Attempt] = {}
        self._due = 0.0

    def run(self, deadline: float, stop: int) -> None:
        """Until then, or until that file descriptor can be read."""
        with select.epoll() as poll:
            poll.register(stop, select.EPOLLIN)
            while (now := time.monotonic()) < deadline:
                if now >= self._due:
                    self._begin(now, poll)
                for descriptor, _ in poll.poll(max(0.0, self._due - time.monotonic())):
                    if descriptor == stop:
                        print("end", *(verdict.count for verdict in self._verdicts), flush=True)
                        return
                    self._hear(descriptor, poll)
                self._forget(time.monotonic())

    def _begin(self, now: float, poll: select.epoll) -> None:
        for place, call in enumerate(self._calls):
            self._verdicts[place].began(now)
            if fresh := begin(place, call):
                fresh.began = now
                self._waiting[fresh.socket.fileno()] = fresh
                poll.register(fresh.socket, select.EPOLLOUT)
        self._due = now + PACE_S

    def _hear(self, descriptor: int, poll: select.epoll) -> None:
        one = self._waiting[descriptor]
        if answer := turn(one, poll):
            self._waiting.pop(descriptor).socket.close()
            if answer.answered:
                self._tell(one.index, self._verdicts[one.index].passed(one.began, time.monotonic()))

    def _forget(self, now: float) -> None:
        """Attempts have their time, and no more."""
        for descriptor in [found for found, one in self._waiting.items() if one.began < now - QUIET_S]:
            self._waiting.pop(descriptor).socket.close()
        for place, verdict in enumerate(self._verdicts):
            self._tell(place, verdict.overdue(now))

    def _tell(self, place: int, change: tuple[str, float] | None) -> None:
        if change:
            print(place, change[0], f"{change[1]:.6f}", flush=True)


def main(arguments: Sequence[str]) -> None:
    """Watch what the arguments name."""
    port, lifetime_s, *places = arguments
    print("ready", flush=True)
    address = sys.stdin.readline().strip()
    watch = Watch([Call(netns, address, int(port)) for netns in places])
    watch.run(time.monotonic() + float(lifetime_s), sys.stdin.fileno())


if __name__ == "__main__":
    main(sys.argv[1:])
