"""Measures what a cluster description asks for, in a lab that is up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from experiments import capture, environment, parse, path_mtu
from experiments.catalogue import Prepared
from experiments.inside import Sandbox
from experiments.parse import ToolFailed
from experiments.planning import Measurer
from experiments.recording import Measured, Taken, recording
from experiments.results import Sample, labels
from experiments.scenario import Scenario
from experiments.self_check import asking, parameters, planning
from experiments.self_check.asking import BANDWIDTH, DELAY, LOSS, MTU, OVERHEAD, OWN_DELAY, UNITS, Asked
from experiments.statistics import quantile
from experiments.throughput import CROSS_NODE, POD_TO_POD
from experiments.traffic import IPERF3_PORT, IRTT_PORT, check_programs
from experiments.transfer.measuring import SERVERS_S, Cast, find
from experiments.transfer.parameters import Transfer
from experiments.transfer.planning import whole_s
from k8sshim.client import Client
from k8sshim.objects import Raw
from lab.state import Lab
from lab.waiting import wait_until
from topo.plan import Plan
from topo.plan import plan as plan_of

__all__ = ["check_programs", "expected", "measure"]
expected = planning.expected


def measure(lab: Lab, prepared: Prepared, measurer: Measurer) -> tuple[Measured, Raw]:
    """What the readings gave, and what they were taken in: what was asked among it. Raises BadInput, PodwireError."""
    one, plan = prepared.scenario, plan_of(prepared.cluster)
    given, sandbox = parameters.of(one.parameters), Sandbox(lab.pid)
    cast = find(Client(lab.kubeconfig), Transfer(given.client, given.server), plan)
    wanted = {asked.check: asked for asked in _asked(plan, cast, given.requests)}
    bench = Bench(sandbox, cast, one, plan.spec.pod_mtu)
    wait_until(bench.answers, SERVERS_S)
    with recording() as recorder:
        for repetition in range(one.pace.repetitions):
            for check in asking.readings(wanted):
                measurer.doing(f"repetition {repetition + 1}: {check}", planning.reading_s(check, one))
                of = labels(path=POD_TO_POD, locality=CROSS_NODE, check=check)
                recorder.take(check, repetition, of, partial(bench.take, check, repetition))
        within = environment.lab(sandbox, plan, cast.client)
    told = {check: [asked.value, asked.low, asked.high, asked.words] for check, asked in wanted.items()}
    return recorder.measured, {**within, "asked": told}


def _asked(plan: Plan, cast: Cast, requests: int) -> list[Asked]:
    bridges = [plan.node(node.removeprefix("node-")).bridge.name for node in (cast.client_node, cast.server_node)]
    spec = plan.spec
    added = spec.network.overhead(spec.ranges.nodes)
    return list(asking.asked(asking.path(plan, *bridges), spec.pod_mtu, spec.carried, added, requests))


class Bench:
    """Takes readings between two pods."""

    def __init__(self, sandbox: Sandbox, cast: Cast, scenario: Scenario, pod_mtu: int) -> None:
        self._sandbox, self._cast, self._pod_mtu = sandbox, cast, pod_mtu
        self._pace, self._requests = scenario.pace, parameters.of(scenario.parameters).requests
        self._acts: Mapping[str, Callable[[], tuple[float, tuple[str, ...]]]] = {
            BANDWIDTH: self._bandwidth,
            DELAY: self._delay,
            OWN_DELAY: self._delay,
            LOSS: self._loss,
            OVERHEAD: self._overhead,
            MTU: self._mtu,
        }

    def take(self, check: str, repetition: int) -> Taken:
        """One reading. Raises ToolFailed."""
        value, command = self._acts[check]()
        of = labels(path=POD_TO_POD, locality=CROSS_NODE, check=check)
        return Taken(command, (Sample(check, UNITS[check], round(value, 4), repetition, of),))

    def answers(self) -> bool:
        """Whether the server answers a small packet."""
        return path_mtu.attempt(self._sandbox, self._cast.client, self._cast.address, path_mtu.SMALLEST).passed

    def _bandwidth(self) -> tuple[float, tuple[str, ...]]:
        seconds = whole_s(self._pace.tcp_s)
        argv = ["iperf3", "--json", "--client", self._cast.address, "--port", str(IPERF3_PORT)]
        argv += ["--connect-timeout", "5000", "--time", str(seconds), "--omit", "1"]
        done = self._sandbox.run(argv, netns=self._cast.client, timeout_s=seconds + 15)
        return parse.throughput(done.stdout, done.stderr, done.code).mbit_per_s, tuple(argv)

    def _delay(self) -> tuple[float, tuple[str, ...]]:
        trips, argv = self._irtt(round(self._pace.latency_s * 100), 100.0)
        return quantile(trips.round_trips_us, 0.5) / 2000, argv

    def _loss(self) -> tuple[float, tuple[str, ...]]:
        trips, argv = self._irtt(self._requests, planning.RATE_PER_S)
        return 100 * trips.lost / (trips.lost + len(trips.round_trips_us)), argv

    def _irtt(self, requests: int, per_second: float) -> tuple[parse.Latency, tuple[str, ...]]:
        seconds = requests / per_second
        argv = ["irtt", "client", "-i", f"{1000 / per_second:g}ms", "-d", f"{seconds * 1000:.0f}ms", "-l", "64"]
        argv += ["--tstamp=none", "--wait=3x300ms", "--timeouts=1s,2s,4s,8s", "-Q", "-o", "-"]
        argv += [f"{self._cast.address}:{IRTT_PORT}"]
        done = self._sandbox.run(argv, netns=self._cast.client, timeout_s=seconds + 20)
        return parse.latency(done.stdout, done.stderr, done.code), tuple(argv)

    def _overhead(self) -> tuple[float, tuple[str, ...]]:
        return capture.overhead(self._sandbox, self._cast.uplink, self._cast.client, self._cast.address)

    def _mtu(self) -> tuple[float, tuple[str, ...]]:
        one = partial(path_mtu.attempt, self._sandbox, self._cast.client, self._cast.address)
        found = path_mtu.find(one, self._pod_mtu)
        if not found.largest:
            raise ToolFailed(f"ping: no answer from {self._cast.address}")
        return found.largest, ("ping", "-M", "do", self._cast.address)
