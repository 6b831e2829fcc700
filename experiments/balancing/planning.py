"""Who asks when: the connections of each reading, and how long a run takes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.balancing import parameters
from experiments.planning import Expected
from experiments.scenario import Scenario

BEFORE, AFTER = "before", "after"
PHASES = (BEFORE, AFTER)
FIRST_PORT, LAST_PORT = 1024, 29_999  # below node ports, and below what kernels choose
CALLS_PER_S = 1000.0
READING_S, LEAVE_S = 0.4, 1.5  # a reading beside its calls; an endpoint's leaving and coming back


@dataclass(frozen=True)
class Source:
    """Where a connection comes from."""

    client: int  # index of the client pod
    port: int


def sources(clients: int, connections: int, repetition: int) -> tuple[Source, ...]:
    """The sources of one repetition, the same before and after; other ports each time, as long as there are any."""
    each = -(-connections // clients)
    room = LAST_PORT + 1 - FIRST_PORT
    start = repetition * each
    return tuple(
        Source(client, FIRST_PORT + (start + number) % room) for number in range(each) for client in range(clients)
    )[:connections]


def leaving(endpoints: Sequence[str], repetition: int) -> str:
    """Which endpoint leaves: each in its turn."""
    return endpoints[repetition % len(endpoints)]


def expected(scenario: Scenario) -> Expected:
    """How long the run takes."""
    given, repetitions = parameters.of(scenario.parameters), scenario.pace.repetitions
    once = len(given.services) * len(PHASES)
    return Expected(once * repetitions, repetitions, repetitions * (once * reading_s(given.connections) + 2 * LEAVE_S))


def reading_s(connections: int) -> float:
    """How long a reading takes."""
    return READING_S + connections / CALLS_PER_S
