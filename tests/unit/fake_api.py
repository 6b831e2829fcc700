"""An API server in memory, with the client's methods, and a cluster whose controllers run step by step against it.

`FakeApi` keeps what controllers rely on: resourceVersions that conflict, UIDs, generations, graceful deletion of pods
with a node, dependants that follow their owner. `Cluster` runs the real controllers and the real executor on it, in
one thread and with a clock of its own, until nothing is left to write.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import count
from random import Random
from threading import Event
from typing import Any

from k8sshim.client import NODES, PODS, Absent, Resource
from k8sshim.controllers.__main__ import FOLLOWED, controllers
from k8sshim.controllers.executor import Executor
from k8sshim.controllers.loop import Controller, Surroundings
from k8sshim.controllers.pods import SUFFIX_ALPHABET, format_time, is_terminating
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import Delete
from k8sshim.errors import Conflict
from k8sshim.objects import POD_NETWORK_ANNOTATION, Key, PodNetwork, Raw

START = datetime(2024, 5, 1, tzinfo=timezone.utc)
READY = {"type": "Ready", "status": "True"}


class FakeApi:
    """Objects in memory. `log` holds every change as (resource, object, whether it exists)."""

    def __init__(self) -> None:
        self.objects: dict[tuple[Resource, Key], Raw] = {}
        self.log: list[tuple[Resource, Raw, bool]] = []
        self.now = START
        self._versions = count(1)

    def get(self, resource: Resource, key: Key) -> Raw | None:
        return copy.deepcopy(self.objects.get((resource, key)))

    def list(
        self, resource: Resource, namespace: str | None = None, labels: object = None, *, fields: str = ""
    ) -> tuple[list[Raw], str]:
        found = [
            raw for (kind, key), raw in self.objects.items() if kind == resource and namespace in (None, key.namespace)
        ]
        return copy.deepcopy(found), str(len(self.log))

    def watch(self, resource: Resource, resource_version: str, **_: object) -> FakeWatch:
        return FakeWatch(self, resource, int(resource_version))

    def create(self, resource: Resource, raw: Raw) -> Raw:
        raw = copy.deepcopy(raw)
        if (resource, Key.of(raw)) in self.objects:
            raise Conflict(f"{resource.plural} {Key.of(raw)} already exists")
        raw["metadata"].update(uid=f"uid-{next(self._versions)}", generation=1, creationTimestamp=format_time(self.now))
        if resource == PODS:
            raw["status"] = {"phase": "Pending"}
        return self._put(resource, raw)

    def update(self, resource: Resource, raw: Raw) -> Raw:
        old = self._current(resource, raw)
        new = {**raw, **({"status": old["status"]} if "status" in old else {})}
        generation = old["metadata"]["generation"] + (old.get("spec") != new.get("spec"))
        return self._put(resource, {**new, "metadata": {**new["metadata"], "generation": generation}})

    def update_status(self, resource: Resource, raw: Raw) -> Raw:
        return self._put(resource, {**self._current(resource, raw), "status": raw["status"]})

    def patch(self, resource: Resource, key: Key, patch: Raw) -> Raw:
        old = self.get(resource, key)
        if old is None:
            raise Absent(f"{resource.plural} {key} not found")
        return self._put(resource, _merged(old, patch))

    def delete(self, resource: Resource, key: Key, *, grace_period_s: int | None = None) -> Raw | None:
        raw = self.get(resource, key)
        if raw is None:
            return None
        if resource == PODS and raw["spec"].get("nodeName") and grace_period_s != 0:
            raw["metadata"].setdefault("deletionTimestamp", format_time(self.now))
            return self._put(resource, raw)
        del self.objects[resource, key]
        self.log.append((resource, raw, False))
        for (kind, each), other in list(self.objects.items()):
            if any(owner["uid"] == raw["metadata"]["uid"] for owner in other["metadata"].get("ownerReferences") or ()):
                self.delete(kind, each)
        return raw

    def _current(self, resource: Resource, raw: Raw) -> Raw:
        old = self.get(resource, Key.of(raw))
        if old is None:
            raise Absent(f"{resource.plural} {Key.of(raw)} not found")
        if raw["metadata"].get("resourceVersion") != old["metadata"]["resourceVersion"]:
            raise Conflict(f"{resource.plural} {Key.of(raw)} has been modified")
        return old

    def _put(self, resource: Resource, raw: Raw) -> Raw:
        raw = copy.deepcopy(raw)
        raw["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[resource, Key.of(raw)] = raw
        self.log.append((resource, copy.deepcopy(raw), True))
        return copy.deepcopy(raw)


class FakeWatch:
    """Follows the log from a place in it, as the client's watch does; bookmarks tell the place."""

    def __init__(self, api: FakeApi, resource: Resource, place: int) -> None:
        self._api, self._resource, self._place, self._closed = api, resource, place, Event()

    def __enter__(self) -> FakeWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closed.set()

    def __iter__(self) -> Iterator[tuple[str, Raw]]:
        while not self._closed.wait(0.002):
            while self._place < len(self._api.log):
                resource, raw, exists = self._api.log[self._place]
                self._place += 1
                if resource == self._resource:
                    yield ("MODIFIED" if exists else "DELETED"), raw
                yield "BOOKMARK", {"metadata": {"resourceVersion": str(self._place)}}


def _merged(old: Raw, patch: Raw) -> Raw:
    new = dict(old)
    for name, value in patch.items():
        new[name] = _merged(old.get(name) or {}, value) if isinstance(value, dict) else value
    return new


