"""What becomes of a node whose agent falls silent: not ready, tainted, its pods out of Services and then elsewhere.

The rules are those of https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller and of
https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions, with the times that
the cluster sets (`nodeLease`). A node that never had a Lease is nobody's, and left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from k8sshim.client import CLUSTERS, LEASES, NODES, PODS
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.pods import format_time
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import NOTHING, Delete, Patch, Plan, UpdateStatus, Write
from k8sshim.objects import NODE_NOT_READY, Key, Raw

LEASE_NAMESPACE = "kube-node-lease"
UNREACHABLE = "node.kubernetes.io/unreachable"
USUAL_EVICT_AFTER_S = 300  # Kubernetes', for a cluster that says nothing
LATE_S = 1.0  # a deadline that is noticed so late was not watched: this process, and perhaps the agent, was held up
PATIENCE_S = 5.0
ALL_SILENT_LOOK_S = 1.0  # where no node is ready the agent is away, not the nodes: no pod leaves, as in Kubernetes


class NodeLifecycle:
    """The controller; its keys are those of nodes."""

    name = "nodelifecycle"
    delay_s = 0.0

    def __init__(self) -> None:
        self._excused: dict[Key, datetime] = {}  # the deadline that a node was given more time after

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource == NODES:
            yield change.key
        elif change.resource == LEASES and change.key.namespace == LEASE_NAMESPACE:
            yield Key("", change.key.name)
        elif change.resource == PODS:
            node = world.get(NODES, Key("", (change.latest.get("spec") or {}).get("nodeName") or ""))
            if node is not None and _since(node):
                yield Key.of(node)

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        node, lease = world.get(NODES, key), world.get(LEASES, Key(LEASE_NAMESPACE, key.name))
        if node is None or lease is None or node["metadata"].get("deletionTimestamp"):
            self._excused.pop(key, None)
            return NOTHING
        deadline = _deadline(lease)
        left_s = (deadline - around.now).total_seconds()
        if left_s > 0:
            self._excused.pop(key, None)
            return Plan.of(*_recovery(node, around.now), again_after_s=left_s)
        if _ready(node) == "True" and -left_s > LATE_S and self._excused.get(key) != deadline:
            self._excused[key] = deadline
            return Plan.of(again_after_s=min(PATIENCE_S, _duration_s(lease) / 2))
        return _unreachable(node, world, around.now)


def _recovery(node: Raw, now: datetime) -> Iterator[Iterable[Write]]:
    """Of a node that is heard of again."""
    if _ready(node) == "Unknown":
        yield [_with_ready(node, "True", "KubeletReady", "", now)]
    if _since(node):
        yield [_with_taints(node, _other_taints(node))]


def _unreachable(node: Raw, world: World, now: datetime) -> Plan:
    """Endpoints leave first; then the taints come, by which pods leave in time and others stay away."""
    pods = [pod for namespace in world.namespaces(PODS) for pod in world.found(PODS, namespace, _name(node)).values()]
    first: list[Write] = [_not_ready(pod, now) for pod in pods if _ready(pod) == "True"]
    if _ready(node) != "Unknown":
        message = "Kubelet stopped posting node status."
        first.append(_with_ready(node, "Unknown", "NodeStatusUnknown", message, now))
    since = _since(node)
    if since is None:
        taints = [
            *_other_taints(node),
            {"key": UNREACHABLE, "effect": "NoSchedule", "timeAdded": format_time(now)},
            {"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": format_time(now)},
        ]
        return Plan.of(first, [_with_taints(node, taints)], independent=True)
    if not any(_ready(other) == "True" for other in world.all(NODES)):
        return Plan.of(first, again_after_s=ALL_SILENT_LOOK_S, independent=True)
    leave = {Key.of(pod): (pod, at) for pod in pods if (at := _leaves_at(pod, since, _evict_after_s(world)))}
    due = [Delete(PODS, key, pod["metadata"].get("uid") or "") for key, (pod, at) in leave.items() if at <= now]
    later = [(at - now).total_seconds() for _, at in leave.values() if at > now]
    return Plan.of(first, due, again_after_s=min(later, default=None), independent=True)


def _leaves_at(pod: Raw, since: datetime, usual_s: float) -> datetime | None:
    """When a pod is to leave a node that is unreachable since then; None where it stays, or leaves already."""
    if pod["metadata"].get("deletionTimestamp"):
        return None
    tolerated = [one for one in (pod.get("spec") or {}).get("tolerations") or () if _tolerates(one)]
    limits = [one["tolerationSeconds"] for one in tolerated if one.get("tolerationSeconds") is not None]
    if tolerated and not limits:
        return None
    return since + timedelta(seconds=max(0, min(limits, default=usual_s)))


def _tolerates(toleration: Raw) -> bool:
    """Whether it is about the taint of an unreachable node, whose value is empty."""
    effect, key, operator = (toleration.get(name) or "" for name in ("effect", "key", "operator"))
    if effect not in ("", "NoExecute") or key not in ("", UNREACHABLE):
        return False
    return operator == "Exists" or bool(key and not toleration.get("value"))


def _with_ready(node: Raw, status: str, reason: str, message: str, now: datetime) -> UpdateStatus:
    conditions = (node.get("status") or {}).get("conditions") or []
    others = [one for one in conditions if one.get("type") != "Ready"]
    heard = next((one.get("lastHeartbeatTime") for one in conditions if one.get("type") == "Ready"), None)
    ready = {"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": format_time(now)}
    ready |= {"message": message} if message else {}
    ready |= {"lastHeartbeatTime": heard} if heard else {}
    return UpdateStatus(NODES, {**node, "status": {**(node.get("status") or {}), "conditions": [*others, ready]}})


def _not_ready(pod: Raw, now: datetime) -> UpdateStatus:
    status = pod.get("status") or {}
    changed = {"type": "Ready", "status": "False", "reason": NODE_NOT_READY, "lastTransitionTime": format_time(now)}
    conditions = [changed if one.get("type") == "Ready" else one for one in status.get("conditions") or ()]
    return UpdateStatus(PODS, {**pod, "status": {**status, "conditions": conditions}})


def _with_taints(node: Raw, taints: list[Raw]) -> Patch:
    return Patch(NODES, Key.of(node), {"spec": {"taints": taints or None}})


def _other_taints(node: Raw) -> list[Raw]:
    return [one for one in (node.get("spec") or {}).get("taints") or () if one.get("key") != UNREACHABLE]


def _since(node: Raw) -> datetime | None:
    """Since when a node is tainted as unreachable, such that pods leave it; None where it is not."""
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint.get("key") == UNREACHABLE and taint.get("effect") == "NoExecute":
            return _time(taint.get("timeAdded") or node["metadata"].get("creationTimestamp") or "1970-01-01T00:00:00Z")
    return None


def _deadline(lease: Raw) -> datetime:
    spec = lease.get("spec") or {}
    return _time(spec.get("renewTime") or "1970-01-01T00:00:00Z") + timedelta(seconds=_duration_s(lease))


def _duration_s(lease: Raw) -> float:
    return float((lease.get("spec") or {}).get("leaseDurationSeconds") or 40)


def _evict_after_s(world: World) -> float:
    terms = [(cluster.get("spec") or {}).get("nodeLease") or {} for cluster in world.all(CLUSTERS)]
    return float(next((one["evictAfterSeconds"] for one in terms if "evictAfterSeconds" in one), USUAL_EVICT_AFTER_S))


def _ready(raw: Raw) -> str:
    """The status of a node's or pod's condition Ready; "" where it has none."""
    conditions = (raw.get("status") or {}).get("conditions") or ()
    return next((str(one.get("status")) for one in conditions if one.get("type") == "Ready"), "")


def _name(node: Raw) -> str:
    return str(node["metadata"]["name"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
