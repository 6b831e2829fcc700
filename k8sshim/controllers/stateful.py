"""StatefulSets: pods with names that stay, made and ended in order.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/ and `pkg/controller/statefulset` of
kubernetes/kubernetes. Revisions are told apart by the label controller-revision-hash. A pod
below the partition that has to be made anew gets the present template. Claims of volumeClaimTemplates are stored,
and nothing provides them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from k8sshim.client import PODS, STATEFUL_SETS, resource_for
from k8sshim.controllers import history
from k8sshim.controllers import pods as podlib
from k8sshim.controllers.daemons import REVISION_LABEL
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.replicas import concerned, replicas_of, selector_of
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import NOTHING, Create, Plan, Write, with_status
from k8sshim.endpoints import is_ready
from k8sshim.objects import Key, Raw

CLAIMS = resource_for("v1", "PersistentVolumeClaim")
NAME_LABEL = "statefulset.kubernetes.io/pod-name"
INDEX_LABEL = "apps.kubernetes.io/pod-index"


@dataclass(frozen=True)
class Stateful:
    """The controller."""

    name: str = "statefulset"
    delay_s: float = 0.02

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        return concerned(STATEFUL_SETS, change, world)

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        owner = world.get(STATEFUL_SETS, key)
        if owner is None or owner["metadata"].get("deletionTimestamp"):
            return NOTHING
        pods, claims = podlib.claim(owner, selector_of(owner), world)
        group = _Group.of(owner, pods)
        min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
        wait_s = podlib.soonest_available_s(pods, min_ready_s, around.now) if min_ready_s else None
        volumes, writes = _next(group, around, world)
        status = with_status(STATEFUL_SETS, owner, _status(group, around))
        used = {str((pod["metadata"].get("labels") or {}).get(REVISION_LABEL)) for pod in pods}
        kept = history.record(owner, group.revision, group.revision.rpartition("-")[2], used, world)
        return Plan.of(volumes, [*status, *claims, *writes, *kept], again_after_s=wait_s)


@dataclass(frozen=True)
class _Group:
    """A StatefulSet's pods by ordinal."""

    owner: Raw
    revision: str
    ordinals: range  # those that should exist
    pods: dict[int, Raw]

    @classmethod
    def of(cls, owner: Raw, pods: list[Raw]) -> _Group:
        spec = owner["spec"]
        start = int((spec.get("ordinals") or {}).get("start") or 0)
        numbered = ((_ordinal(owner, pod), pod) for pod in pods)
        return cls(
            owner=owner,
            revision=f"{owner['metadata']['name']}-{podlib.hash_of(spec.get('template') or {})}",
            ordinals=range(start, start + replicas_of(owner)),
            pods={ordinal: pod for ordinal, pod in numbered if ordinal is not None},
        )

    @property
    def parallel(self) -> bool:
        return bool(self.owner["spec"].get("podManagementPolicy") == "Parallel")

    def is_current(self, pod: Raw) -> bool:
        return (pod["metadata"].get("labels") or {}).get(REVISION_LABEL) == self.revision

    def healthy(self, pod: Raw, around: Surroundings) -> bool:
        """Running, available, and not on its way out: what the next pod in the order waits for."""
        min_ready_s = int(self.owner["spec"].get("minReadySeconds") or 0)
        running = podlib.phase(pod) == "Running" and not podlib.is_terminating(pod)
        return running and podlib.is_available(pod, min_ready_s, around.now)

    def surplus(self) -> list[Raw]:
        """Pods beyond the number asked for, the last first."""
        return [pod for ordinal, pod in sorted(self.pods.items(), reverse=True) if ordinal not in self.ordinals]


def _ordinal(owner: Raw, pod: Raw) -> int | None:
    parent, _, number = pod["metadata"]["name"].rpartition("-")
    return int(number) if parent == owner["metadata"]["name"] and number.isdigit() else None


