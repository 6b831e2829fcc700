"""The life of a lab as its user sees it: it comes up, takes manifests, and goes down."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from k8sshim import manifests
from k8sshim.client import Client
from k8sshim.errors import PodwireError
from k8sshim.manifests import Applied, Document
from lab import doctor, following, needs, state, system_pods
from lab.ending import down, end
from lab.events import ENDED, FAILED, TOPOLOGY, Event
from lab.launch import Launched, last_line, launch
from lab.readiness import Survey, pods_described
from lab.settling import NotReady, settle
from lab.state import RUNNING, Lab
from topo.spec import ClusterSpec

__all__ = ["NotReady", "Progress", "Step", "apply", "broken", "down", "end", "up"]
SANDBOX, SWITCHES, API, NODES, MANIFESTS, PODS = "sandbox", "switches", "API", "nodes", "manifests", "pods"
NETWORK = "network"
_DEATHS = 3  # of one component while the lab comes up, after which it will not come up
_LOOK_S = 0.1


@dataclass(frozen=True)
class Step:
    """How far one step of coming up is."""

    name: str
    done: int
    total: int


Progress = Callable[[Step], None]


def up(
    cluster: ClusterSpec,
    name: str,
    documents: Sequence[Document],
    timeout_s: float,
    progress: Progress,
    *,
    file: str = "",
) -> Lab:
    """Bring a lab up and wait until its nodes and pods are ready. `file` is where the description stands.

    Raises NotReady where they were not in time (the lab stays up), BadInput where the name is in use or this machine
    cannot run labs, PodwireError where the lab does not come up; failed or interrupted, it is taken down again.
    """
    doctor.check()
    needs.check(cluster, file)
    expected = pods_described((document.raw for document in documents), nodes=len(cluster.nodes))
    with launch(state.claim(name), cluster.expecting(expected)) as launched:
        progress(Step(SANDBOX, 1, 1))
        try:
            _come_up(launched, documents, timeout_s, progress)
        except NotReady:
            state.write(replace(launched.lab, state=RUNNING))
            raise
        except KeyboardInterrupt:
            down(launched.lab)
            raise
        except BaseException:
            end(launched.lab)  # its folder stays, with the logs that tell why, until somebody tidies
            raise
        lab = replace(launched.lab, state=RUNNING)
        state.write(lab)
        return lab


def apply(lab: Lab, documents: Sequence[Document], *, wait_s: float | None) -> Iterator[Applied]:
    """Apply manifests; with `wait_s`, wait that long for what they made to be ready. Raises NotReady."""
    client = Client(lab.kubeconfig)
    yield from manifests.apply(client, documents)
    if wait_s is not None:
        settle(lab, client, documents, nodes=0, timeout_s=wait_s, report=lambda _: None)


def _come_up(launched: Launched, documents: Sequence[Document], timeout_s: float, progress: Progress) -> None:
    """Fill the lab in a thread of its own, while this one hears what the supervisor has to say."""
    filling = _Filling(launched.lab, documents, timeout_s, progress)
    filling.start()
    deaths: Counter[str] = Counter()
    while filling.is_alive():
        for event in launched.listener.events(_LOOK_S):
            if event.kind == TOPOLOGY:
                progress(Step(SWITCHES, 1, 1))
            deaths[event.component] += event.kind == ENDED
            if event.kind == FAILED or deaths[event.component] >= _DEATHS:
                raise broken(launched.lab, event)
        if launched.listener.closed:
            raise broken(launched.lab, Event(FAILED, "supervisor", "ended"))
    if filling.error:
        raise filling.error


class _Filling(threading.Thread):
    """Waits for the API, applies the manifests, waits for nodes and pods."""

    def __init__(self, lab: Lab, documents: Sequence[Document], timeout_s: float, progress: Progress) -> None:
        super().__init__(name="filling", daemon=True)
        self._lab = lab
        self._documents = documents
        self._timeout_s = timeout_s
        self._progress = progress
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._fill()
        except Exception as error:  # handed to the thread that waits for this one
            self.error = error

    def _fill(self) -> None:
        deadline = time.monotonic() + self._timeout_s
        client = Client(self._lab.kubeconfig)
        client.wait_until_ready(self._timeout_s)
        self._progress(Step(API, 1, 1))
        nodes = len(self._lab.nodes)
        if self._documents:
            # Pods go to nodes that are ready: with one there, it would get them all.
            following.wait_ready(client, (), nodes, _left_s(deadline), self._report)
            applied = list(manifests.apply(client, self._documents))
            self._progress(Step(MANIFESTS, len(applied), len(self._documents)))
        settle(
            self._lab,
            client,
            self._documents,
            nodes=nodes,
            timeout_s=_left_s(deadline),
            report=self._report,
            silently=system_pods.workloads(),
        )
        self._progress(Step(NETWORK, 1, 1))

    def _report(self, now: Survey) -> None:
        self._progress(Step(NODES, now.nodes_ready, len(self._lab.nodes)))
        if now.pods_expected:
            self._progress(Step(PODS, now.pods_ready, now.pods_expected))


def _left_s(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0)


def broken(lab: Lab, event: Event) -> PodwireError:
    """Why a lab does not come up, with the last that its component said."""
    log = lab.log / f"{event.component}.log"
    said = last_line(log) if event.kind == ENDED else ""
    why = ": ".join(part for part in (event.message, said) if part)
    return PodwireError(f"the lab does not come up: {event.component}: {why} (log: {log})")
