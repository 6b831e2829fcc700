"""What controllers tell people of what they write. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from k8sshim.client import DEPLOYMENTS, PODS, REPLICA_SETS, STATEFUL_SETS, resource_for
from k8sshim.client.recorder import WARNING, Told
from k8sshim.controllers.world import World
from k8sshim.controllers.writes import Create, Delete, Update, UpdateStatus, Write
from k8sshim.objects import Key, Raw

_JOBS = resource_for("batch/v1", "Job")
_CRON_JOBS = resource_for("batch/v1", "CronJob")


def told_of(write: Write, before: Raw | None, world: World) -> Iterator[Told]:
    """The events of a write that succeeded; `before` is the object as it was."""
    if write.resource == PODS:
        yield from _of_pod(write, before)
    elif write.resource == REPLICA_SETS and isinstance(write, (Create, Update)):
        yield from _of_replica_set(write.raw, before)
    elif write.resource == _JOBS and isinstance(write, UpdateStatus):
        yield from _of_job(write.raw, before)
    elif write.resource == _CRON_JOBS and isinstance(write, UpdateStatus):
        yield from _of_ended_jobs(write.raw, before, world)
    elif write.resource == _JOBS and isinstance(write, (Create, Delete)):
        yield from _of_scheduled_job(write, before)


def _of_pod(write: Write, before: Raw | None) -> Iterator[Told]:
    if isinstance(write, Create):
        for owner in _owner(write.raw):
            yield Told(owner, "SuccessfulCreate", _done("create", owner, write.key.name))
    elif isinstance(write, Delete) and before:
        for owner in _owner(before):
            yield Told(owner, "SuccessfulDelete", _done("delete", owner, write.key.name))
    elif (
        isinstance(write, Update)
        and before
        and not before["spec"].get("nodeName")
        and write.raw["spec"].get("nodeName")
    ):
        key, node = write.key, write.raw["spec"]["nodeName"]
        yield Told(before, "Scheduled", f"Successfully assigned {key.namespace}/{key.name} to {node}")
    elif isinstance(write, UpdateStatus):
        for condition in (write.raw.get("status") or {}).get("conditions") or ():
            if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
                yield Told(write.raw, "FailedScheduling", condition.get("message") or "", WARNING)


def _done(verb: str, owner: Raw, pod: str) -> str:
    """What was done to a pod, in the words of its controller."""
    if owner["kind"] == STATEFUL_SETS.kind:
        return f"{verb} Pod {pod} in StatefulSet {owner['metadata']['name']} successful"
    return f"{verb.capitalize()}d pod: {pod}"


def _owner(raw: Raw) -> Iterator[Raw]:
    """The controller of an object, as far as its reference tells."""
    for each in raw["metadata"].get("ownerReferences") or ():
        if each.get("controller"):
            metadata = {"name": each["name"], "uid": each["uid"], "namespace": raw["metadata"].get("namespace") or ""}
            yield {"apiVersion": each["apiVersion"], "kind": each["kind"], "metadata": metadata}


def _of_replica_set(raw: Raw, before: Raw | None) -> Iterator[Told]:
    size, old = raw["spec"].get("replicas") or 0, ((before or {}).get("spec") or {}).get("replicas") or 0
    if size == old:
        return
    way = "up" if size > old else "down"
    for owner in _owner(raw):
        if owner["kind"] == DEPLOYMENTS.kind:
            name = raw["metadata"]["name"]
            yield Told(owner, "ScalingReplicaSet", f"Scaled {way} replica set {name} from {old} to {size}")


def _of_scheduled_job(write: Create | Delete, before: Raw | None) -> Iterator[Told]:
    """What a CronJob does with its Jobs."""
    raw = write.raw if isinstance(write, Create) else before or {"metadata": {}}
    reason, words = ("SuccessfulCreate", "Created") if isinstance(write, Create) else ("SuccessfulDelete", "Deleted")
    for owner in _owner(raw):
        yield Told(owner, reason, f"{words} job {write.key.name}")


def _of_ended_jobs(cron: Raw, before: Raw | None, world: World) -> Iterator[Told]:
    """Jobs that a CronJob counted as active, and counts no more."""
    for name in sorted(_active(before or {}) - _active(cron)):
        job = world.get(_JOBS, Key(cron["metadata"]["namespace"], name)) or {}
        for condition in (job.get("status") or {}).get("conditions") or ():
            if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
                words = f"Saw completed job: {name}, condition: {condition['type']}"
                yield Told(cron, "SawCompletedJob", words)


def _active(cron: Raw) -> set[str]:
    return {job["name"] for job in (cron.get("status") or {}).get("active") or ()}


def _of_job(raw: Raw, before: Raw | None) -> Iterator[Told]:
    known = {each.get("type") for each in ((before or {}).get("status") or {}).get("conditions") or ()}
    for condition in (raw.get("status") or {}).get("conditions") or ():
        if condition["type"] in known:
            continue
        if condition["type"] == "Complete":
            yield Told(raw, "Completed", "Job completed")
        elif condition["type"] == "Failed":
            yield Told(raw, condition.get("reason") or "Failed", condition.get("message") or "", WARNING)
