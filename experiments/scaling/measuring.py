"""Has one system after the other lead to more and more Services, and reads what each costs at each size."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial

from experiments import environment
from experiments.catalogue import Prepared
from experiments.inside import Sandbox
from experiments.planning import Measurer
from experiments.recording import Measured, Recorder, Taken, recording
from experiments.results import labels
from experiments.scaling import parameters, planning
from experiments.scaling.figures import SERVICES
from experiments.scaling.lab_side import LabSide
from experiments.scaling.lab_system import LabSystem
from experiments.scaling.parameters import Scaling
from experiments.scaling.peer import CLIENT, PROGRAMS, Peer, build
from experiments.scaling.places import Place
from experiments.scaling.readings import Noted, Stream
from experiments.scaling.services import Endpoint, VirtualService, sample
from experiments.scaling.systems import System, fronts, served_s
from experiments.scenario import Pace
from experiments.statistics import quantile
from k8sshim.client import PODS, Client
from k8sshim.errors import BadInput, PodwireError
from k8sshim.objects import Pod, Raw
from lab.inventory import netns_of
from lab.state import Lab
from topo.plan import Plan
from topo.plan import plan as plan_of

PATH = "pod-to-service"
LAST = 20  # Services that are asked until they answer, when all are to be programmed
expected = planning.expected


def check_programs() -> None:
    """Raises PodwireError where a program is missing on this machine."""
    wanted = ("iperf3", *PROGRAMS.values())
    if missing := [one for one in wanted if not (shutil.which(one) or shutil.which(one, path="/usr/sbin:/sbin"))]:
        raise PodwireError(f"missing on this machine: {', '.join(missing)} (packages iperf3, iptables, nftables)")


def measure(lab: Lab, prepared: Prepared, measurer: Measurer) -> tuple[Measured, Raw]:
    """What the readings gave, and what they were taken in. Raises BadInput, PodwireError."""
    given, plan = parameters.of(prepared.scenario.parameters), plan_of(prepared.cluster)
    sandbox, pace = Sandbox(lab.pid), prepared.scenario.pace
    with ExitStack() as undo, recording() as recorder:
        for system in _systems(lab, given, plan, sandbox, undo):
            for size in given.sizes:
                _Bench(system, size, given, pace).run(recorder, measurer)
        within = environment.lab(sandbox, plan, CLIENT if given.peers else _cast(lab, given)[0])
        versions = {
            one: sandbox.run([one, "--version"]).stdout.strip() for one in map(PROGRAMS.__getitem__, given.peers)
        }
        return recorder.measured, {**within, "peers": versions}


def _systems(lab: Lab, given: Scaling, plan: Plan, sandbox: Sandbox, undo: ExitStack) -> Iterator[System]:
    client, node, pods = _cast(lab, given)
    servers = tuple(Endpoint(pod.key.name, pod.ip) for pod in pods)
    place = Place(sandbox, client, servers, tuple(netns_of(pod) for pod in pods))
    place.serve(undo)
    yield LabSystem(given, place, LabSide(sandbox, lab.kubeconfig, plan, [node]))
    if given.peers:
        beside = build(sandbox, len(servers), plan.cluster().pod_mtu, undo)
        beside.serve(undo)
        for name in given.peers:
            yield Peer(name, given, beside)


def _cast(lab: Lab, given: Scaling) -> tuple[str, str, list[Pod]]:
    """The client's namespace and node, and the pods that answer. Raises BadInput."""
    client = Client(lab.kubeconfig)
    raw = client.get(PODS, given.client)
    if raw is None:
        raise BadInput.of("the scenario names it, its manifests have no such pod", object=f"Pod {given.client}")
    listed = client.list(PODS, given.client.namespace, f"app={given.servers}")[0]
    pods = sorted((pod for pod in map(Pod.parse, listed) if pod.ip), key=lambda pod: pod.key)
    if len(pods) <= given.endpoints:
        raise BadInput.of(
            f"has {len(pods)} pods labelled app={given.servers}; the scenario wants more than {given.endpoints}",
            object=f"Namespace {given.client.namespace}",
        )
    asking = Pod.parse(raw)
    return netns_of(asking), asking.node, pods


