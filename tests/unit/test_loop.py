"""The loop itself, with its threads, on an API in memory: events in, writes out, and no failure that ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from itertools import count
from typing import Any

import pytest
from fake_api import Cluster, FakeApi, pod, workload

from k8sshim.client import DEPLOYMENTS, ENDPOINT_SLICES, ENDPOINTS, EVENTS, PODS, REPLICA_SETS, SERVICES, Unreachable
from k8sshim.controllers.__main__ import FOLLOWED, controllers
from k8sshim.controllers.loop import PATIENT_PLANS, PLANS, Loop
from k8sshim.errors import BadInput
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.unit


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {condition}"
        time.sleep(0.01)


class Api(FakeApi):
    """One that several threads may use, and that fails on demand."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self.fault: Callable[[Raw], Exception | None] = lambda raw: None

    def get(self, resource: object, key: Key) -> Raw | None:
        with self._lock:
            return super().get(resource, key)  # type: ignore[arg-type]

    def list(self, *arguments: object, **options: object) -> tuple[Any, str]:
        with self._lock:
            return super().list(*arguments, **options)  # type: ignore[arg-type]

    def create(self, resource: object, raw: Raw) -> Raw:
        with self._lock:
            self._fail(raw)
            return super().create(resource, raw)  # type: ignore[arg-type]

    def update(self, resource: object, raw: Raw) -> Raw:
        with self._lock:
            self._fail(raw)
            return super().update(resource, raw)  # type: ignore[arg-type]

    def update_status(self, resource: object, raw: Raw) -> Raw:
        with self._lock:
            return super().update_status(resource, raw)  # type: ignore[arg-type]

    def patch(self, resource: object, key: Key, patch: Raw) -> Raw:
        with self._lock:
            return super().patch(resource, key, patch)  # type: ignore[arg-type]

    def delete(self, resource: object, key: Key, *, grace_period_s: int | None = None) -> Raw | None:
        with self._lock:
            return super().delete(resource, key, grace_period_s=grace_period_s)  # type: ignore[arg-type]

    def _fail(self, raw: Raw) -> None:
        error = self.fault(raw)
        if error:
            raise error

    def up(self, name: str) -> Sequence[Raw]:
        """Pods of that app that have a node and an address."""
        with self._lock:
            pods = self.list(PODS)[0]
        return [p for p in pods if (p["metadata"].get("labels") or {}).get("app") == name and p["spec"].get("nodeName")]


@contextmanager
def running(api: FakeApi) -> Iterator[Loop]:
    numbers = count()
    loop = Loop(
        api,  # type: ignore[arg-type]
        controllers(),
        FOLLOWED,
        clock=lambda: datetime.now(timezone.utc),
        monotonic=time.monotonic,
        suffix=lambda: f"{next(numbers):05}",
    )
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
    finally:
        loop.stop()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def api() -> Api:
    api = Api()
    Cluster(nodes=3, api=api)  # for its nodes; its controllers never run
    return api


def test_a_deployment_comes_up(api: Api) -> None:
    with running(api):
        api.create(DEPLOYMENTS, workload(DEPLOYMENTS, replicas=30))
        wait_until(lambda: len(api.up("web")) == 30)
    assert len(api.list(PODS)[0]) == 30


def test_what_was_there_before_counts(api: Api) -> None:
    api.create(REPLICA_SETS, workload(REPLICA_SETS, replicas=3))
    with running(api):
        wait_until(lambda: len(api.up("web")) == 3)
    with running(api):
        api.create(PODS, pod("last", {"app": "last"}))
        wait_until(lambda: len(api.up("last")) == 1)
    assert len(api.up("web")) == 3


def test_one_object_that_fails_does_not_stop_the_others(api: Api) -> None:
    api.fault = lambda raw: BadInput.of("refused") if "bad" in raw["metadata"]["name"] else None
    with running(api):
        FakeApi.create(api, REPLICA_SETS, workload(REPLICA_SETS, "bad", replicas=5))
        FakeApi.create(api, PODS, pod("bad-pod", {"app": "lonely"}))
        api.create(REPLICA_SETS, workload(REPLICA_SETS, "good", replicas=5))
        wait_until(lambda: len(api.up("good")) == 5)
        assert not api.up("bad") and not api.up("lonely")
        api.fault = lambda raw: None
        wait_until(lambda: len(api.up("bad")) == 5 and len(api.up("lonely")) == 1)


def test_an_object_that_no_controller_understands_does_not_end_the_loop(api: Api) -> None:
    with running(api):
        odd = workload(REPLICA_SETS, "odd", replicas="many")
        api.create(REPLICA_SETS, odd)
        api.create(REPLICA_SETS, workload(REPLICA_SETS, "good", replicas=2))
        wait_until(lambda: len(api.up("good")) == 2)


def test_an_api_server_that_does_not_answer_is_waited_for(api: Api) -> None:
    calls = count()
    api.fault = lambda raw: Unreachable("gone") if raw["kind"] == "Pod" and next(calls) % 3 else None
    with running(api):
        FakeApi.create(api, REPLICA_SETS, workload(REPLICA_SETS, replicas=6))
        wait_until(lambda: len(api.up("web")) == 6)
    assert len(api.list(PODS)[0]) == 6


def test_more_keys_than_plans_at_a_time_are_all_planned(api: Api) -> None:
    with running(api):
        for number in range(3 * PLANS):
            api.create(SERVICES, service(f"s{number}"))
        wait_until(lambda: len(api.list(ENDPOINT_SLICES)[0]) == 3 * PLANS)


class LateAnswers(Api):
    """What watches tell of a new ReplicaSet comes long before the answer to its creation."""

    def create(self, resource: object, raw: Raw) -> Raw:
        created = super().create(resource, raw)
        if resource == REPLICA_SETS:
            wait_until(lambda: bool(self.list(PODS)[0]))  # the ReplicaSet's own controller has seen it
        return created


def test_what_watches_tell_first_is_told_of_all_the_same() -> None:
    api = LateAnswers()
    Cluster(nodes=1, api=api)
    with running(api):
        api.create(DEPLOYMENTS, workload(DEPLOYMENTS, replicas=1))
        wait_until(lambda: "ScalingReplicaSet" in {event["reason"] for event in api.list(EVENTS)[0]})


class SlowEndpoints(Api):
    """Creating Endpoints takes a while; how many at a time is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: list[int] = []
        self._now = 0

    def create(self, resource: object, raw: Raw) -> Raw:
        if resource != ENDPOINTS:
            return super().create(resource, raw)
        with self._lock:
            self._now += 1
            self.under_way.append(self._now)
        time.sleep(0.01)
        with self._lock:
            self._now -= 1
        return super().create(resource, raw)


def test_what_may_wait_leaves_room_for_what_may_not() -> None:
    api = SlowEndpoints()
    for number in range(20):
        api.create(SERVICES, service(f"s{number}"))
    with running(api):
        wait_until(lambda: len(api.list(ENDPOINTS)[0]) == 20)
    assert max(api.under_way) <= PATIENT_PLANS


def service(name: str) -> Raw:
    metadata = {"name": name, "namespace": "default"}
    spec = {"selector": {"app": "web"}, "clusterIP": "10.96.0.9", "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
