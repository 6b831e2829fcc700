"""Does the steps of a case, each in its time, and what undoes them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial

from experiments import awaiting
from experiments.inside import Sandbox, start_ready
from experiments.timeline.parameters import Case, Step, Timeline
from k8sshim.client import PODS, Client
from k8sshim.errors import PodwireError
from k8sshim.objects import Key, Pod, Raw
from lab.faults.injecting import Injected, Injector
from lab.state import Lab
from lab.waiting import wait_until

NEWCOMER_S = 30.0


@dataclass
class Story:
    """What happened in one repetition of a case, by the machine's monotonic clock."""

    began_s: float
    late_s: float = 0.0  # so much after its time the latest step came; all that follow are put off by as much
    ends_s: float = 0.0
    events: list[tuple[str, float]] = field(default_factory=list)  # names and times, in their order
    newcomers: dict[str, float | None] = field(default_factory=dict)  # seconds until each answered; None: never


class Waiter:
    """Waits for a new pod's first answer; begun before there is the pod, since a program needs a moment to begin."""

    def __init__(self, sandbox: Sandbox, netns: str, undo: ExitStack) -> None:
        """From the client's network namespace, until the stack is undone."""
        asks = [awaiting.__name__, netns, f"{NEWCOMER_S:g}", ""]
        self._process = start_ready(sandbox, asks, None, undo, stdin=subprocess.PIPE)

    def answered(self, address: str, port: int) -> float | None:
        """When the pod at this address answered, by the machine's monotonic clock; None where it does not in time."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{address}:{port}\n")
        self._process.stdin.flush()
        told = self._process.stdout.readline().strip()
        return None if told in ("", "timeout") else float(told)


class Script:
    """The steps of one repetition."""

    def __init__(self, lab: Lab, given: Timeline, node: str, injector: Injector, waiters: Mapping[str, Waiter]) -> None:
        """`node`: where new pods come to; `waiters` wait for their answers, by name."""
        self._given, self._node, self._injector, self._waiters = given, node, injector, waiters
        self._client = Client(lab.kubeconfig)
        self._standing: dict[int, Injected] = {}
        self._waiting: dict[str, Future[float | None]] = {}

    def play(self, case: Case, began_s: float) -> Story:
        """Every step in its time, to the case's end. Raises BadInput, PodwireError.

        On a slow machine a step comes late. Then what follows is put off: a fault lasts as long as it was to last.
        """
        self._story = Story(began_s)
        due: list[tuple[float, int, Callable[[], None]]] = []
        with ThreadPoolExecutor(len(case.steps)) as pool:
            for place, step in enumerate(case.steps):
                due.append((step.at_s, place, partial(self._begin, step, place, pool)))
                if step.for_s:
                    due.append((step.ends_s, place, partial(self._end, place)))
            for at_s, _, act in sorted(due, key=lambda one: one[:2]):
                due_s = self._sleep_until(at_s)
                act()
                self._story.late_s += max(0.0, self._story.events[-1][1] - due_s)
            self._story.ends_s = self._sleep_until(case.seconds)
            self._story.newcomers = {name: one.result() for name, one in self._waiting.items()}
        for name in self._waiting:
            with suppress(PodwireError):
                self._client.delete(PODS, self._key(name), grace_period_s=0)
        return self._story

    def _sleep_until(self, at_s: float) -> float:
        """Until that time of the case, which is returned as the machine's."""
        due_s = self._story.began_s + at_s + self._story.late_s
        time.sleep(max(0.0, due_s - time.monotonic()))
        return due_s

    def _begin(self, step: Step, place: int, pool: ThreadPoolExecutor) -> None:
        if step.fault:
            self._standing[place] = done = self._injector.inject(step.fault)
            self._story.events.append((str(done.fault), done.began_s))
            return
        began_s = time.monotonic()
        self._story.events.append((step.name, began_s))
        self._client.create(PODS, self._stand_in(step.newcomer))
        self._waiting[step.newcomer] = pool.submit(self._answers_after, step.newcomer, began_s)

    def _end(self, place: int) -> None:
        if done := self._injector.undo(self._standing[place]):
            self._story.events.append((str(done.fault), done.began_s))

    def _key(self, name: str) -> Key:
        return Key(self._given.client.namespace, name)

    def _stand_in(self, name: str) -> Raw:
        container = {"name": "name", "image": "podwire/name", "ports": [{"containerPort": self._given.port}]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self._given.client.namespace},
            "spec": {"nodeSelector": {"kubernetes.io/hostname": self._node}, "containers": [container]},
        }

    def _answers_after(self, name: str, began_s: float) -> float | None:
        """Seconds until a new pod answers a connection; None where it does not in time."""
        addresses: list[str] = []

        def has_address() -> bool:
            with suppress(PodwireError):
                raw = self._client.get(PODS, self._key(name))
                addresses.extend([found] if raw and (found := Pod.parse(raw).ip) else [])
            return bool(addresses)

        if not wait_until(has_address, NEWCOMER_S):
            return None
        answered_s = self._waiters[name].answered(addresses[0], self._given.port)
        return None if answered_s is None else answered_s - began_s
