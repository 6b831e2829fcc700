"""One connection to be tried, what can come of it, and how long that is waited for. Pure.

A connection that nothing comes back for looks like one whose first packets were lost. So packets are sent again while
there is time, and silence that nobody expects is asked once more, from another port.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

TCP, UDP, SCTP = "TCP", "UDP", "SCTP"
PROTOCOLS = (TCP, UDP, SCTP)
WAIT_S = 3.3  # for an answer: time for the kernel to send a lost SYN or INIT twice more, at 1 and 3 s
ASK_AGAIN_S = (0.4, 1.2, 2.4)  # when a datagram is sent once more
TRIES = 2  # of what stays silent without being expected to


class Outcome(str, Enum):
    """What came of a connection."""

    ANSWERED = "answered"  # a handshake, or a datagram to the one sent
    CLOSED = "closed"  # a reset, or ICMP port unreachable: it got there, and nobody listens
    UNREACHABLE = "unreachable"  # another ICMP error: something on the way has no way on
    SILENT = "silent"  # nothing came, however often it was asked
    UNTRIED = "untried"  # it could not even begin: no such namespace, no route, no such protocol in this kernel

    @property
    def passed(self) -> bool:
        """Whether packets got to the other end and back."""
        return self in (Outcome.ANSWERED, Outcome.CLOSED)


@dataclass(frozen=True)
class Probe:
    """One connection to try."""

    netns: str  # the name of the namespace that it starts from
    address: str
    port: int
    protocol: str


@dataclass(frozen=True)
class Found:
    """What came of a probe, and how who answered called itself: "" where it did not say."""

    outcome: Outcome
    name: str = ""

    @property
    def allowed(self) -> bool:
        return self.outcome is Outcome.ANSWERED


def again(probes: Sequence[Probe], found: Sequence[Found], silent_is_fine: Sequence[bool]) -> Iterator[int]:
    """Which are tried once more: those whose silence nobody expects, and those that this machine could not begin."""
    for index, (_, one, fine) in enumerate(zip(probes, found, silent_is_fine, strict=True)):
        if one.outcome in (Outcome.SILENT, Outcome.UNTRIED) and not fine:
            yield index
