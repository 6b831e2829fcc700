"""ReplicaSets and ReplicationControllers: as many pods of a template as were asked for. One engine for both.

https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/ and `pkg/controller/replicaset` of
kubernetes/kubernetes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from k8sshim.client import PODS, REPLICATION_CONTROLLERS, Resource
from k8sshim.controllers import pods as podlib
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.world import Change, World, controller_uid
from k8sshim.controllers.writes import NOTHING, Plan, Write, with_status
from k8sshim.endpoints import is_ready
from k8sshim.objects import Key, Raw
from k8sshim.selectors import Selector

BURST = 500  # pods created or deleted in one plan
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


@dataclass(frozen=True)
class Replicas:
    """The controller of one of the two kinds."""

    resource: Resource
    name: str
    delay_s: float = 0.05

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        return concerned(self.resource, change, world)

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        owner = world.get(self.resource, key)
        if owner is None or owner["metadata"].get("deletionTimestamp"):
            return NOTHING
        mine, claims = podlib.claim(owner, selector_of(owner), world)
        active = [pod for pod in mine if podlib.is_active(pod)]
        min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
        status = with_status(self.resource, owner, _status(owner, active, around.now))
        return Plan.of(
            [*status, *claims, *_manage(owner, active, around)],
            again_after_s=podlib.soonest_available_s(active, min_ready_s, around.now) if min_ready_s else None,
        )


def selector_of(owner: Raw) -> Selector:
    """Which pods are an owner's: of a LabelSelector, or of a ReplicationController's label map."""
    spec = owner.get("spec") or {}
    if owner.get("kind") != REPLICATION_CONTROLLERS.kind:
        return Selector.from_raw(spec.get("selector"))
    template = (spec.get("template") or {}).get("metadata") or {}
    return Selector.from_labels(spec.get("selector") or template.get("labels"))


def concerned(resource: Resource, change: Change, world: World) -> Iterable[Key]:
    """The keys of a workload controller that a change concerns: the object itself, or the owner of a changed pod;
    for a pod without a controller, all that might adopt it."""
    if change.resource == resource:
        yield change.key
        return
    if change.resource != PODS:
        return
    for pod in change.present:
        uid = controller_uid(pod)
        for each in pod["metadata"].get("ownerReferences") or ():
            if uid and each.get("uid") == uid and each.get("kind") == resource.kind:
                yield Key(change.key.namespace, each.get("name") or "")
        if not uid:
            yield from _adopters(resource, pod, world)


def _adopters(resource: Resource, pod: Raw, world: World) -> Iterable[Key]:
    labels = pod["metadata"].get("labels") or {}
    for owner in world.all(resource, pod["metadata"].get("namespace") or ""):
        if selector_of(owner).matches(labels):
            yield Key.of(owner)


def replicas_of(raw: Raw) -> int:
    """How many were asked for; 1 where nothing is said."""
    wanted = (raw.get("spec") or {}).get("replicas")
    return 1 if wanted is None else int(wanted)


def _manage(owner: Raw, active: list[Raw], around: Surroundings) -> list[Write]:
    """The pods to create or to delete."""
    missing = replicas_of(owner) - len(active)
    if missing > 0:
        template = owner["spec"].get("template") or {}
        names = (podlib.generated(owner, around.suffix) for _ in range(min(missing, BURST)))
        return [podlib.creation(podlib.pod_from(template, owner, name)) for name in names]
    return [podlib.deletion(pod) for pod in surplus(active, -missing, around.now)[:BURST]]


def surplus(active: list[Raw], count: int, now: datetime) -> list[Raw]:
    """The pods to delete first: those of least use, in Kubernetes' order (`ActivePodsWithRanks`): without a node,
    pending, not ready, of the lowest deletion cost, where most of their like run on the node, ready for the shortest
    time, youngest."""
    if count <= 0:
        return []
    on_node = Counter((pod.get("spec") or {}).get("nodeName") for pod in active)

    def worth(pod: Raw) -> tuple[object, ...]:
        node = (pod.get("spec") or {}).get("nodeName")
        return (
            bool(node),
            {"Pending": 0, "Unknown": 1}.get(podlib.phase(pod), 2),
            is_ready(pod),
            _cost(pod),
            -on_node[node],
            podlib.ready_for_s(pod, now),
            -_created(pod),
            pod["metadata"]["name"],
        )

    return sorted(active, key=worth)[:count]


def _cost(pod: Raw) -> int:
    try:
        return int((pod["metadata"].get("annotations") or {}).get(_DELETION_COST) or 0)
    except ValueError:
        return 0


def _created(pod: Raw) -> float:
    created = podlib.parse_time(pod["metadata"].get("creationTimestamp"))
    return created.timestamp() if created else 0.0


def _status(owner: Raw, active: list[Raw], now: datetime) -> Raw:
    spec = owner["spec"]
    template = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    min_ready_s = int(spec.get("minReadySeconds") or 0)
    labelled = [pod for pod in active if template.items() <= (pod["metadata"].get("labels") or {}).items()]
    counts = {
        "fullyLabeledReplicas": len(labelled),
        "readyReplicas": sum(map(is_ready, active)),
        "availableReplicas": sum(podlib.is_available(pod, min_ready_s, now) for pod in active),
    }
    status: Raw = {name: count for name, count in counts.items() if count}
    conditions = (owner.get("status") or {}).get("conditions")
    if conditions:
        status["conditions"] = conditions
    return {"replicas": len(active), **status, "observedGeneration": owner["metadata"].get("generation") or 0}
