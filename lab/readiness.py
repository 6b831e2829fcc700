"""How far a cluster has come: how many nodes and pods are ready, how many there will be, and why not all. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from k8sshim.objects import Key, Node, Raw

Objects = Mapping[str, Iterable[Raw]]  # by kind
WORKLOADS = ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet")


@dataclass(frozen=True)
class Survey:
    """What there is, what there is to be, and what stands in the way."""

    nodes_ready: int
    pods_ready: int
    pods_expected: int
    unsettled: int  # workloads whose controller has not yet brought them to what they say
    waiting: tuple[str, ...]  # "pod default/web: why", in order

    def complete(self, nodes: int) -> bool:
        """Whether `nodes` nodes and every pod are ready."""
        return self.nodes_ready >= nodes and self.pods_ready >= self.pods_expected and not self.unsettled


def survey(objects: Objects) -> Survey:
    """How far the cluster with these objects has come."""
    pods = [pod for pod in objects.get("Pod", ()) if not pod["metadata"].get("deletionTimestamp")]
    workloads = [one for kind in WORKLOADS for one in objects.get(kind, ()) if not _owners(one)]
    late = [pod for pod in pods if not pod_ready(pod)]
    return Survey(
        nodes_ready=sum(Node.parse(node).ready for node in objects.get("Node", ())),
        pods_ready=len(pods) - len(late),
        pods_expected=sum(map(_desired, workloads)) + sum(not _owners(pod) for pod in pods),
        unsettled=sum(not _settled(one) for one in workloads),
        waiting=tuple(sorted(f"pod {Key.of(pod)}: {pod_reason(pod)}" for pod in late)),
    )


def pods_described(objects: Iterable[Raw], *, nodes: int) -> int:
    """How many pods these objects, as written in manifests, will make on that many nodes."""
    makers = [raw for raw in objects if raw["kind"] in ("Pod", *WORKLOADS)]
    alone = {"Pod": 1, "DaemonSet": nodes}  # the other kinds say how many
    return sum(alone[raw["kind"]] if raw["kind"] in alone else _desired(raw) for raw in makers)


def within(objects: Objects, names: Collection[tuple[str, Key]]) -> dict[str, list[Raw]]:
    """Of `objects`, those with these kinds and keys, and those that they own."""
    owned: set[str] = set()
    kept: dict[str, list[Raw]] = {}
    for kind in (*WORKLOADS, "Pod"):  # owners come before what they own
        kept[kind] = [
            raw for raw in objects.get(kind, ()) if (kind, Key.of(raw)) in names or owned.intersection(_owners(raw))
        ]
        owned |= {raw["metadata"].get("uid") or "" for raw in kept[kind]}
    return kept


def pod_ready(pod: Raw) -> bool:
    """Whether the pod is ready, or has done its work."""
    status = pod.get("status") or {}
    return status.get("phase") == "Succeeded" or _condition(status, "Ready").get("status") == "True"


def pod_reason(pod: Raw) -> str:
    """Why a pod is not ready, in a line, from its status."""
    status = pod.get("status") or {}
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return _line(scheduled) or "unschedulable"
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    for container in containers:
        state = container.get("state") or {}
        trouble = state.get("waiting") or (None if container.get("ready") else state.get("terminated"))
        if trouble and trouble.get("reason") != "Completed" and _line(trouble):
            return f"container {container['name']}: {_line(trouble)}"
    if status.get("phase") == "Failed":
        return _line(status) or "failed"
    return _line(_condition(status, "Ready")) or (status.get("phase") or "Pending").lower()


def _owners(raw: Raw) -> list[str]:
    references = raw["metadata"].get("ownerReferences") or ()
    return [reference.get("uid") or "" for reference in references if reference.get("controller")]


def _desired(workload: Raw) -> int:
    if workload["kind"] == "DaemonSet":
        return int((workload.get("status") or {}).get("desiredNumberScheduled") or 0)
    replicas = (workload.get("spec") or {}).get("replicas")
    return 1 if replicas is None else int(replicas)


def _settled(workload: Raw) -> bool:
    """Whether the status is of this generation, and every pod is there, is new, and is ready."""
    status, kind = workload.get("status") or {}, workload["kind"]
    if int(status.get("observedGeneration") or 0) < int(workload["metadata"].get("generation") or 0):
        return False
    counts = {
        "Deployment": ("replicas", "updatedReplicas", "readyReplicas"),
        "DaemonSet": ("numberReady",),
    }.get(kind, ("replicas", "readyReplicas"))
    return all(int(status.get(count) or 0) == _desired(workload) for count in counts)


def _condition(status: Raw, kind: str) -> Raw:
    return next((one for one in status.get("conditions") or () if one.get("type") == kind), {})


def _line(raw: Raw) -> str:
    parts = [" ".join(str(raw[field]).split()) for field in ("reason", "message") if raw.get(field)]
    return ": ".join(parts)
