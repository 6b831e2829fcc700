"""Deployments: a ReplicaSet for each version of the template, and the way from one to the next.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/ and `pkg/controller/deployment` of
kubernetes/kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from k8sshim.client import DEPLOYMENTS, PODS, REPLICA_SETS
from k8sshim.controllers import deployment_status as statuslib
from k8sshim.controllers import pods as podlib
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.replicas import replicas_of
from k8sshim.controllers.rollout import HASH_LABEL, REVISION, Rollout, SetSize, bare, next_sizes, revision_of
from k8sshim.controllers.world import Change, World, controller_uid
from k8sshim.controllers.writes import NOTHING, Create, Delete, Plan, Update, Write, with_status
from k8sshim.endpoints import owner_reference
from k8sshim.objects import Key, Raw
from k8sshim.selectors import Selector

_DESIRED = "deployment.kubernetes.io/desired-replicas"
_MAX = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = {"kubectl.kubernetes.io/last-applied-configuration", REVISION, _DESIRED, _MAX}
_HISTORY = 10  # revisionHistoryLimit where nothing is said


@dataclass(frozen=True)
class Deployments:
    """The controller."""

    name: str = "deployment"
    delay_s: float = 0.02

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource == DEPLOYMENTS:
            yield change.key
        elif change.resource == REPLICA_SETS:
            yield from _owner_of(change.present)
            yield from _adopters(change.new, world)
        elif change.resource == PODS and change.new is None:  # Recreate waits for the last old pod
            for owner in change.latest["metadata"].get("ownerReferences") or ():
                found = world.get(REPLICA_SETS, Key(change.key.namespace, owner.get("name") or ""))
                yield from _owner_of((found,) if found else ())

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        deployment = world.get(DEPLOYMENTS, key)
        if deployment is None or deployment["metadata"].get("deletionTimestamp"):
            return NOTHING
        _, claims = podlib.claim(deployment, _selector(deployment), world, REPLICA_SETS)
        if claims:
            return Plan.of(claims)
        rollout = Rollout.of(deployment, world)
        if deployment["spec"].get("paused"):
            sizing = _paused_sizes(rollout)
        elif rollout.new is None and not (rollout.recreates and _runs_old(rollout, world)):
            return _begin(rollout, world)
        else:
            renumbered = _revise(rollout)
            if renumbered:
                return Plan.of(renumbered)
            sizing = _recreate_sizes(rollout, world) if rollout.recreates else _rolling_sizes(rollout)
        status, again_after_s = statuslib.status(rollout, around.now)
        writes = [*with_status(DEPLOYMENTS, deployment, status), *_resize(rollout, sizing), *_tidy(rollout, status)]
        return Plan.of(writes, again_after_s=again_after_s)


def _selector(deployment: Raw) -> Selector:
    return Selector.from_raw(deployment["spec"].get("selector"))


def _adopters(raw: Raw | None, world: World) -> Iterable[Key]:
    """The Deployments that select a ReplicaSet that nobody owns."""
    if raw is None or controller_uid(raw):
        return
    for each in world.all(DEPLOYMENTS, raw["metadata"].get("namespace") or ""):
        if _selector(each).matches(raw["metadata"].get("labels") or {}):
            yield Key.of(each)


def _owner_of(sets: Iterable[Raw]) -> Iterable[Key]:
    for each in sets:
        for owner in each["metadata"].get("ownerReferences") or ():
            if owner.get("controller") and owner.get("kind") == DEPLOYMENTS.kind:
                yield Key(each["metadata"].get("namespace") or "", owner.get("name") or "")


def _begin(rollout: Rollout, world: World) -> Plan:
    """Make the ReplicaSet of a new template, in the size that the rollout allows it at first."""
    deployment, spec = rollout.deployment, rollout.deployment["spec"]
    key = Key.of(deployment)
    template = bare(spec.get("template") or {})
    name, digest = _free_name(key, template, world)
    sizes = next_sizes(rollout.wanted, rollout.limits, SetSize(name, 0, 0), [_size(each) for each in rollout.old])
    labels = {**(template["metadata"]["labels"]), HASH_LABEL: digest}
    selector = spec.get("selector") or {}
    raw: Raw = {
        "apiVersion": REPLICA_SETS.api_version,
        "kind": REPLICA_SETS.kind,
        "metadata": {
            "name": name,
            "namespace": key.namespace,
            "labels": labels,
            "annotations": _annotations(rollout, {}),
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": rollout.wanted if rollout.recreates else sizes.get(name, 0),
            "minReadySeconds": int(spec.get("minReadySeconds") or 0),
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
    }
    return Plan.of([Create(REPLICA_SETS, raw)])


def _free_name(key: Key, template: Raw, world: World) -> tuple[str, str]:
    """A name for the template's ReplicaSet, and its hash; another where one of that hash is something else."""
    collisions = 0
    while True:
        digest = podlib.hash_of({**template, "collisions": collisions} if collisions else template)
        name = f"{key.name}-{digest}"
        if world.get(REPLICA_SETS, Key(key.namespace, name)) is None:
            return name, digest
        collisions += 1


