"""Jobs: pods that run to their end, as often and as many at a time as was asked for.

https://kubernetes.io/docs/concepts/workloads/controllers/job/ and `pkg/controller/job` of kubernetes/kubernetes. A pod
that has ended is counted once: a finalizer keeps it until it stands in the Job's status (job tracking, KEP-2307).
podFailurePolicy, successPolicy and backoffLimitPerIndex are stored and not acted on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from k8sshim.client import PODS, resource_for
from k8sshim.controllers import pods as podlib
from k8sshim.controllers.job_status import Tally, finished, settled, tally
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.world import Change, World, controller_uid
from k8sshim.controllers.writes import Delete, Patch, Plan, Write, with_status
from k8sshim.objects import Key, Raw

JOBS = resource_for("batch/v1", "Job")
TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
_FIRST_BACK_OFF_S, _LONGEST_BACK_OFF_S = 10.0, 600.0


@dataclass(frozen=True)
class Jobs:
    """The controller."""

    name: str = "job"
    delay_s: float = 0.05

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource == JOBS:
            yield change.key
        elif change.resource == PODS:
            for pod in change.present:
                for owner in pod["metadata"].get("ownerReferences") or ():
                    if owner.get("controller") and owner.get("kind") == JOBS.kind:
                        yield Key(change.key.namespace, owner.get("name") or "")

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        job = world.get(JOBS, key)
        if job is None or job["metadata"].get("deletionTimestamp"):
            return Plan.of(_released(_orphans(key, world)), independent=True)
        pods = [
            pod for pod in world.owned(PODS, job["metadata"]["uid"]) if controller_uid(pod) == job["metadata"]["uid"]
        ]
        if finished(job):
            return _after_the_end(job, pods, around.now)
        counted = tally(job, pods, _is_tracked, around.now)
        status = settled(job, counted, around.now)
        writes = [] if finished({"status": status}) else _manage(job, counted, around)
        ending = [podlib.deletion(pod) for pod in counted.active] if finished({"status": status}) else []
        return Plan.of(
            with_status(JOBS, job, status),
            _released(counted.to_release),
            [*writes, *ending],
            again_after_s=_again_after_s(job, counted, around.now),
        )


def _orphans(key: Key, world: World) -> list[Raw]:
    """Pods of a Job of that name that exists no more."""
    return [
        pod
        for pod in world.all(PODS, key.namespace)
        if _is_tracked(pod)
        and any(
            (owner.get("kind"), owner.get("name")) == (JOBS.kind, key.name)
            for owner in pod["metadata"].get("ownerReferences") or ()
        )
    ]


def _is_tracked(pod: Raw) -> bool:
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def _released(pods: Iterable[Raw]) -> list[Write]:
    writes: list[Write] = []
    for pod in pods:
        left = [each for each in pod["metadata"].get("finalizers") or () if each != TRACKING]
        writes.append(Patch(PODS, Key.of(pod), {"metadata": {"uid": pod["metadata"]["uid"], "finalizers": left}}))
    return writes


def _after_the_end(job: Raw, pods: list[Raw], now: datetime) -> Plan:
    """What runs still is ended, and the Job itself goes when its time to live is over."""
    writes: list[Write] = _released(pod for pod in pods if _is_tracked(pod))
    writes += [podlib.deletion(pod) for pod in pods if podlib.is_active(pod)]
    lifetime_s = job["spec"].get("ttlSecondsAfterFinished")
    if lifetime_s is None:
        return Plan.of(writes)
    ends = [podlib.parse_time(each.get("lastTransitionTime")) for each in job["status"]["conditions"]]
    left_s = lifetime_s - max((now - each).total_seconds() for each in ends if each)
    if left_s > 0:
        return Plan.of(writes, again_after_s=left_s)
    return Plan.of(writes, [Delete(JOBS, Key.of(job), job["metadata"]["uid"])])


def _manage(job: Raw, counted: Tally, around: Surroundings) -> list[Write]:
    """The pods to make, or to end because there are too many."""
    spec, active = job["spec"], counted.active
    if spec.get("suspend"):
        return [podlib.deletion(pod) for pod in active]
    wanted = _wanted(spec, counted)
    if len(active) > wanted:
        surplus = sorted(active, key=lambda pod: (podlib.phase(pod) != "Pending", _created(pod)))
        return [podlib.deletion(pod) for pod in surplus[: len(active) - wanted]]
    if _back_off_s(counted, around.now) > 0 or counted.leaving:
        return []
    missing = wanted - len(active)
    if spec.get("completionMode") == "Indexed":
        taken = counted.completed_indexes | {index for pod in active if (index := index_of(pod)) is not None}
        free = (index for index in range(int(spec.get("completions") or 0)) if index not in taken)
        return [podlib.creation(_pod(job, around, index)) for index, _ in zip(free, range(missing), strict=False)]
    return [podlib.creation(_pod(job, around)) for _ in range(missing)]


def _wanted(spec: Raw, counted: Tally) -> int:
    """How many pods should run now."""
    parallel = spec.get("parallelism")
    parallel = 1 if parallel is None else int(parallel)
    if spec.get("completions") is None:  # a work queue: once one has succeeded no other is begun
        return min(parallel, len(counted.active)) if counted.succeeded else parallel
    return max(min(parallel, int(spec["completions"]) - counted.succeeded), 0)


def index_of(pod: Raw) -> int | None:
    """The completion index of a pod of an Indexed Job."""
    text = str((pod["metadata"].get("annotations") or {}).get(INDEX) or "")
    return int(text) if text.isdigit() else None


def _created(pod: Raw) -> str:
    return str(pod["metadata"].get("creationTimestamp") or "")


def _pod(job: Raw, around: Surroundings, index: int | None = None) -> Raw:
    template = job["spec"]["template"]
    base = job["metadata"]["name"] if index is None else f"{job['metadata']['name']}-{index}"
    name = podlib.generated({"metadata": {"name": base}}, around.suffix)
    pod = podlib.pod_from(template, job, name)
    metadata = pod["metadata"]
    metadata["finalizers"] = [*(metadata.get("finalizers") or ()), TRACKING]
    if index is not None:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), INDEX: str(index)}
        metadata["labels"] = {**metadata["labels"], INDEX: str(index)}
        pod["spec"] = _with_index({**pod["spec"], "hostname": base})
    return pod


def _with_index(spec: Raw) -> Raw:
    """Each container is told its pod's index."""
    variable = {
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX}']"}},
    }
    return spec | {
        kind: [{**each, "env": [*(each.get("env") or ()), variable]} for each in spec[kind]]
        for kind in ("containers", "initContainers")
        if spec.get(kind)
    }


def _back_off_s(counted: Tally, now: datetime) -> float:
    """How long the next pod has to wait after failures in a row."""
    if not counted.failures_in_a_row or counted.last_failure is None:
        return 0.0
    pause_s: float = min(_FIRST_BACK_OFF_S * 2 ** (counted.failures_in_a_row - 1), _LONGEST_BACK_OFF_S)
    return pause_s - (now - counted.last_failure).total_seconds()


def _again_after_s(job: Raw, counted: Tally, now: datetime) -> float | None:
    """When only time will change what is to be done."""
    waits = [_back_off_s(counted, now)]
    deadline_s, began = (
        job["spec"].get("activeDeadlineSeconds"),
        podlib.parse_time((job.get("status") or {}).get("startTime")),
    )
    if deadline_s is not None and began:
        waits.append(deadline_s - (now - began).total_seconds())
    return min((each for each in waits if each > 0), default=None)
