"""What a throughput run measures, in which order, and how long that takes: decided before the first packet. Pure.

Within each repetition every measurement is taken once, floors among them, in an order that the seed shuffles: so what
the machine does beside them falls on all alike, and each reading has the floor's reading of its own repetition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from experiments import throughput
from experiments.planning import Expected, shuffled
from experiments.results import Labels, labels
from experiments.scenario import Pace, Scenario
from experiments.throughput import FLOOR, TCP, UDP, Traffic

THROUGHPUT, LATENCY, LOSS = "throughput", "latency", "loss"
OVERHEAD_S = 0.08  # of a reading: to enter the sandbox, to start the tool, to exchange results
WARM_UP_S = 0.25  # a measurement's first, uncounted reading


@dataclass(frozen=True)
class Route:
    """Between whom: a path with the server's locality, or a floor."""

    path: str
    locality: str | None = None
    floor: str | None = None

    def __str__(self) -> str:
        return f"floor {self.floor}" if self.floor else f"{self.path}, {self.locality}"


@dataclass(frozen=True)
class Measurement:
    """One thing that is measured once a repetition."""

    route: Route
    metric: str  # throughput or latency
    protocol: str
    streams: int | None  # None for latency: one request at a time
    message_bytes: int | None = None  # what is written at a time; None: as the tool does

    @property
    def labels(self) -> Labels:
        route = self.route
        return labels(
            path=route.path,
            locality=route.locality,
            floor=route.floor,
            protocol=self.protocol,
            streams=self.streams,
            message=self.message_bytes,
        )

    def __str__(self) -> str:
        streams = f" x{self.streams}" if self.streams else ""
        message = f" of {self.message_bytes} B" if self.message_bytes else ""
        return f"{self.route}: {self.metric} {self.protocol}{streams}{message}"


def routes(traffic: Traffic) -> tuple[Route, ...]:
    """Every route of the experiment, paths before floors."""
    paths = [Route(path, server.locality) for path in traffic.paths for server in traffic.servers]
    return (*paths, *(Route(FLOOR, floor=floor) for floor in traffic.floors))


def measurements(traffic: Traffic) -> tuple[Measurement, ...]:
    """Everything that is measured once a repetition."""
    return tuple(measurement for route in routes(traffic) for measurement in _of_route(route, traffic))


def schedule(traffic: Traffic, repetitions: int, seed: int) -> list[tuple[int, Measurement]]:
    """Every reading as (repetition, measurement), in the order in which they are taken."""
    return shuffled(measurements(traffic), repetitions, seed)


def seconds_of(measurement: Measurement, pace: Pace) -> float:
    """How long packets are sent for one reading."""
    if measurement.metric == LATENCY:
        return pace.latency_s
    return pace.tcp_s if measurement.protocol == TCP else pace.udp_s


def reading_s(measurement: Measurement, pace: Pace) -> float:
    """How long a reading takes."""
    return seconds_of(measurement, pace) + OVERHEAD_S


def expected(scenario: Scenario) -> Expected:
    """How long the run takes."""
    once, repetitions = measurements(throughput.of(scenario.parameters)), scenario.pace.repetitions
    readings_s = sum(reading_s(one, scenario.pace) for one in once) * repetitions
    return Expected(len(once) * repetitions, repetitions, len(once) * WARM_UP_S + readings_s)


def _of_route(route: Route, traffic: Traffic) -> Iterator[Measurement]:
    for protocol in _ordered(traffic.protocols):
        for streams in traffic.streams:
            for message in traffic.message_bytes or (None,):
                yield Measurement(route, THROUGHPUT, protocol, streams, message)
    if traffic.latency:
        yield Measurement(route, LATENCY, UDP, None)


def _ordered(protocols: Sequence[str]) -> list[str]:
    return [protocol for protocol in (TCP, UDP) if protocol in protocols]
