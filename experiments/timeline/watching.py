"""Traffic that runs while steps happen: a request each millisecond, a stream, new connections; each by its own tool."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

from experiments import calls
from experiments.inside import Sandbox
from experiments.parse import ToolFailed
from experiments.timeline import seeing
from experiments.timeline.parameters import CONNECTIONS, TCP, UDP
from experiments.timeline.seeing import Interval, Probe
from experiments.traffic import IPERF3_PORT, IRTT_PORT

CONNECTIONS_PER_S, ANSWERED_IN_S = 100.0, 0.9
_AT_ONCE = 1024
_END_S = 15.0  # for a tool to end, after the time that it was given


@dataclass(frozen=True)
class Ends:
    """Who talks to whom in a case."""

    netns: str  # the client's network namespace
    address: str  # of the server
    new_address: str  # what new connections go to
    port: int


@dataclass(frozen=True)
class Traffic:
    """What the watchers saw of a case; empty for what was not watched, or has no report."""

    probes: dict[str, list[Probe]]  # of UDP and CONNECTIONS
    stream: list[Interval]
    broken: frozenset[str]  # of UDP and TCP, what did not live to its end: whoever served it is gone

    @property
    def first_s(self) -> dict[str, float]:
        """When each watcher looked for the first time."""
        times = {name: min(one.sent_s for one in found) for name, found in self.probes.items() if found}
        if self.stream:
            times[TCP] = min(one.begins_s for one in self.stream)
        return times

    @property
    def last_s(self) -> dict[str, float]:
        """When each watcher looked for the last time; of what broke nobody knows."""
        times = {name: max((one.sent_s for one in found), default=0.0) for name, found in self.probes.items()}
        if self.stream:
            times[TCP] = max(one.ends_s for one in self.stream)
        return {name: last for name, last in times.items() if name not in self.broken}


class Watchers:
    """Tools that run at the same time, each in a thread that waits for it."""

    def __init__(self, sandbox: Sandbox, ends: Ends, watch: tuple[str, ...], tcp_mbit_per_s: float) -> None:
        self._sandbox, self._ends, self._watch, self._mbit = sandbox, ends, watch, tcp_mbit_per_s

    def start(self, seconds: float) -> Running:
        """Begin to watch for so long."""
        pool = ThreadPoolExecutor(3)
        probing = {UDP: self._udp, CONNECTIONS: self._connections}
        return Running(
            pool,
            seconds,
            {name: pool.submit(act, seconds) for name, act in probing.items() if name in self._watch},
            pool.submit(self._tcp, seconds) if TCP in self._watch else None,
        )

    def _udp(self, seconds: float) -> list[Probe]:
        """Its client gives up where nobody listens any more."""
        argv = ["irtt", "client", "-i", "1ms", "-d", f"{seconds * 1000:.0f}ms", "-l", "64", "--tstamp=none"]
        argv += ["--wait=3x300ms", "--timeouts=1s,2s,4s", "-Q", "-o", "-", f"{self._ends.address}:{IRTT_PORT}"]
        done = self._sandbox.run(argv, netns=self._ends.netns, timeout_s=seconds + _END_S)
        return seeing.probes(done.stdout, time.monotonic() - time.time())

    def _tcp(self, seconds: float) -> tuple[list[Interval], bool]:
        argv = ["iperf3", "--json", "--client", self._ends.address, "--port", str(IPERF3_PORT)]
        argv += ["--connect-timeout", "2000", "--interval", "0.1", "--time", str(ceil(seconds))]
        argv += ["--bitrate", f"{self._mbit:g}M", "--length", "8K"]
        done = self._sandbox.run(argv, netns=self._ends.netns, timeout_s=seconds + _END_S)
        ended_s = time.monotonic()
        try:
            return seeing.intervals(done.stdout, ended_s), bool(done.code)
        except ToolFailed:
            return [], True

    def _connections(self, seconds: float) -> list[Probe]:
        one = calls.Call(self._ends.netns, self._ends.new_address, self._ends.port)
        run = lambda argv, text: self._sandbox.must(argv, stdin=text, timeout_s=seconds + _END_S)  # noqa: E731
        count = round(seconds * CONNECTIONS_PER_S)
        asked = calls.ask(run, [one] * count, ANSWERED_IN_S, _AT_ONCE, per_second=CONNECTIONS_PER_S)
        times = [asked.began_s + number / CONNECTIONS_PER_S for number in range(count)]
        return [
            Probe(began, began + answer.answer_us / 1e6 if answer.answered else None)
            for began, answer in zip(times, asked.answers, strict=True)
        ]


@dataclass(frozen=True)
class Running:
    """Watchers at work."""

    pool: ThreadPoolExecutor
    seconds: float  # that they were given
    probing: dict[str, Future[list[Probe]]]
    streaming: Future[tuple[list[Interval], bool]] | None

    def end(self) -> Traffic:
        """What they saw, once all have ended. Raises ToolFailed, PodwireError."""
        with self.pool:
            stream, gone = self.streaming.result() if self.streaming else ([], False)
            probes = {name: one.result() for name, one in self.probing.items()}
            looked = {UDP: [one.sent_s for one in probes.get(UDP, ())], TCP: [one.begins_s for one in stream]}
            early = {watch for watch, times in looked.items() if seeing.ended_early(times, self.seconds)}
            return Traffic(probes, stream, frozenset(early | {TCP} if gone else early))
