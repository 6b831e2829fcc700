"""Readings that every experiment takes that grows: connections one by one, many at once, and a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments import parse
from experiments.recording import Taken
from experiments.results import Labels, Sample, labels
from experiments.scaling.places import Address, Place
from experiments.scaling.services import STREAM_PORT
from experiments.statistics import quantile

_FIRST_BYTES, _STREAM_S = 20_000_000, 30.0
PERCENTILES = (50, 99)


@dataclass(frozen=True)
class Noted:
    """Makes the samples of one system at one size."""

    labels: Labels

    def sample(self, metric: str, unit: str, value: float, repetition: int, **more: str | int) -> Sample:
        return Sample(metric, unit, round(value, 4), repetition, self.labels + labels(**more))

    def first_packets(self, times_us: Sequence[float], repetition: int) -> Taken:
        """How long connections took that were made one by one."""
        samples = (
            self.sample("first-packet", "us", quantile(times_us, percent / 100), repetition, percentile=percent)
            for percent in PERCENTILES
        )
        return Taken(("experiments.calls", "1 at once"), tuple(samples))

    def burst(self, place: Place, addresses: Sequence[Address], repetition: int) -> Taken:
        """New connections, many at once."""
        asked = place.ask(addresses)
        return Taken(("experiments.calls",), (self.sample("connections", "1/s", asked.per_second, repetition),))

    def weight(self, system: str, entries: int, memory_mib: Sequence[tuple[str, float]]) -> Taken:
        """What a system looks packets up in, and the memory that it takes."""
        samples = [self.sample("entries", "entries", entries, 0)]
        samples += [self.sample("memory", "MiB", size, 0, part=part) for part, size in memory_mib]
        return Taken((system, "count"), tuple(samples))


class Stream:
    """One TCP stream, again and again, of as many bytes as the last one moved in the time that a reading has."""

    def __init__(self, place: Place, seconds: float) -> None:
        self._place, self._seconds, self._bytes = place, seconds, _FIRST_BYTES

    def take(self, address: str, sample: Callable[[float], Sample]) -> Taken:
        """Raises ToolFailed where it does not arrive."""
        argv = ["iperf3", "--json", "--client", address, "--port", str(STREAM_PORT), "--bytes", str(self._bytes)]
        argv += ["--connect-timeout", "2000"]
        done = self._place.sandbox.run(argv, netns=self._place.client, timeout_s=_STREAM_S)
        read = parse.throughput(done.stdout, done.stderr, done.code)
        self._bytes = max(_FIRST_BYTES, round(read.mbit_per_s * 1e6 / 8 * self._seconds))
        return Taken(tuple(argv), (sample(read.mbit_per_s),))
