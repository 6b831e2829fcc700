"""What a throughput run measures, in which order, and how long that takes: decided before the first packet. Pure.

Within each repetition every measurement is taken once, floors among them, in an order that the seed shuffles: so what
the machine does beside them falls on all alike, and each reading has the floor's reading of its own repetition.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from experiments.results import Labels, labels
from experiments.scenario import FLOOR, TCP, UDP, Pace, Scenario, Traffic

THROUGHPUT, LATENCY, LOSS = "throughput", "latency", "loss"
OVERHEAD_S = 0.08  # of a reading: to enter the sandbox, to start the tool, to exchange results
WARM_UP_S = 0.25  # a measurement's first, uncounted reading
START_S, STOP_S, REPORT_S = 8.0, 1.0, 5.0  # lab up with its pods, lab down, plots and report


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

    @property
    def labels(self) -> Labels:
        route = self.route
        return labels(
            path=route.path,
            locality=route.locality,
            floor=route.floor,
            protocol=self.protocol,
            streams=self.streams,
        )

    def __str__(self) -> str:
        streams = f" x{self.streams}" if self.streams else ""
        return f"{self.route}: {self.metric} {self.protocol}{streams}"


def routes(traffic: Traffic) -> tuple[Route, ...]:
    """Every route of the experiment, paths before floors."""
    paths = [Route(path, server.locality) for path in traffic.paths for server in traffic.servers]
    return (*paths, *(Route(FLOOR, floor=floor) for floor in traffic.floors))


def measurements(traffic: Traffic) -> tuple[Measurement, ...]:
    """Everything that is measured once a repetition."""
    return tuple(measurement for route in routes(traffic) for measurement in _of_route(route, traffic))


def schedule(traffic: Traffic, repetitions: int, seed: int) -> list[tuple[int, Measurement]]:
    """Every reading as (repetition, measurement), in the order in which they are taken."""
    order = random.Random(seed)  # noqa: S311 - an order that can be had again, no secret
    planned: list[tuple[int, Measurement]] = []
    for repetition in range(repetitions):
        shuffled = list(measurements(traffic))
        order.shuffle(shuffled)
        planned += ((repetition, measurement) for measurement in shuffled)
    return planned


def seconds_of(measurement: Measurement, pace: Pace) -> float:
    """How long packets are sent for one reading."""
    if measurement.metric == LATENCY:
        return pace.latency_s
    return pace.tcp_s if measurement.protocol == TCP else pace.udp_s


def reading_s(measurement: Measurement, pace: Pace) -> float:
    """How long a reading takes."""
    return seconds_of(measurement, pace) + OVERHEAD_S


def expected_s(scenario: Scenario) -> float:
    """How long the whole run takes, from the command to the report."""
    once = measurements(scenario.traffic)
    readings = sum(reading_s(one, scenario.pace) for one in once) * scenario.pace.repetitions
    return START_S + len(once) * WARM_UP_S + readings + STOP_S + REPORT_S


def _of_route(route: Route, traffic: Traffic) -> Iterator[Measurement]:
    for protocol in _ordered(traffic.protocols):
        for streams in traffic.streams:
            yield Measurement(route, THROUGHPUT, protocol, streams)
    if traffic.latency:
        yield Measurement(route, LATENCY, UDP, None)


def _ordered(protocols: Sequence[str]) -> list[str]:
    return [protocol for protocol in (TCP, UDP) if protocol in protocols]
