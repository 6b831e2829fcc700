"""Moves packets and measures them: iperf3 for throughput, irtt for request-response latency.

iperf3 takes whole seconds alone, so a reading is a number of bytes instead: what the route has moved so far, for as
long as the reading is to last. irtt sends a small request at a fixed interval and keeps the time of every reply.
"""

from __future__ import annotations

import shutil

from experiments import parse
from experiments.ends import Ends
from experiments.inside import Sandbox
from experiments.measurements import LATENCY, LOSS, THROUGHPUT, Measurement
from experiments.recording import Taken
from experiments.results import Sample, labels
from experiments.statistics import quantile
from experiments.throughput import UDP, Traffic
from k8sshim.errors import PodwireError

IPERF3_PORT, IRTT_PORT = 5201, 2112  # the tools' own
SERVERS = (
    ("iperf3", "--server", "--port", str(IPERF3_PORT)),
    ("irtt", "server", "-4", "-i", "0s", "-b", f"0.0.0.0:{IRTT_PORT}"),
)
REQUEST_BYTES = 64
UDP_HEADERS = 28 + 12  # IPv4 and UDP, and room for a TCP header's options: datagrams as long as TCP's segments
_MIN_BYTES = 20_000_000  # of TCP: less is over before it runs, or waits out one retransmission timeout
_SMALL, _SMALL_MESSAGES = 1000, 10  # messages below so many bytes move at a tenth of the rate, and fewer are sent
_CONNECT_MS = 2000
_PATIENCE = 5.0  # how many times longer than planned a reading may take, and seconds beside


def check_programs() -> None:
    """Raises PodwireError where a tool is missing on this machine."""
    if missing := [argv[0] for argv in SERVERS if shutil.which(argv[0]) is None]:
        raise PodwireError(
            f"missing on this machine: {', '.join(missing)} (packages of the same names); see podwire doctor"
        )


class Meter:
    """Takes readings in one lab. It remembers how fast each measurement was, to size the next reading of it."""

    def __init__(self, sandbox: Sandbox, traffic: Traffic, mtu: int) -> None:
        self._sandbox = sandbox
        self._traffic = traffic
        self._datagram = mtu - UDP_HEADERS
        self._mbit_per_s: dict[Measurement, list[float]] = {}

    def take(self, measurement: Measurement, ends: Ends, repetition: int, seconds: float) -> Taken:
        """One reading of about so many seconds. Raises ToolFailed with the tool's message."""
        if measurement.metric == LATENCY:
            return self._latency(measurement, ends, repetition, seconds)
        return self._throughput(measurement, ends, repetition, seconds)

    def _throughput(self, measurement: Measurement, ends: Ends, repetition: int, seconds: float) -> Taken:
        argv = self._iperf3(measurement, ends, seconds)
        done = self._sandbox.run(argv, netns=ends.netns, timeout_s=seconds * _PATIENCE + _PATIENCE)
        read = parse.throughput(done.stdout, done.stderr, done.code)
        self._mbit_per_s.setdefault(measurement, []).append(read.mbit_per_s)
        samples = [Sample(THROUGHPUT, "Mbit/s", round(read.mbit_per_s, 3), repetition, measurement.labels)]
        if read.loss_percent is not None:
            samples.append(Sample(LOSS, "%", round(read.loss_percent, 4), repetition, measurement.labels))
        return Taken(tuple(argv), tuple(samples))

    def _iperf3(self, measurement: Measurement, ends: Ends, seconds: float) -> list[str]:
        streams = measurement.streams or 1
        argv = ["iperf3", "--json", "--client", ends.address, "--port", str(IPERF3_PORT)]
        argv += ["--connect-timeout", str(_CONNECT_MS), "--parallel", str(streams)]
        if measurement.protocol == UDP:
            offered = self._traffic.udp_mbit_per_s * 1e6
            datagram = measurement.message_bytes or self._datagram
            rate = ["--bitrate", str(round(offered / streams)), "--length", str(datagram)]
            return [*argv, "--udp", *rate, "--bytes", str(round(offered * seconds / 8))]
        if measurement.message_bytes:
            argv += ["--length", str(measurement.message_bytes)]
        known = self._mbit_per_s.get(measurement, [0.0])
        size = quantile(known, 0.5) * 1e6 * seconds / 8
        least = _MIN_BYTES // (_SMALL_MESSAGES if (measurement.message_bytes or _SMALL) < _SMALL else 1)
        return [*argv, "--bytes", str(max(least, round(size)))]

    def _latency(self, measurement: Measurement, ends: Ends, repetition: int, seconds: float) -> Taken:
        interval = f"{self._traffic.request_interval_ms:g}ms"
        argv = ["irtt", "client", "-i", interval, "-d", f"{seconds * 1000:.0f}ms", "-l", str(REQUEST_BYTES)]
        argv += ["--tstamp=none", "--wait=3x300ms", f"--timeouts={_CONNECT_MS}ms", "-Q", "-o", "-"]
        argv += [f"{ends.address}:{IRTT_PORT}"]
        done = self._sandbox.run(argv, netns=ends.netns, timeout_s=seconds * _PATIENCE + _PATIENCE)
        read = parse.latency(done.stdout, done.stderr, done.code)
        samples = [
            Sample(
                LATENCY,
                "us",
                round(quantile(read.round_trips_us, percent / 100), 2),
                repetition,
                measurement.labels + labels(percentile=percent),
            )
            for percent in parse.PERCENTILES
        ]
        loss = 100 * read.lost / (read.lost + len(read.round_trips_us))
        samples.append(Sample(LOSS, "%", round(loss, 4), repetition, measurement.labels))
        return Taken(tuple(argv), tuple(samples))
