"""What controllers tell people of what they write. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from k8sshim.client import DEPLOYMENTS, PODS, REPLICA_SETS, resource_for
from k8sshim.client.recorder import WARNING, Told
from k8sshim.controllers.world import World
from k8sshim.controllers.writes import Create, Delete, Update, UpdateStatus, Write
from k8sshim.objects import Raw

_JOBS = resource_for("batch/v1", "Job")


def told_of(write: Write, before: Raw | None, world: World) -> Iterator[Told]:
    """The events of a write that succeeded; `before` is the object as it was."""
    if write.resource == PODS:
        yield from _of_pod(write, before)
    elif write.resource == REPLICA_SETS and isinstance(write, (Create, Update)):
        yield from _of_replica_set(write.raw, before)
    elif write.resource == _JOBS and isinstance(write, UpdateStatus):
        yield from _of_job(write.raw, before)


def _of_pod(write: Write, before: Raw | None) -> Iterator[Told]:
    if isinstance(write, Create):
        for owner in _owner(write.raw):
            yield Told(owner, "SuccessfulCreate", f"Created pod: {write.key.name}")
    elif isinstance(write, Delete) and before:
        for owner in _owner(before):
            yield Told(owner, "SuccessfulDelete", f"Deleted pod: {write.key.name}")
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


def _of_job(raw: Raw, before: Raw | None) -> Iterator[Told]:
    known = {each.get("type") for each in ((before or {}).get("status") or {}).get("conditions") or ()}
    for condition in (raw.get("status") or {}).get("conditions") or ():
        if condition["type"] in known:
            continue
        if condition["type"] == "Complete":
            yield Told(raw, "Completed", "Job completed")
        elif condition["type"] == "Failed":
            yield Told(raw, condition.get("reason") or "Failed", condition.get("message") or "", WARNING)
