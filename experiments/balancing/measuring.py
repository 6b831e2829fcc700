"""Asks every Service from the same sources, before and after one of the endpoints has left all of them.

An endpoint leaves when its pod loses a label that the Services' selectors want; it comes back with it. The pod itself
lives on, so the only thing that changes is who the Services choose from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from experiments import environment
from experiments.balancing import parameters, planning
from experiments.balancing.figures import by_source, moved, observed
from experiments.balancing.parameters import WEIGHT, Balancing
from experiments.balancing.planning import AFTER, BEFORE, LEAVE_S, Source
from experiments.calls import Asked, Call, ask
from experiments.catalogue import Prepared
from experiments.inside import Sandbox
from experiments.parse import ToolFailed
from experiments.planning import Measurer
from experiments.recording import Measured, Recorder, Taken, recording
from experiments.results import Labels, Sample, labels
from k8sshim.client import PODS, SERVICES, Client
from k8sshim.errors import BadInput, PodwireError
from k8sshim.objects import Key, Pod, Raw, Service
from k8sshim.selectors import Selector
from lab.inventory import netns_of
from lab.state import Lab
from lab.waiting import wait_until
from topo.plan import plan as plan_of

PATH, ANSWERS = "pod-to-service", "answers"
TIMEOUT_S, AT_ONCE = 3.0, 64
SETTLED_S = 20.0
expected = planning.expected


@dataclass(frozen=True)
class Cast:
    """Who asks, who is asked, and who may answer."""

    clients: tuple[str, ...]  # namespaces
    services: Mapping[str, str]  # addresses by mode
    endpoints: tuple[str, ...]  # names of pods
    weights: Mapping[str, int]
    labels: Mapping[str, str]  # those of the endpoints' pods by which the Services pick them


def measure(lab: Lab, prepared: Prepared, measurer: Measurer) -> tuple[Measured, Raw]:
    """What the readings gave, and what they were taken in. Raises BadInput, PodwireError."""
    given = parameters.of(prepared.scenario.parameters)
    client, sandbox = Client(lab.kubeconfig), Sandbox(lab.pid)
    bench = _Bench(given, client, sandbox, find(client, given))
    with recording() as recorder:
        for repetition in range(prepared.scenario.pace.repetitions):
            bench.repeat(recorder, repetition, measurer)
        within = environment.lab(sandbox, plan_of(prepared.cluster), bench.cast.clients[0])
        weights = {name: bench.cast.weights.get(name, 1) for name in bench.cast.endpoints}
        return recorder.measured, {**within, "clients": len(bench.cast.clients), "weights": weights}


def find(client: Client, given: Balancing) -> Cast:
    """Everyone who takes part. Raises BadInput where the manifests do not have what the scenario names."""
    services = {mode: _service(client, key) for mode, key in given.services}
    selector = next(iter(services.values())).selector
    if different := [str(one.key) for one in services.values() if one.selector != selector]:
        raise BadInput.of(
            "picks other pods than the first of the scenario's Services", object=f"Service {different[0]}"
        )
    endpoints = _pods(client, given.namespace, Selector.from_labels(dict(selector)))
    clients = _pods(client, given.namespace, Selector.from_labels({"app": given.clients}))
    if len(endpoints) < 2 or not clients:
        raise BadInput.of(
            f"the scenario wants two endpoints or more and pods labelled app={given.clients}; "
            f"there are {len(endpoints)} and {len(clients)}",
            object=f"Namespace {given.namespace}",
        )
    weights = {pod.key.name: int(raw["metadata"].get("annotations", {}).get(WEIGHT, 1)) for pod, raw in endpoints}
    return Cast(
        clients=tuple(netns_of(pod) for pod, _ in clients),
        services={mode: one.cluster_ips[0] for mode, one in services.items()},
        endpoints=tuple(sorted(weights)),
        weights=weights,
        labels=dict(selector),
    )


def _service(client: Client, key: Key) -> Service:
    raw = client.get(SERVICES, key)
    service = Service.parse(raw) if raw else None
    if service is None or not service.cluster_ips or not service.selector:
        problem = "has no cluster IP or no selector" if service else "the scenario names it, its manifests have none"
        raise BadInput.of(problem, object=f"Service {key}")
    return service


def _pods(client: Client, namespace: str, selector: Selector) -> list[tuple[Pod, Raw]]:
    raws = sorted(client.list(PODS, namespace, selector)[0], key=lambda raw: str(raw["metadata"]["name"]))
    return [(pod, raw) for raw in raws if (pod := Pod.parse(raw)).ip]


@dataclass(frozen=True)
class Turn:
    """One reading: a mode's Service asked from every source."""

    repetition: int
    mode: str
    sources: tuple[Source, ...]
    gone: str = ""  # the endpoint that has left
    before: Mapping[Source, str] = field(default_factory=dict)  # who answered when it had not
    names: dict[Source, str] = field(default_factory=dict)  # who answers; sources that nobody answered are left out

    @property
    def phase(self) -> str:
        return AFTER if self.gone else BEFORE

    @property
    def labels(self) -> Labels:
        return labels(path=PATH, mode=self.mode, phase=self.phase, left=self.gone or None)

    def samples(self, endpoints: Sequence[str], per_second: float) -> Iterator[Sample]:
        """What was seen: answers by endpoint, over all connections and over all that is chosen for on its own."""
        of, per_source = self.labels, by_source(self.names, self.mode)
        for metric, unit, names in ((ANSWERS, "connections", self.names), ("sources", "sources", per_source)):
            for name, count in observed(names.values(), endpoints).items():
                yield Sample(metric, unit, count, self.repetition, of + labels(endpoint=name))
        yield Sample("unanswered", "connections", len(self.sources) - len(self.names), self.repetition, of)
        yield Sample("connections", "1/s", round(per_second, 1), self.repetition, of)
        if self.gone:
            change = moved(by_source(self.before, self.mode), per_source, self.gone)
            yield Sample("moved", "1", round(change.share, 6), self.repetition, of)
            yield Sample("moved-needlessly", "1", round(change.needless, 6), self.repetition, of)


