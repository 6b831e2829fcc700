"""Takes the readings of the experiment `transfer` in a lab that is up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from experiments import calls, capture, ends, environment, parse, path_mtu, processors
from experiments.catalogue import Prepared
from experiments.counting import Counts, counts
from experiments.inside import Sandbox
from experiments.parse import ToolFailed
from experiments.planning import Measurer, shuffled
from experiments.recording import Measured, Taken, recording
from experiments.results import Labels, Sample, labels
from experiments.scenario import Pace
from experiments.statistics import quantile
from experiments.throughput import CROSS_NODE, POD_TO_POD
from experiments.traffic import IPERF3_PORT, IRTT_PORT, check_programs
from experiments.transfer import parameters, planning
from experiments.transfer.parameters import FIRST_PACKET, LATENCY, OVERHEAD, PATH_MTU, THROUGHPUT, Transfer
from experiments.transfer.planning import whole_s
from k8sshim.client import Client
from k8sshim.errors import BadInput
from k8sshim.objects import Raw
from lab.inventory import netns_of
from lab.state import Lab
from lab.waiting import wait_until
from topo.plan import Plan
from topo.plan import plan as plan_of

__all__ = ["check_programs", "expected", "measure"]
SERVERS_S = 20.0
_TOOLS = {THROUGHPUT: "iperf3", PATH_MTU: "ping", OVERHEAD: "tcpdump", LATENCY: "irtt", FIRST_PACKET: "calls"}
STALLED_S = 3.0  # for iperf3 to give up, beside the reading
expected = planning.expected


@dataclass(frozen=True)
class Cast:
    """Who sends, who answers, and where frames are watched."""

    client: str  # network namespaces
    client_node: str
    server: str
    server_node: str
    address: str
    uplink: tuple[str | None, str]  # the namespace and the interface by which the client's node sends


def measure(lab: Lab, prepared: Prepared, measurer: Measurer) -> tuple[Measured, Raw]:
    """What the readings gave, and what they were taken in. Raises BadInput, PodwireError."""
    given, plan = parameters.of(prepared.scenario.parameters), plan_of(prepared.cluster)
    sandbox = Sandbox(lab.pid)
    bench = Bench(given, prepared.scenario.pace, sandbox, find(Client(lab.kubeconfig), given, plan), plan)
    wait_until(bench.answers, SERVERS_S)
    planned = shuffled(given.measure, prepared.scenario.pace.repetitions, prepared.scenario.seed)
    with recording() as recorder:
        for number, (repetition, what) in enumerate(planned, 1):
            measurer.doing(f"{number}/{len(planned)}: {what}", planning.reading_s(what, prepared.scenario))
            recorder.take(what, repetition, bench.labels(what), partial(bench.take, what, repetition))
        within = environment.lab(sandbox, plan, bench.cast.client)
        carried = prepared.cluster.carried
        network = prepared.cluster.network.to_raw()
        added = prepared.cluster.network.overhead(prepared.cluster.ranges.nodes)
        return recorder.measured, {**within, "network": network, "carried": carried, "computed_overhead": added}


def find(client: Client, given: Transfer, plan: Plan) -> Cast:
    """The two pods. Raises BadInput where they are not on two nodes."""
    sender, receiver = ends.pod(client, given.client), ends.pod(client, given.server)
    if sender.node == receiver.node:
        raise BadInput.of(f"pods {sender.key} and {receiver.key} both run on {sender.node}; they are to be on two")
    bridge = plan.node(str(sender.node)).bridge.name
    link = next(one for one in plan.links if one.a.switch == bridge)
    return Cast(
        client=netns_of(sender),
        client_node=f"node-{sender.node}",
        server=netns_of(receiver),
        server_node=f"node-{receiver.node}",
        address=receiver.ip,
        uplink=(plan.group_of[bridge].namespace, link.a.interface),
    )


class Bench:
    """Takes readings between two pods."""

    def __init__(self, given: Transfer, pace: Pace, sandbox: Sandbox, cast: Cast, plan: Plan) -> None:
        self.cast = cast
        self._given, self._pace, self._sandbox, self._plan = given, pace, sandbox, plan
        self._acts: Mapping[str, Callable[[int], Taken]] = {
            THROUGHPUT: self._throughput,
            PATH_MTU: self._path_mtu,
            OVERHEAD: self._overhead,
            LATENCY: self._latency,
            FIRST_PACKET: self._first_packet,
        }

    @staticmethod
    def labels(what: str) -> Labels:
        """What is measured, by which tool."""
        return labels(path=POD_TO_POD, locality=CROSS_NODE, by=_TOOLS[what])

    def take(self, what: str, repetition: int) -> Taken:
        """One reading. Raises ToolFailed."""
        return self._acts[what](repetition)

    def answers(self) -> bool:
        """Whether the server answers a small packet."""
        return path_mtu.attempt(self._sandbox, self.cast.client, self.cast.address, path_mtu.SMALLEST).passed

    def _sample(self, what: str, metric: str, unit: str, value: float, repetition: int, **more: str | int) -> Sample:
        return Sample(metric, unit, round(value, 3), repetition, self.labels(what) + labels(**more))

    def _throughput(self, repetition: int) -> Taken:
        seconds = whole_s(self._pace.tcp_s)
        argv = ["iperf3", "--json", "--client", self.cast.address, "--port", str(IPERF3_PORT)]
        argv += ["--connect-timeout", "2000", "--parallel", str(self._given.streams), "--time", str(seconds)]
        before, used_s = self._counts(), processors.used_s(self._sandbox.pid)
        done = self._sandbox.run(argv, netns=self.cast.client, timeout_s=seconds + STALLED_S)
        used_s = processors.used_s(self._sandbox.pid) - used_s
        try:
            read = parse.throughput(done.stdout, done.stderr, done.code)
        except ToolFailed:
            if not self._hole():
                raise
            return Taken(tuple(argv), (self._sample(THROUGHPUT, THROUGHPUT, "Mbit/s", 0.0, repetition),))
        samples = [self._sample(THROUGHPUT, THROUGHPUT, "Mbit/s", read.mbit_per_s, repetition)]
        samples += self._counted(before, self._counts(), read.seconds, repetition)
        gigabytes = read.mbit_per_s * read.seconds / 8000
        samples.append(self._sample(THROUGHPUT, "processor", "s/GB", used_s / gigabytes, repetition))
        return Taken(tuple(argv), tuple(samples))

    def _hole(self) -> bool:
        """Whether pods' packets are larger than what crosses: then that nothing arrives is a result."""
        return self._plan.spec.pod_mtu > self._plan.spec.carried

    def _counts(self) -> dict[str, Counts]:
        places = (self.cast.client, self.cast.client_node, self.cast.server, self.cast.server_node)
        return {place: counts(self._sandbox, place) for place in places}

    def _counted(
        self, before: Mapping[str, Counts], after: Mapping[str, Counts], seconds: float, repetition: int
    ) -> Iterator[Sample]:
        """Packets a second at the receiver, retransmitted segments, and fragments made on the way."""

        def came(place: str, name: str) -> int:
            return after[place].since(before[place], name)

        cast = self.cast
        yield self._sample(
            THROUGHPUT, "packets", "packets/s", came(cast.server, "eth0.rx_packets") / seconds, repetition
        )
        yield self._sample(THROUGHPUT, "retransmissions", "segments", came(cast.client, "Tcp.RetransSegs"), repetition)
        fragments = sum(came(place, "Ip.FragCreates") for place in (cast.client, cast.client_node, cast.server_node))
        yield self._sample(THROUGHPUT, "fragments", "packets", fragments, repetition)

    def _path_mtu(self, repetition: int) -> Taken:
        path_mtu.forget(self._sandbox, self.cast.client)
        one = partial(path_mtu.attempt, self._sandbox, self.cast.client, self.cast.address)
        found = path_mtu.find(one, self._plan.spec.pod_mtu)
        if not found.largest:
            raise ToolFailed(f"ping: no answer from {self.cast.address}")
        samples = [
            self._sample(PATH_MTU, PATH_MTU, "B", found.largest, repetition),
            self._sample(PATH_MTU, "black-hole", "", int(found.swallowed), repetition),
            self._sample(PATH_MTU, "told", "", int(found.told), repetition),
        ]
        return Taken(("ping", "-M", "do", self.cast.address), tuple(samples))

    def _overhead(self, repetition: int) -> Taken:
        found, argv = capture.overhead(self._sandbox, self.cast.uplink, self.cast.client, self.cast.address)
        return Taken(argv, (self._sample(OVERHEAD, OVERHEAD, "B", found, repetition),))

    def _latency(self, repetition: int) -> Taken:
        seconds = self._pace.latency_s
        argv = ["irtt", "client", "-i", "1ms", "-d", f"{seconds * 1000:.0f}ms", "-l", "64", "--tstamp=none"]
        argv += ["--wait=3x300ms", "--timeouts=2000ms", "-Q", "-o", "-", f"{self.cast.address}:{IRTT_PORT}"]
        done = self._sandbox.run(argv, netns=self.cast.client, timeout_s=5 * seconds + 5)
        read = parse.latency(done.stdout, done.stderr, done.code)
        return Taken(tuple(argv), tuple(self._percentiles(LATENCY, read.round_trips_us, repetition)))

    def _first_packet(self, repetition: int) -> Taken:
        one = calls.Call(self.cast.client, self.cast.address, self._given.port)
        run = lambda argv, text: self._sandbox.must(argv, stdin=text, timeout_s=60)  # noqa: E731
        asked = calls.ask(run, [one] * self._given.connections, 2.0, 1)
        took = [answer.connect_us for answer in asked.answers if answer.answered]
        if not took:
            raise ToolFailed(f"nobody answers at {self.cast.address}:{self._given.port}")
        return Taken(("experiments.calls",), tuple(self._percentiles(FIRST_PACKET, took, repetition)))

    def _percentiles(
        self, metric: str, values_us: list[float] | tuple[float, ...], repetition: int
    ) -> Iterator[Sample]:
        for percent in (50, 99):
            yield self._sample(metric, metric, "us", quantile(values_us, percent / 100), repetition, percentile=percent)
