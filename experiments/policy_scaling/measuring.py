"""Has one system after the other hold more and more policies, then one of more and more peers, and reads each."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from experiments import environment
from experiments.calls import Call, ask
from experiments.catalogue import Prepared
from experiments.inside import Sandbox, start_ready
from experiments.parse import ToolFailed
from experiments.passing import CLOSED, OPEN, QUIET_S
from experiments.planning import Measurer
from experiments.policy_scaling import parameters, peer, planning, policies
from experiments.policy_scaling.figures import PEERS, POLICIES
from experiments.policy_scaling.lab_policies import LabPolicies
from experiments.policy_scaling.parameters import PolicyScaling
from experiments.policy_scaling.policies import ALLOW, DENY, PlannedPolicy
from experiments.policy_scaling.systems import Site, System, Watcher, watching
from experiments.recording import Measured, Recorder, Taken, recording
from experiments.results import labels
from experiments.scaling.lab_side import LabSide
from experiments.scaling.places import Place
from experiments.scaling.readings import Noted, Stream
from experiments.scaling.services import TARGET_PORT, Endpoint
from experiments.scaling.sweeps import Sweep
from experiments.scenario import Pace
from experiments.statistics import quantile
from k8sshim.client import PODS, Client
from k8sshim.errors import BadInput, PodwireError
from k8sshim.objects import Key, Pod, Raw
from lab.inventory import netns_of
from lab.state import Lab
from topo.plan import Plan
from topo.plan import plan as plan_of

PATH = "pod-to-pod"
_REFUSED_S = 0.5  # a connection that is not answered in that time was not let in
expected = planning.expected


def check_programs() -> None:
    """Raises PodwireError where a program is missing on this machine."""
    wanted = ("iperf3", *peer.PROGRAMS)
    if missing := [one for one in wanted if not (shutil.which(one) or shutil.which(one, path="/usr/sbin:/sbin"))]:
        raise PodwireError(f"missing on this machine: {', '.join(missing)} (packages iperf3, iptables, ipset)")


def measure(lab: Lab, prepared: Prepared, measurer: Measurer) -> tuple[Measured, Raw]:
    """What the readings gave, and what they were taken in. Raises BadInput, PodwireError."""
    given, plan = parameters.of(prepared.scenario.parameters), plan_of(prepared.cluster)
    sandbox, pace = Sandbox(lab.pid), prepared.scenario.pace
    with ExitStack() as undo, recording() as recorder:
        cast = _Cast.find(Client(lab.kubeconfig), given)
        for system in _systems(lab, cast, given, plan, undo):
            for step in _steps(given, [pod.key.name for pod in cast.servers]):
                _Bench(system, step, given, pace).run(recorder, measurer)
        within = environment.lab(sandbox, plan, netns_of(cast.client))
        versions = {one: sandbox.run([one, "--version"]).stdout.strip() for one in peer.PROGRAMS if given.beside}
        return recorder.measured, {**within, "peers": versions}


@dataclass(frozen=True)
class _Step:
    """One size of one of the two sweeps."""

    sweep: Sweep
    size: int
    policies: list[PlannedPolicy]
    about: int  # how many of the servers they are about, from the first


def _steps(given: PolicyScaling, servers: list[str]) -> Iterator[_Step]:
    """Peers first: a switch that held thousands of policies keeps the memory that it took for them."""
    for size in given.policy_peers:
        yield _Step(PEERS, size, policies.wide(size, given.servers), len(servers))
    for size in given.policies:
        about = min(size, len(servers)) or len(servers)
        yield _Step(POLICIES, size, policies.many(size, servers, given.servers), about)


@dataclass(frozen=True)
class _Cast:
    """The pods that the scenario names."""

    client: Pod
    stranger: Pod
    guarded: Pod
    servers: list[Pod]

    @classmethod
    def find(cls, client: Client, given: PolicyScaling) -> _Cast:
        """Raises BadInput for one that is not there."""
        namespace = given.client.namespace
        listed = client.list(PODS, namespace, f"app={given.servers}")[0]
        servers = sorted((pod for pod in map(Pod.parse, listed) if pod.ip), key=lambda pod: pod.key)
        if not servers:
            where = f"Namespace {namespace}"
            raise BadInput.of(f"the scenario wants pods labelled app={given.servers}; there are none", object=where)
        names = (given.client.name, given.stranger, given.guarded)
        asking, stranger, guarded = (_pod(client, Key(namespace, name)) for name in names)
        return cls(asking, stranger, guarded, servers)


def _pod(client: Client, key: Key) -> Pod:
    raw = client.get(PODS, key)
    if raw is None:
        raise BadInput.of("the scenario names it, its manifests have no such pod", object=f"Pod {key}")
    return Pod.parse(raw)


def _systems(lab: Lab, cast: _Cast, given: PolicyScaling, plan: Plan, undo: ExitStack) -> Iterator[System]:
    sandbox = Sandbox(lab.pid)
    servers = tuple(Endpoint(pod.key.name, pod.ip) for pod in cast.servers)
    place = Place(sandbox, netns_of(cast.client), servers, tuple(map(netns_of, cast.servers)))
    _serve(place, [netns_of(cast.guarded)], undo)
    nodes = sorted({pod.node for pod in (cast.client, cast.guarded, *cast.servers)})
    site, side = Site(place, netns_of(cast.stranger), cast.guarded.ip), LabSide(sandbox, lab.kubeconfig, plan, nodes)
    yield LabPolicies(site, side, given.client.namespace, cast.guarded.node)
    if given.beside:
        beside = peer.build(sandbox, [one.name for one in servers], given.servers, plan.cluster().pod_mtu, undo)
        _serve(beside.site.place, beside.answering, undo)
        yield beside


def _serve(place: Place, others: Sequence[str], undo: ExitStack) -> None:
    place.serve(undo)
    names = [f"{netns}={netns}" for netns in others]
    start_ready(place.sandbox, ["experiments.answerers", str(TARGET_PORT), *names], None, undo)


class _Bench:
    """One system at one size."""

    def __init__(self, system: System, step: _Step, given: PolicyScaling, pace: Pace) -> None:
        self._system, self._step, self._given, self._pace = system, step, given, pace
        self._noted = Noted(labels(path=PATH, system=system.name, **{step.sweep.label: step.size}))
        self._stream = Stream(system.site.place, pace.tcp_s)
        self._places = [(one.address, TARGET_PORT) for one in system.site.place.servers[: step.about]]
        self._spent = dict.fromkeys(planning.METRICS, 0.0)

    def run(self, recorder: Recorder, measurer: Measurer) -> None:
        """Every reading; the policies are gone afterwards."""
        system = self._system
        self._tell(measurer, "programming", planning.load_s(system.name, len(self._step.policies)))
        try:
            if not recorder.take("programmed", 0, self._noted.labels, self._program):
                return
            recorder.take("entries", 0, self._noted.labels, self._weigh)
            for repetition in range(self._pace.repetitions):
                for metric, act in (
                    ("first-packet", self._first_packets),
                    ("throughput", self._throughput),
                    ("connections", self._burst),
                    ("changes", self._changes),
                    ("newcomers", self._newcomers),
                ):
                    self._read(metric, repetition, act, recorder, measurer)
        finally:
            system.clear()

    def _read(
        self, metric: str, repetition: int, act: Callable[[int], Taken], recorder: Recorder, measurer: Measurer
    ) -> None:
        """One reading; changes and newcomers that take long are read fewer times."""
        if metric in planning.LIMITED and self._spent[metric] > planning.budget_s(self._pace):
            return
        begin, held = time.monotonic(), len(self._step.policies)
        all_s = planning.of_metric_s(metric, self._system.name, held, self._given, self._pace)
        self._tell(measurer, metric, all_s / self._pace.repetitions)
        recorder.take(metric, repetition, self._noted.labels, partial(act, repetition))
        self._spent[metric] += time.monotonic() - begin

    def _program(self) -> Taken:
        """From nothing until the last policy holds, which is written when all others are; all are then tried.

        The last one allows: what allows is in force no sooner than all that forbids, nor than what allows before it.
        """
        self._system.clear()
        with ExitStack() as undo:
            watcher = self._watch(undo)
            begin = self._system.add(DENY)
            watcher.until(0, CLOSED, begin)
            begin = time.monotonic()
            self._system.add(*self._step.policies, ALLOW)
            told = time.monotonic() - begin
            whole = watcher.until(0, OPEN, begin) - begin
            self._system.remove(DENY, ALLOW)
        command = (self._system.name, "load", str(self._step.size))
        if not self._step.policies:  # those of before are gone by now
            return Taken(command, ())
        self._check()
        sample = self._noted.sample
        return Taken(command, (sample("programmed", "s", whole, 0), sample("written", "s", told, 0)))

    def _check(self) -> None:
        """Who may is answered by every server, and who may not by none. Raises ToolFailed."""
        site = self._system.site
        site.place.ask(self._places)
        calls = [Call(site.stranger, *address) for address in self._places]
        run = partial(site.place.sandbox.must, timeout_s=20)
        passed = ask(lambda argv, text: run(argv, stdin=text), calls, _REFUSED_S, len(calls)).answers
        if wrong := sum(one.answered for one in passed):
            raise ToolFailed(f"{wrong} of {len(calls)} forbidden connections were answered")

    def _weigh(self) -> Taken:
        return self._noted.weight(self._system.name, self._system.entries(), self._system.memory_mib())

    def _first_packets(self, repetition: int) -> Taken:
        """A connection to each server, one by one, with nothing cached; several rounds of it."""
        times = list[float]()
        while len(times) < self._given.first_packets:
            self._system.forget_cached()
            times += [one.connect_us for one in self._system.site.place.ask(self._places, at_once=1).answers]
        return self._noted.first_packets(times, repetition)

    def _throughput(self, repetition: int) -> Taken:
        """One TCP stream to the first server."""
        return self._stream.take(
            self._places[0][0], lambda value: self._noted.sample("throughput", "Mbit/s", value, repetition)
        )

    def _burst(self, repetition: int) -> Taken:
        count = self._given.connections
        addresses = [self._places[number % len(self._places)] for number in range(count)]
        return self._noted.burst(self._system.site.place, addresses, repetition)

    def _changes(self, repetition: int) -> Taken:
        """A policy comes that forbids, then one that allows, then both go."""
        denied, allowed = list[float](), list[float]()
        with ExitStack() as undo:
            watcher = self._watch(undo)
            for _ in range(max(1, self._given.changes // self._pace.repetitions)):
                try:
                    for policy, state, times in ((DENY, CLOSED, denied), (ALLOW, OPEN, allowed)):
                        begin = time.monotonic()
                        self._system.add(policy)
                        times.append(1000 * (watcher.until(0, state, begin) - begin))
                finally:
                    self._system.remove(DENY, ALLOW)
                time.sleep(2 * QUIET_S)  # open all the while: there is nothing to wait for
        samples = (
            self._noted.sample("denied", "ms", quantile(denied, 0.5), repetition),
            self._noted.sample("allowed", "ms", quantile(allowed, 0.5), repetition),
        )
        return Taken(("experiments.passing", DENY.name, ALLOW.name), samples)

    def _newcomers(self, repetition: int) -> Taken:
        count = max(1, self._given.newcomers // self._pace.repetitions)
        came = [self._system.newcomer() for _ in range(count)]
        samples = (
            self._noted.sample("covered", "ms", 1000 * quantile([one.covered_s for one in came], 0.5), repetition),
            self._noted.sample("leaked", "pods", sum(one.leaked for one in came), repetition, of=count),
        )
        return Taken(("experiments.passing", "newcomer"), samples)

    def _watch(self, undo: ExitStack) -> Watcher:
        """The way from who may not to the pod that policies come for: open, to begin with."""
        site = self._system.site
        watcher = watching(site, (site.stranger,), undo)
        watcher.aim(site.guarded)
        watcher.until(0, OPEN)
        return watcher

    def _tell(self, measurer: Measurer, what: str, seconds: float) -> None:
        measurer.doing(f"{self._system.name}, {self._step.sweep.count(self._step.size)}: {what}", seconds)
