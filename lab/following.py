"""Follows a cluster's nodes, workloads and pods through its API until they are ready."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from k8sshim.client import NODES, PODS, Client, Event, Informer, resource_for
from k8sshim.manifests import Document
from lab.readiness import WORKLOADS, Survey, survey, within

_PAUSE_S = 0.05  # between surveys, however much happens


class Following:
    """The objects that readiness is made of, as they are now."""

    def __init__(self, client: Client, applied: Collection[Document]) -> None:
        resources = {"Node": NODES, "Pod": PODS}
        kinds = {document.raw["kind"]: document.raw["apiVersion"] for document in applied}
        resources |= {kind: resource_for(kinds[kind], kind) for kind in WORKLOADS if kind in kinds}
        if "Deployment" in resources:  # a Deployment's pods belong to its ReplicaSets
            resources["ReplicaSet"] = resource_for("apps/v1", "ReplicaSet")
        self._applied = {(document.raw["kind"], document.key) for document in applied}
        self._informers = {kind: Informer(client, one, self._note) for kind, one in resources.items()}
        self._changed = threading.Event()

    def surveys(self, timeout_s: float) -> Iterator[Survey]:
        """How far the cluster has come, whenever something changed, until `timeout_s` have gone."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if not self._changed.wait(min(left, _PAUSE_S)):
                continue
            self._changed.clear()
            if all(informer.synced.is_set() for informer in self._informers.values()):  # else pods may be unseen yet
                yield self.survey()
                threading.Event().wait(min(left, _PAUSE_S))

    def survey(self) -> Survey:
        """How far what was applied, and the cluster's nodes, have come."""
        objects = {kind: [raw for _, raw in list(one.cache.items())] for kind, one in self._informers.items()}
        return survey({**within(objects, self._applied), "Node": objects["Node"]})

    def _note(self, event: Event) -> None:
        self._changed.set()

    def start(self) -> None:
        for informer in self._informers.values():
            informer.start()

    def stop(self) -> None:
        for informer in self._informers.values():
            informer.stop()


@contextmanager
def following(client: Client, applied: Collection[Document]) -> Iterator[Following]:
    """Follow the cluster's nodes, and what was applied with what that owns."""
    one = Following(client, applied)
    one.start()
    try:
        yield one
    finally:
        one.stop()


def wait_ready(
    client: Client, applied: Collection[Document], nodes: int, timeout_s: float, report: Callable[[Survey], None]
) -> Survey:
    """Wait until `nodes` nodes and all that was applied are ready, or `timeout_s` have gone; how far it came."""
    with following(client, applied) as cluster:
        for now in cluster.surveys(timeout_s):
            report(now)
            if now.complete(nodes):
                return now
        return cluster.survey()
