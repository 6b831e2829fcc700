"""Waits until addresses are answered: a new connection every few milliseconds, whatever became of those before.

`python -m experiments.awaiting NETNS TIMEOUT_S NAME [ADDRESS:PORT...]` says "ready" on stdout and begins; without
addresses it reads them first, on one line of stdin. A NAME that is not empty must be who answers. In the end it writes
the time of the last first answer, or "timeout"; the clock is the machine's monotonic one, which whoever started it has
too.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Sequence

from experiments.calls import Attempt, Call, begin, turn

PACE_S = 0.002  # from one attempt to the next
_ATTEMPT_S, _AT_ONCE = 1.0, 64


def first_answer(netns: str, timeout_s: float, name: str, places: Sequence[tuple[str, int]]) -> float | None:
    """When all of them had answered, by the monotonic clock; None where one did not in time."""
    deadline = time.monotonic() + timeout_s
    if all(_answered(Call(netns, *place), name, deadline) for place in places):
        return time.monotonic()
    return None


def _answered(call: Call, name: str, deadline: float) -> bool:
    """Wait until a connection is answered by that name; False where none is in time."""
    waiting: dict[int, Attempt] = {}
    due = 0.0
    with select.epoll() as poll:
        try:
            while (now := time.monotonic()) < deadline:
                if now >= due and len(waiting) < _AT_ONCE and (fresh := begin(0, call)):
                    waiting[fresh.socket.fileno()] = fresh
                    poll.register(fresh.socket, select.EPOLLOUT)
                    due = now + PACE_S
                for descriptor, _ in poll.poll(PACE_S):
                    answer = turn(waiting[descriptor], poll)
                    if answer and answer.answered and name in ("", answer.name):
                        return True
                    if answer:
                        waiting.pop(descriptor).socket.close()
                for descriptor in [fd for fd, one in waiting.items() if one.began < now - _ATTEMPT_S]:
                    waiting.pop(descriptor).socket.close()
        finally:
            for one in waiting.values():
                one.socket.close()
    return False


def main(arguments: Sequence[str]) -> None:
    """Wait for what the arguments name."""
    netns, timeout_s, name, *places = arguments
    print("ready", flush=True)
    places = places or sys.stdin.readline().split()
    split = [(address, int(port)) for address, _, port in (place.partition(":") for place in places)]
    when = first_answer(netns, float(timeout_s), name, split)
    print("timeout" if when is None else f"{when:.6f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