def _annotations(rollout: Rollout, present: Raw) -> Raw:
    """A new ReplicaSet's annotations: the Deployment's own, the revision, and the sizes that `kubectl` reads."""
    own = rollout.deployment["metadata"].get("annotations") or {}
    return {
        **present,
        **{key: value for key, value in own.items() if key not in _NOT_COPIED},
        REVISION: str(rollout.revision),
        _DESIRED: str(rollout.wanted),
        _MAX: str(rollout.wanted + rollout.limits.surge),
    }


def _revise(rollout: Rollout) -> list[Write]:
    """Write the revision where it is not: the new ReplicaSet's (it may be an old one that came back) and the
    Deployment's."""
    writes: list[Write] = []
    if rollout.new is None:
        return writes
    revision = str(rollout.revision)
    for resource, raw in ((REPLICA_SETS, rollout.new), (DEPLOYMENTS, rollout.deployment)):
        annotations = raw["metadata"].get("annotations") or {}
        if annotations.get(REVISION) != revision:
            metadata = {**raw["metadata"], "annotations": {**annotations, REVISION: revision}}
            writes.append(Update(resource, {**raw, "metadata": metadata}))
    return writes


def _size(raw: Raw) -> SetSize:
    available = int((raw.get("status") or {}).get("availableReplicas") or 0)
    return SetSize(raw["metadata"]["name"], replicas_of(raw), available)


def _rolling_sizes(rollout: Rollout) -> dict[str, int]:
    if rollout.new is None:
        return {}
    new = _size(rollout.new)
    if new.replicas == rollout.wanted == new.available:  # what is left of the old ones is of no use any more
        return {each["metadata"]["name"]: 0 for each in rollout.old if replicas_of(each)}
    return next_sizes(rollout.wanted, rollout.limits, new, [_size(each) for each in rollout.old])


def _recreate_sizes(rollout: Rollout, world: World) -> dict[str, int]:
    """All old pods go before the first new one comes."""
    sizes = {each["metadata"]["name"]: 0 for each in rollout.old if replicas_of(each)}
    if rollout.new is not None and not sizes and not _runs_old(rollout, world):
        sizes[rollout.new["metadata"]["name"]] = rollout.wanted
    return sizes


def _runs_old(rollout: Rollout, world: World) -> bool:
    pods = (pod for each in rollout.old for pod in world.owned(PODS, each["metadata"].get("uid") or ""))
    return any(replicas_of(each) for each in rollout.old) or any(
        podlib.phase(pod) not in ("Succeeded", "Failed") for pod in pods
    )


def _paused_sizes(rollout: Rollout) -> dict[str, int]:
    """A paused Deployment still scales: its one ReplicaSet that has pods, if it is but one."""
    active = [each for each in rollout.sets if replicas_of(each)] or list(rollout.sets[-1:])
    return {active[0]["metadata"]["name"]: rollout.wanted} if len(active) == 1 else {}


def _resize(rollout: Rollout, sizes: dict[str, int]) -> list[Write]:
    writes: list[Write] = []
    for each in rollout.sets:
        size = sizes.get(each["metadata"]["name"], replicas_of(each))
        if size != replicas_of(each):
            notes = {_DESIRED: str(rollout.wanted), _MAX: str(rollout.wanted + rollout.limits.surge)}
            metadata = {**each["metadata"], "annotations": {**(each["metadata"].get("annotations") or {}), **notes}}
            spec = {**each["spec"], "replicas": size}
            writes.append(Update(REPLICA_SETS, {**each, "metadata": metadata, "spec": spec}))
    return writes


def _tidy(rollout: Rollout, status: Raw) -> list[Write]:
    """Delete the oldest ReplicaSets beyond revisionHistoryLimit, once the rollout is through."""
    limit = rollout.deployment["spec"].get("revisionHistoryLimit")
    if not statuslib.complete(rollout, status):
        return []
    idle = [each for each in rollout.old if not replicas_of(each) and not (each.get("status") or {}).get("replicas")]
    idle.sort(key=revision_of)
    surplus = len(idle) - (_HISTORY if limit is None else int(limit))
    return [Delete(REPLICA_SETS, Key.of(each), each["metadata"].get("uid") or "") for each in idle[: max(surplus, 0)]]