class _Bench:
    """One system at one size."""

    def __init__(self, system: System, size: int, given: Scaling, pace: Pace) -> None:
        self._system, self._size, self._given, self._pace = system, size, given, pace
        self._made: list[VirtualService] = []
        self._noted = Noted(labels(path=PATH, system=system.name, services=size))
        self._stream = Stream(system.place, pace.tcp_s)

    def run(self, recorder: Recorder, measurer: Measurer) -> None:
        """Every reading; the Services are gone afterwards."""
        noted, system = self._noted, self._system
        self._tell(measurer, "programming", planning.load_s(system.name, self._size))
        recorder.take("programmed", 0, noted.labels, self._program)
        if not self._made:
            return
        weigh = partial(noted.weight, system.name, system.entries(), system.memory_mib())
        recorder.take("entries", 0, noted.labels, weigh)
        for repetition in range(self._pace.repetitions):
            for metric, act in (
                ("first-packet", self._first_packets),
                ("throughput", self._throughput),
                ("connections", self._burst),
                ("served", self._change),
            ):
                self._tell(measurer, metric, planning.reading_s(metric, self._given, self._pace))
                recorder.take(metric, repetition, noted.labels, partial(act, repetition))
        system.clear()

    def _program(self) -> Taken:
        """From nothing to answers of the last ones written and of others in between."""
        if self._made:
            self._system.clear()
        begin = time.monotonic()
        self._made = self._system.load(self._size)
        told = time.monotonic() - begin
        some = list(dict.fromkeys([*self._made[-LAST:], *sample(self._made, LAST)]))
        with ExitStack() as undo:
            whole = self._system.place.awaiting(fronts(some), "", undo).since(begin)
        samples = (self._noted.sample("programmed", "s", whole, 0), self._noted.sample("written", "s", told, 0))
        return Taken((self._system.name, "load", str(self._size)), samples)

    def _first_packets(self, repetition: int) -> Taken:
        """Connections one by one, in each repetition to others of the Services, while there are others."""
        chosen = self._some(self._given.first_packets, repetition)
        asked = self._system.place.ask(fronts(chosen), at_once=1)
        return self._noted.first_packets([one.connect_us for one in asked.answers], repetition)

    def _burst(self, repetition: int) -> Taken:
        return self._noted.burst(self._system.place, fronts(sample(self._made, self._given.connections)), repetition)

    def _throughput(self, repetition: int) -> Taken:
        """One TCP stream through the first Service."""
        return self._stream.take(
            self._made[0].address, lambda value: self._noted.sample("throughput", "Mbit/s", value, repetition)
        )

    def _change(self, repetition: int) -> Taken:
        """Services whose endpoints are all replaced by one that no Service had: the time until it answers."""
        chosen = self._some(max(1, self._given.changes // self._pace.repetitions), repetition)
        new = self._system.place.servers[-1]
        times = [served_s(self._system, one, one.with_endpoints(new)) for one in chosen]
        self._settle(chosen)
        value = self._noted.sample("served", "ms", 1000 * quantile(times, 0.5), repetition)
        return Taken(("experiments.awaiting", new.name), (value,))

    def _some(self, count: int, repetition: int) -> Sequence[VirtualService]:
        """So many Services, in each repetition others while there are others."""
        return sample(self._made, count * self._pace.repetitions)[repetition :: self._pace.repetitions]

    def _settle(self, changed: Sequence[VirtualService]) -> None:
        """Until the endpoints of before answer again."""
        last = changed[-1]
        with ExitStack() as undo:
            self._system.place.awaiting(fronts([last]), last.endpoints[0].name, undo).since(time.monotonic())

    def _tell(self, measurer: Measurer, what: str, seconds: float) -> None:
        measurer.doing(f"{self._system.name}, {SERVICES.count(self._size)}: {what}", seconds)
