"""What a supervisor tells `podwire up` while the lab comes up: one JSON line an event, over a pipe.

Nobody may be listening (any more): the supervisor's log has everything too.
"""

from __future__ import annotations

import json
import os
import select
from collections.abc import Iterator
from dataclasses import asdict, dataclass

TOPOLOGY = "topology"  # every node and bridge is built
ENDED = "ended"  # a component ended by itself
FAILED = "failed"  # the lab cannot come up


@dataclass(frozen=True)
class Event:
    """Something that happened to a lab."""

    kind: str  # TOPOLOGY, ENDED or FAILED
    component: str = ""
    message: str = ""


def tell(descriptor: int, event: Event) -> None:
    """Write an event to the pipe, if anybody reads it."""
    try:
        os.write(descriptor, json.dumps(asdict(event)).encode() + b"\n")
    except (BrokenPipeError, BlockingIOError):
        return


class Listener:
    """The reading end of the pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self.closed = False  # every writer is gone: the supervisor is dead

    def events(self, timeout_s: float) -> Iterator[Event]:
        """The events that have come, after a wait of up to `timeout_s` for the first."""
        while not self.closed and select.select([self._descriptor], [], [], timeout_s)[0]:
            timeout_s = 0
            chunk = os.read(self._descriptor, 65536)
            self.closed = not chunk
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            yield from (Event(**json.loads(line)) for line in lines)
