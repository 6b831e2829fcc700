"""What people are told of an object, how often, and what is left out."""

from __future__ import annotations

import pytest
from fake_api import pod, workload

from k8sshim.client import PODS, REPLICA_SETS, resource_for
from k8sshim.client.recorder import WARNING, Recorder, Told
from k8sshim.controllers.telling import told_of
from k8sshim.controllers.world import World
from k8sshim.controllers.writes import Create, Delete, Update, UpdateStatus
from k8sshim.objects import Key, Raw
from topo.agent.status import ContainerState, Running, Terminated, Waiting
from topo.agent.telling import words_of

pytestmark = pytest.mark.unit
JOBS, CRON_JOBS = resource_for("batch/v1", "Job"), resource_for("batch/v1", "CronJob")


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def about(name: str) -> Raw:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "uid": name}}


def test_an_event_names_the_object_and_is_told_once_in_a_while() -> None:
    clock = Clock()
    recorder = Recorder("tester", clock)
    event = recorder.event(Told(about("a"), "Begun", "it began"), "n1")
    assert event is not None
    assert event["involvedObject"] == about("a")["metadata"] | {"apiVersion": "v1", "kind": "Pod"}
    assert (event["reason"], event["source"]) == ("Begun", {"component": "tester", "host": "n1"})
    assert recorder.event(Told(about("a"), "Begun", "it began")) is None
    clock.now += 301
    assert recorder.event(Told(about("a"), "Begun", "it began")) is not None


def test_where_much_happens_warnings_alone_are_told() -> None:
    recorder = Recorder("tester", Clock())
    told = [recorder.event(Told(about(f"p{number}"), "Begun", "it began")) for number in range(200)]
    assert 0 < sum(each is not None for each in told) < 100
    assert recorder.event(Told(about("a"), "Broken", "it broke", WARNING)) is not None


def test_what_controllers_write_is_told_of_the_object_that_it_is_about() -> None:
    world = World([PODS, REPLICA_SETS])
    before = pod("web-1")
    bound = pod("web-1", nodeName="n1")
    [scheduled] = told_of(Update(PODS, bound), before, world)
    assert (scheduled.reason, scheduled.message) == ("Scheduled", "Successfully assigned default/web-1 to n1")
    waiting = pod("web-1")
    waiting["status"] = {"conditions": [{"type": "PodScheduled", "reason": "Unschedulable", "message": "0/3 nodes"}]}
    [failed] = told_of(UpdateStatus(PODS, waiting), before, world)
    assert (failed.type, failed.reason, failed.message) == ("Warning", "FailedScheduling", "0/3 nodes")
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u", "controller": True}
    fresh = workload(REPLICA_SETS, "web-1", replicas=2)
    fresh["metadata"]["ownerReferences"] = [owner]
    [scaled] = told_of(Create(REPLICA_SETS, fresh), None, world)
    assert (scaled.about["kind"], scaled.message) == ("Deployment", "Scaled up replica set web-1 from 0 to 2")
    assert not list(told_of(Update(REPLICA_SETS, fresh), fresh, world))


def owned(raw: Raw, api_version: str, kind: str, name: str) -> Raw:
    owner = {"apiVersion": api_version, "kind": kind, "name": name, "uid": "u", "controller": True}
    return {**raw, "metadata": {**raw["metadata"], "ownerReferences": [owner]}}


@pytest.mark.parametrize(
    ("kind", "created", "deleted"),
    [
        ("ReplicaSet", "Created pod: web-0", "Deleted pod: web-0"),
        (
            "StatefulSet",
            "create Pod web-0 in StatefulSet web successful",
            "delete Pod web-0 in StatefulSet web successful",
        ),
    ],
)
def test_each_controller_has_words_of_its_own_for_pods(kind: str, created: str, deleted: str) -> None:
    world, raw = World([PODS]), owned(pod("web-0"), "apps/v1", kind, "web")
    [one] = told_of(Create(PODS, raw), None, world)
    [other] = told_of(Delete(PODS, Key("default", "web-0"), "u"), raw, world)
    assert [(each.reason, each.message) for each in (one, other)] == [
        ("SuccessfulCreate", created),
        ("SuccessfulDelete", deleted),
    ]


def test_a_cron_job_tells_of_its_jobs() -> None:
    world = World([JOBS])
    job = owned({"kind": "Job", "metadata": {"name": "a-1", "namespace": "default"}}, "batch/v1", "CronJob", "a")
    [made] = told_of(Create(JOBS, job), None, world)
    [gone] = told_of(Delete(JOBS, Key("default", "a-1"), "u"), job, world)
    world.observe(JOBS, {**job, "status": {"conditions": [{"type": "Complete", "status": "True"}]}})
    idle = {"kind": "CronJob", "metadata": {"name": "a", "namespace": "default"}, "status": {}}
    busy = {**idle, "status": {"active": [{"name": "a-1"}]}}
    [saw] = told_of(UpdateStatus(CRON_JOBS, idle), busy, world)
    assert not list(told_of(UpdateStatus(CRON_JOBS, busy), idle, world))
    assert {each.about["metadata"]["name"] for each in (made, gone, saw)} == {"a"}
    assert [(each.reason, each.message) for each in (made, gone, saw)] == [
        ("SuccessfulCreate", "Created job a-1"),
        ("SuccessfulDelete", "Deleted job a-1"),
        ("SawCompletedJob", "Saw completed job: a-1, condition: Complete"),
    ]


def test_what_becomes_of_a_container_is_told() -> None:
    waiting, running = ContainerState(Waiting("ContainerCreating")), ContainerState(Running(1.0))
    assert [words[1] for words in words_of("main", waiting, running)] == ["Started"]
    looping = ContainerState(Waiting("CrashLoopBackOff"))
    assert [words[:2] for words in words_of("main", running, looping)] == [("Warning", "BackOff")]
    broken = ContainerState(Terminated(128, "StartError", "no such program", 1.0, 2.0))
    assert [words[2] for words in words_of("main", waiting, broken)] == ["Error: no such program"]
    assert not list(words_of("main", running, running))
