"""A Deployment on its way from one template to the next, and how large each of its ReplicaSets should be.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment and
`pkg/controller/deployment/rolling.go` of kubernetes/kubernetes. Scaling a Deployment in the middle of a rollout goes
by the same steps; Kubernetes spreads such a change over the ReplicaSets in proportion, and ends where this ends.
Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from k8sshim.client import REPLICA_SETS
from k8sshim.controllers.pods import without_nulls
from k8sshim.controllers.replicas import replicas_of
from k8sshim.controllers.world import World, controller_uid
from k8sshim.objects import Raw

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class SetSize:
    """A ReplicaSet as the rollout sees it."""

    name: str
    replicas: int  # asked for
    available: int  # pods that are


@dataclass(frozen=True)
class Limits:
    """How far a rollout may go beyond and below the number of pods asked for."""

    surge: int
    unavailable: int

    @classmethod
    def resolve(cls, wanted: int, max_surge: object, max_unavailable: object) -> Limits:
        """Numbers or percentages; a surge is rounded up, unavailability down, and they are never both nothing."""
        surge = scaled("25%" if max_surge is None else max_surge, wanted, up=True)
        unavailable = min(scaled("25%" if max_unavailable is None else max_unavailable, wanted, up=False), wanted)
        return cls(surge, 1 if not surge and not unavailable else unavailable)


def scaled(value: object, total: int, *, up: bool) -> int:
    """A number, or a percentage of the total, rounded up or down."""
    text = str(value)
    if not text.endswith("%"):
        return int(text)
    share = total * int(text[:-1]) / 100
    return math.ceil(share) if up else math.floor(share)


def next_sizes(wanted: int, limits: Limits, new: SetSize, old: Sequence[SetSize]) -> dict[str, int]:
    """The sizes to set next, by ReplicaSet, for those that change. `old` in the order in which they were made."""
    grown = _new_size(wanted, limits, new, old)
    if grown != new.replicas:
        return {new.name: grown}
    return _shrunk(wanted, limits, new, old)


def _new_size(wanted: int, limits: Limits, new: SetSize, old: Sequence[SetSize]) -> int:
    if new.replicas >= wanted:
        return wanted
    room = wanted + limits.surge - new.replicas - sum(each.replicas for each in old)
    return min(new.replicas + max(room, 0), wanted)


def _shrunk(wanted: int, limits: Limits, new: SetSize, old: Sequence[SetSize]) -> dict[str, int]:
    """Old ReplicaSets less what can be spared: first pods of no use, then others while enough are available."""
    least = wanted - limits.unavailable
    total = new.replicas + sum(each.replicas for each in old)
    spare = total - least - max(new.replicas - new.available, 0)
    sizes = {each.name: each.replicas for each in old}
    for each in old:
        useless = min(max(each.replicas - each.available, 0), max(spare, 0))
        sizes[each.name] -= useless
        spare -= useless
    left = min(max(spare, 0), max(new.available + sum(each.available for each in old) - least, 0))
    for each in old:
        taken = min(sizes[each.name], left)
        sizes[each.name] -= taken
        left -= taken
    return {each.name: sizes[each.name] for each in old if sizes[each.name] != each.replicas}


@dataclass(frozen=True)
class Rollout:
    """A Deployment with its ReplicaSets: the one of the present template, and the others, oldest first."""

    deployment: Raw
    new: Raw | None
    old: tuple[Raw, ...]

    @classmethod
    def of(cls, deployment: Raw, world: World) -> Rollout:
        uid = deployment["metadata"].get("uid") or ""
        sets = [each for each in world.owned(REPLICA_SETS, uid) if controller_uid(each) == uid]
        sets.sort(key=_age)
        template = deployment["spec"].get("template") or {}
        new = next((each for each in sets if bare(each["spec"].get("template") or {}) == bare(template)), None)
        return cls(deployment, new, tuple(each for each in sets if each is not new))

    @property
    def sets(self) -> tuple[Raw, ...]:
        return (*self.old, *((self.new,) if self.new else ()))

    @property
    def wanted(self) -> int:
        return replicas_of(self.deployment)

    @property
    def recreates(self) -> bool:
        return (self.deployment["spec"].get("strategy") or {}).get("type") == "Recreate"

    @property
    def limits(self) -> Limits:
        rolling = (self.deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
        if self.recreates:
            return Limits(0, 0)
        return Limits.resolve(self.wanted, rolling.get("maxSurge"), rolling.get("maxUnavailable"))

    @property
    def revision(self) -> int:
        """The revision that the present template has, or is to get."""
        above_old = max((revision_of(each) for each in self.old), default=0) + 1
        return max(above_old, revision_of(self.new) if self.new else 0)


def revision_of(raw: Raw) -> int:
    """A ReplicaSet's revision; 0 where it has none."""
    text = (raw["metadata"].get("annotations") or {}).get(REVISION) or ""
    return int(text) if text.isdigit() else 0


def _age(raw: Raw) -> tuple[str, int, str]:
    return raw["metadata"].get("creationTimestamp") or "", revision_of(raw), raw["metadata"]["name"]


def bare(template: Raw) -> Raw:
    """A template without the label that tells versions apart."""
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    raw: Raw = without_nulls({**template, "metadata": {**metadata, "labels": labels}})
    return raw