class Cluster:
    """The controllers on a fake API, step by step. `starts` says whether a bound pod comes up; see `run`."""

    def __init__(self, nodes: int = 3, api: FakeApi | None = None, seed: int = 1) -> None:
        self.api = api or FakeApi()
        self.writes: list[object] = []
        self.starts: Callable[[Raw], bool] = lambda pod: True
        self._random = Random(seed)
        self.restart()
        for number in range(1, nodes + 1):
            self.api.create(NODES, node(number))

    def restart(self, only: Sequence[Controller] | None = None) -> None:
        """Controllers that know nothing but what the API says."""
        self.world, self._executor, self._seen = World(FOLLOWED), Executor(self.api, 1), 0  # type: ignore[arg-type]
        self._controllers = list(only or controllers())
        self._due: set[tuple[int, Key]] = set()
        self._seen = len(self.api.log)
        for (resource, _), raw in self.api.objects.items():
            if resource in FOLLOWED:
                self._take(self.world.observe(resource, copy.deepcopy(raw)))

    def run(self, rounds: int = 200) -> None:
        """Until nothing changes any more, agent included. Fails where that never happens."""
        for _ in range(rounds):
            if not (self.step() | self.agent()):
                return
        raise AssertionError(f"no end after {rounds} rounds; last writes: {self.writes[-3:]}")

    def step(self) -> bool:
        """Take events in, plan what is due, write; whether there was anything to do."""
        news, self._seen = self.api.log[self._seen :], len(self.api.log)
        for resource, raw, exists in news:
            if resource not in FOLLOWED:
                continue
            if exists:
                self._take(self.world.observe(resource, raw))
            else:
                self._take(self.world.gone(resource, Key.of(raw), raw["metadata"]["uid"]))
        due, self._due = sorted(self._due), set()
        for number, key in due:
            self._plan(self._controllers[number], number, key)
        return bool(news or due)

    def _take(self, change: Change | None) -> None:
        if change:
            for number, controller in enumerate(self._controllers):
                self._due.update((number, key) for key in controller.affected(change, self.world))

    def _plan(self, controller: Controller, number: int, key: Key) -> None:
        suffix = lambda: "".join(self._random.choices(SUFFIX_ALPHABET, k=5))  # noqa: E731
        plan = controller.plan(key, self.world, Surroundings(self.api.now, suffix))
        for write in plan.writes:
            self.writes.append(write)
            outcome = self._executor.perform(write)
            if outcome.error:
                self._due.add((number, key))
            if isinstance(write, Delete) and not outcome.gone:
                self._take(self.world.deleting(write.resource, write.key, write.uid, format_time(self.api.now)))
            elif outcome.raw:
                self._take(self.world.written(write.resource, outcome.raw))

    def agent(self) -> bool:
        """Start bound pods and end those that are to go; whether there was any."""
        busy = False
        for pod in self.api.list(PODS)[0]:
            if is_terminating(pod):
                self.api.delete(PODS, Key.of(pod), grace_period_s=0)
                busy = True
            elif pod["spec"].get("nodeName") and pod["status"]["phase"] == "Pending" and self.starts(pod):
                self.start(pod)
                busy = True
        return busy

    def start(self, pod: Raw, phase: str = "Running", ready: bool = True) -> None:
        """The agent's word on a pod."""
        network = PodNetwork.claimed((pod["metadata"].get("annotations") or {}).get(POD_NETWORK_ANNOTATION))
        condition = {**READY, "status": str(ready), "lastTransitionTime": format_time(self.api.now)}
        status = {"phase": phase, "conditions": [condition], "podIP": network.addresses[0] if network else ""}
        self.api.update_status(PODS, {**self.api.get(PODS, Key.of(pod)), "status": status})  # type: ignore[dict-item]

    def pass_time(self, seconds: float) -> None:
        self.api.now += timedelta(seconds=seconds)

    def pods(self, **labels: str) -> list[Raw]:
        """The pods that carry these labels, by name."""
        found = (
            pod for pod in self.api.list(PODS)[0] if labels.items() <= (pod["metadata"].get("labels") or {}).items()
        )
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    def apply(self, resource: Resource, raw: Raw, **spec: object) -> Raw:
        """Create an object, or change fields of its spec."""
        current = self.api.get(resource, Key.of(raw))
        if current is None:
            return self.api.create(resource, {**raw, "spec": {**raw.get("spec", {}), **spec}})
        return self.api.update(resource, {**current, "spec": {**current["spec"], **spec}})


def node(number: int, **spec: object) -> Raw:
    cidr = spec.pop("podCIDR", f"10.244.{number}.0/24")
    metadata = {"name": f"n{number}", "labels": {"kubernetes.io/hostname": f"n{number}"}}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata,
        "spec": {"podCIDR": cidr, **spec},
        "status": {"conditions": [READY]},
    }


def workload(resource: Resource, name: str = "web", **spec: Any) -> Raw:
    """A workload object whose pods carry the label app=NAME."""
    labels = {"app": name}
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"matchLabels": labels}, "template": template("nginx", labels), **spec},
    }


def template(image: str = "nginx", labels: dict[str, str] | None = None) -> Raw:
    containers = [{"name": "main", "image": image, "ports": [{"name": "http", "containerPort": 80}]}]
    return {"metadata": {"labels": labels or {"app": "web"}}, "spec": {"containers": containers}}


def pod(name: str, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None, **spec: Any) -> Raw:
    metadata = {"name": name, "namespace": "default", "labels": labels or {}, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "main"}], **spec}}