def _next(group: _Group, around: Surroundings, world: World) -> tuple[list[Write], list[Write]]:
    """Claims to make, and then the pods to make or delete: all that are due when Parallel, else one at a time."""
    volumes, writes = list[Write](), list[Write]()
    for ordinal in group.ordinals:
        pod = group.pods.get(ordinal)
        if pod is None:
            if world.get(PODS, _key(group, ordinal)) is None:  # one of that name that is not ours must go first
                volumes.extend(_claims(group, ordinal))
                writes.append(podlib.creation(_pod(group, ordinal)))
        elif podlib.phase(pod) in ("Failed", "Succeeded") and not podlib.is_terminating(pod):
            writes.append(podlib.deletion(pod))
        elif group.healthy(pod, around):
            continue
        if not group.parallel:
            return volumes, writes
    surplus = [pod for pod in group.surplus() if not podlib.is_terminating(pod)]
    if group.parallel:
        writes.extend(podlib.deletion(pod) for pod in surplus)
    elif group.surplus():  # the last goes when it is the last: the one behind it has ended
        return volumes, [podlib.deletion(pod) for pod in group.surplus()[:1] if pod in surplus]
    return volumes, writes or _update(group, around)


def _updates(group: _Group, ordinal: int) -> bool:
    strategy = group.owner["spec"].get("updateStrategy") or {}
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    return strategy.get("type") != "OnDelete" and ordinal >= partition


def _update(group: _Group, around: Surroundings) -> list[Write]:
    """RollingUpdate: from the last to the first, each when those behind it are healthy again."""
    for ordinal in reversed(group.ordinals):
        pod = group.pods.get(ordinal)
        if pod is None or podlib.is_terminating(pod):
            return []
        if not group.is_current(pod) and _updates(group, ordinal):
            return [podlib.deletion(pod)]
        if not group.healthy(pod, around):
            return []
    return []


def _key(group: _Group, ordinal: int) -> Key:
    return Key(group.owner["metadata"].get("namespace") or "", f"{group.owner['metadata']['name']}-{ordinal}")


def _pod(group: _Group, ordinal: int) -> Raw:
    template, name = group.owner["spec"].get("template") or {}, _key(group, ordinal).name
    labels = {NAME_LABEL: name, INDEX_LABEL: str(ordinal), REVISION_LABEL: group.revision}
    spec: Raw = {**(template.get("spec") or {}), "hostname": name}
    if group.owner["spec"].get("serviceName"):
        spec["subdomain"] = group.owner["spec"]["serviceName"]
    claims = {each["metadata"]["name"]: f"{each['metadata']['name']}-{name}" for each in _claim_templates(group)}
    if claims:
        others = [volume for volume in spec.get("volumes") or () if volume.get("name") not in claims]
        own = [{"name": each, "persistentVolumeClaim": {"claimName": claim}} for each, claim in claims.items()]
        spec["volumes"] = [*others, *own]
    return podlib.pod_from(template, group.owner, name, labels=labels, spec=spec)


def _claim_templates(group: _Group) -> list[Raw]:
    return list(group.owner["spec"].get("volumeClaimTemplates") or ())


def _claims(group: _Group, ordinal: int) -> list[Write]:
    """The claims of one pod. They outlive it, so they may be there."""
    key, selected = _key(group, ordinal), (group.owner["spec"].get("selector") or {}).get("matchLabels") or {}
    writes: list[Write] = []
    for template in _claim_templates(group):
        given = template["metadata"]
        metadata = {
            **given,
            "name": f"{given['name']}-{key.name}",
            "namespace": key.namespace,
            "labels": {**(given.get("labels") or {}), **selected},
        }
        kind = {"apiVersion": CLAIMS.api_version, "kind": CLAIMS.kind}
        raw = {**kind, "metadata": metadata, "spec": template.get("spec") or {}}
        writes.append(Create(CLAIMS, raw, exists_ok=True))
    return writes


def _status(group: _Group, around: Surroundings) -> Raw:
    pods = [pod for pod in group.pods.values() if podlib.is_active(pod)]
    current = [pod for pod in pods if group.is_current(pod)]
    old = group.owner.get("status") or {}
    updated = len(current) == len(group.ordinals)
    revision = group.revision if updated else old.get("currentRevision") or group.revision
    optional = {
        "readyReplicas": sum(map(is_ready, pods)),
        "currentReplicas": len(current) if revision == group.revision else len(pods) - len(current),
        "updatedReplicas": len(current),
    }
    return {
        "replicas": len(pods),
        **{name: count for name, count in optional.items() if count},
        "availableReplicas": sum(group.healthy(pod, around) for pod in pods),
        "currentRevision": revision,
        "updateRevision": group.revision,
        "collisionCount": old.get("collisionCount") or 0,
        "observedGeneration": group.owner["metadata"].get("generation") or 0,
    }
