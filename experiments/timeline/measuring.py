"""Does the steps of each case while traffic runs, and keeps what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from experiments import ends, environment
from experiments.catalogue import Prepared
from experiments.inside import Sandbox
from experiments.parse import ToolFailed
from experiments.planning import Measurer, shuffled
from experiments.recording import Measured, Taken, recording
from experiments.results import Labels, Sample, labels
from experiments.throughput import CROSS_NODE, POD_TO_POD
from experiments.timeline import parameters, planning, seeing, served
from experiments.timeline.doing import Script, Story, Waiter
from experiments.timeline.parameters import BEFORE, CONNECTIONS, TCP, UDP, Case, Timeline
from experiments.timeline.seeing import BIN_S, STREAM_BIN_S
from experiments.timeline.watching import Ends, Traffic, Watchers
from experiments.traffic import check_programs
from k8sshim.client import PODS, Client
from k8sshim.errors import BadInput, PodwireError, some
from k8sshim.objects import Pod, Raw
from lab.faults.injecting import Injector
from lab.inventory import netns_of
from lab.state import Lab
from lab.waiting import wait_until
from topo.fields import Problems
from topo.plan import plan as plan_of

__all__ = ["check_programs", "expected", "measure"]
LEAD_S = 0.8  # for tools to be under way before a case's time begins
LATE_S = 0.3  # for steps to come late
MORE = 1.5  # where either took longer, so many times as long is allowed from then on
SETTLED_S = 60.0  # for the lab to be itself again after a case
AGAIN_S = 10.0  # where that was in vain the last time
_TRIED_S, _SERVES_S = 0.2, 1.0
_OFFERED_MBIT = 1.0
expected = planning.expected


def measure(lab: Lab, prepared: Prepared, measurer: Measurer) -> tuple[Measured, Raw]:
    """What the readings gave, and what they were taken in. Raises BadInput, PodwireError."""
    given, plan = parameters.of(prepared.scenario.parameters), plan_of(prepared.cluster)
    planned = shuffled(given.cases, prepared.scenario.pace.repetitions, prepared.scenario.seed)
    with Injector(lab) as injector, recording() as recorder:
        bench = Bench(lab, given, injector)
        measurer.doing("servers are waited for", planning.SERVERS_S)
        bench.check_served(Problems(prepared.path, f"Scenario {prepared.scenario.name}"))
        for number, (repetition, case) in enumerate(planned, 1):
            measurer.doing(f"{number}/{len(planned)}: {case.name}", case.seconds + planning.BESIDE_S)
            recorder.take("outage", repetition, of_case(case), partial(bench.take, case, repetition))
        within = environment.lab(Sandbox(lab.pid), plan, bench.client_netns)
        return recorder.measured, {**within, "timelines": bench.timelines}


def of_case(case: Case) -> Labels:
    return labels(path=POD_TO_POD, locality=CROSS_NODE, case=case.name)


class Bench:
    """Does cases in one lab."""

    def __init__(self, lab: Lab, given: Timeline, injector: Injector) -> None:
        self.timelines: dict[str, list[dict[str, Any]]] = {}
        self._lab, self._given, self._injector = lab, given, injector
        self._patience_s, self._lead_s, self._late_s = SETTLED_S, LEAD_S, LATE_S
        self._client, self._sandbox = Client(lab.kubeconfig), Sandbox(lab.pid)
        self._sender = ends.pod(self._client, given.client)
        self.client_netns = netns_of(self._sender)
        self._node = str(ends.pod(self._client, given.server).node)
        servers = (given.server, *(case.server for case in given.cases if case.server))
        self._servers = {key: ends.pod(self._client, key).ip for key in servers}

    def check_served(self, problems: Problems) -> None:
        """Raises BadInput, which names what nobody serves."""
        service = ends.service(self._client, self._given.service) if self._given.service else None
        if service:
            served.check_port(service, self._given.port, problems)
        address = service.cluster_ips[0] if service else ""
        targets = served.targets(self._given, self._servers, address)
        served.check(targets, self._serves, self._given.client, problems)

    def _serves(self, target: served.Target) -> bool:
        there = Ends(self.client_netns, target.address, target.address, self._given.port)
        try:
            seen = Watchers(self._sandbox, there, (target.watch,), _OFFERED_MBIT).start(_SERVES_S).end()
        except PodwireError:
            return False
        return not seen.broken and all(any(one.received_s for one in found) for found in seen.probes.values())

    def take(self, case: Case, repetition: int) -> Taken:
        """One repetition of a case; every fault of it is undone at the end. Raises ToolFailed, BadInput."""
        self.settle()
        try:
            return self._take(case, repetition)
        except BadInput:
            raise
        except PodwireError as error:  # this repetition is lost, and no other
            raise ToolFailed(str(error)) from error

    def _take(self, case: Case, repetition: int) -> Taken:
        watchers = Watchers(self._sandbox, self._ends(case), self._given.watch, self._given.tcp_mbit_per_s)
        with ExitStack() as undo, self._injector.undone():
            names = [step.newcomer for step in case.steps if step.newcomer]
            waiters = {name: Waiter(self._sandbox, self.client_netns, undo) for name in names}
            script = Script(self._lab, self._given, self._node, self._injector, waiters)
            running = watchers.start(self._lead_s + case.seconds + self._late_s)
            try:
                story = script.play(case, time.monotonic() + self._lead_s)
            finally:
                seen = running.end()
        self._learn(story, seen)
        seeing.check_from_the_beginning(seen.first_s, story.began_s)
        seeing.check_to_the_end(seen.last_s, story.ends_s, story.late_s)
        self._keep(case, story, seen)
        return Taken(("experiments.timeline", case.name), tuple(self._samples(case, story, seen, repetition)))

    def _learn(self, story: Story, seen: Traffic) -> None:
        """How long tools and steps take to begin on this machine."""
        began_late_s = max(seen.first_s.values(), default=story.began_s) - story.began_s
        if began_late_s > 0:
            self._lead_s = MORE * (self._lead_s + began_late_s)
        self._late_s = max(self._late_s, MORE * story.late_s)

    def settle(self) -> None:
        """Until every pod is ready, servers answer, and all new connections do. Raises ToolFailed."""
        for wrong in (self._not_ready, self._unanswered):
            self._wait_while(wrong)
        self._patience_s = SETTLED_S

    def _wait_while(self, wrong: Callable[[], str]) -> None:
        found = ""

        def well() -> bool:
            nonlocal found
            found = wrong()
            return not found

        if not wait_until(well, self._patience_s):
            waited_s, self._patience_s = self._patience_s, AGAIN_S
            raise ToolFailed(f"{waited_s:g} s after the faults before were undone: {found}")

    def _not_ready(self) -> str:
        """Which pods are not; "" for none."""
        try:
            pods = [Pod.parse(raw) for raw in self._client.list(PODS)[0]]
        except PodwireError as error:  # the API server may be what failed
            return str(error)
        waiting = [f"Pod {pod.key}" for pod in pods if not pod.ready]
        return f"not ready: {some(waiting)}" if waiting else ""

    def _unanswered(self) -> str:
        """Whether a server does not answer, or one of a few new connections is not; "" if all is well."""
        for address in self._servers.values():
            asked = tuple(one for one in (UDP, CONNECTIONS) if one in self._given.watch)
            watch = Watchers(self._sandbox, self._ends_at(address), asked, _OFFERED_MBIT)
            try:
                seen = watch.start(_TRIED_S).end()
            except PodwireError as error:  # on a machine that is too busy, tools do not end in time
                return str(error)
            if any(one.received_s is None for one in seen.probes.get(CONNECTIONS, ())):
                return "not every new connection is answered"
        return ""

    def _ends(self, case: Case) -> Ends:
        return self._ends_at(self._servers[case.server or self._given.server])

    def _ends_at(self, address: str) -> Ends:
        given = self._given
        new = ends.service_address(self._client, given.service) if given.service else address
        return Ends(self.client_netns, address, new, given.port)

    def _keep(self, case: Case, story: Story, seen: Traffic) -> None:
        """What the timeline is drawn from."""
        begins, seconds = story.began_s, story.ends_s - story.began_s
        kept: dict[str, Any] = {
            "events": [[name, round(when - begins, 4)] for name, when in story.events],
            "binS": BIN_S,
            **{name: seeing.shares(found, begins, seconds) for name, found in seen.probes.items()},
        }
        if seen.stream:
            kept |= {"streamBinS": STREAM_BIN_S, TCP: seeing.rates(seen.stream, begins, seconds)}
        self.timelines.setdefault(case.name, []).append(kept)

    def _samples(self, case: Case, story: Story, seen: Traffic, repetition: int) -> Iterator[Sample]:
        if not story.events:
            raise ToolFailed("no step was done")
        of = of_case(case)

        def sample(metric: str, unit: str, value: float, **more: str | int) -> Sample:
            return Sample(metric, unit, round(value, 3), repetition, of + labels(**more))

        stream = seeing.to_the_end(seen.stream, story.ends_s) if TCP in seen.broken else seen.stream
        for span in seeing.spans([(BEFORE, story.began_s), *story.events], story.ends_s):
            for watch, found in seen.probes.items():
                if watch in seen.broken and seeing.ended_before(found, span):
                    yield sample("outage", "ms", 1000 * (span.ends_s - span.begins_s), watch=watch, event=span.event)
                    continue
                became = seeing.of(found, span)
                yield sample("outage", "ms", 1000 * became.outage_s, watch=watch, event=span.event)
                unit = {UDP: "packets", CONNECTIONS: "connections"}[watch]
                yield sample("lost", unit, became.lost, watch=watch, event=span.event)
                yield sample("recovery", "ms", 1000 * became.recovery_s, watch=watch, event=span.event)
                if watch == UDP:
                    yield sample("reordered", unit, became.reordered, watch=watch, event=span.event)
            if stream:
                still = seeing.still_s(stream, span)
                yield sample("outage", "ms", 1000 * still, watch=TCP, event=span.event)
        for watch in (UDP, TCP):
            if watch in self._given.watch:
                yield sample("broken", "", int(watch in seen.broken), watch=watch)
        for name, after_s in story.newcomers.items():
            if after_s is not None:
                yield sample("newcomer", "ms", 1000 * after_s, pod=name)