class _Bench:
    """The readings of one lab."""

    def __init__(self, given: Balancing, client: Client, sandbox: Sandbox, cast: Cast) -> None:
        self.cast = cast
        self._given, self._client, self._sandbox = given, client, sandbox

    def repeat(self, recorder: Recorder, repetition: int, measurer: Measurer) -> None:
        """All modes before an endpoint leaves, and after it."""
        gone = planning.leaving(self.cast.endpoints, repetition)
        sources = planning.sources(len(self.cast.clients), self._given.connections, repetition)
        before = {mode: Turn(repetition, mode, sources) for mode in self.cast.services}
        for one in before.values():
            self._read(recorder, one, measurer)
        measurer.doing(f"{gone} leaves", LEAVE_S)
        self._label(gone, here=False)
        try:
            self._wait(gone, here=False)
            for one in before.values():
                self._read(recorder, Turn(repetition, one.mode, sources, gone, one.names), measurer)
        finally:
            measurer.doing(f"{gone} comes back", LEAVE_S)
            self._label(gone, here=True)
        self._wait(gone, here=True)

    def _read(self, recorder: Recorder, turn: Turn, measurer: Measurer) -> None:
        what = f"repetition {turn.repetition + 1}: {turn.mode}, {turn.phase}"
        measurer.doing(what, planning.reading_s(len(turn.sources)))
        recorder.take(ANSWERS, turn.repetition, turn.labels, partial(self._act, turn))

    def _act(self, turn: Turn) -> Taken:
        asked = self._ask(turn.mode, turn.sources)
        answers = zip(turn.sources, asked.answers, strict=True)
        turn.names.update({source: one.name for source, one in answers if one.name})
        if not turn.names:
            raise ToolFailed(f"none of {len(turn.sources)} connections was answered")
        return Taken(("experiments.calls", turn.mode), tuple(turn.samples(self.cast.endpoints, asked.per_second)))

    def _ask(self, mode: str, sources: Sequence[Source]) -> Asked:
        address = self.cast.services[mode]
        calls = [Call(self.cast.clients[one.client], address, self._given.port, one.port) for one in sources]
        timeout_s = TIMEOUT_S + len(calls) / 50
        run = lambda argv, text: self._sandbox.must(argv, stdin=text, timeout_s=timeout_s)  # noqa: E731
        return ask(run, calls, TIMEOUT_S, AT_ONCE)

    def _label(self, name: str, *, here: bool) -> None:
        """Give the labels that the Services pick by to a pod, or take them from it."""
        wanted = {label: value if here else None for label, value in self.cast.labels.items()}
        self._client.patch(PODS, Key(self._given.namespace, name), {"metadata": {"labels": wanted}})

    def _wait(self, name: str, *, here: bool) -> None:
        """Until every Service chooses from the endpoints as they are now."""
        for mode in self.cast.services:
            if not wait_until(partial(self._settled, mode, name, here=here), SETTLED_S):
                raise PodwireError(f"{name} is {'not ' if here else 'still '}chosen by the Service of mode {mode}")

    def _settled(self, mode: str, name: str, *, here: bool) -> bool:
        asked = self._ask(mode, [Source(client, 0) for client in range(len(self.cast.clients))])
        return here == any(one.name == name for one in asked.answers)
