"""What a Deployment says of itself: counts, and the conditions Available and Progressing that `kubectl rollout
status` reads.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status and
`pkg/controller/deployment/progress.go` of kubernetes/kubernetes. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from k8sshim.controllers.pods import format_time, parse_time
from k8sshim.controllers.rollout import Rollout
from k8sshim.objects import Raw

_ENDED = ("NewReplicaSetAvailable", "DeploymentPaused")  # what follows is a rollout of its own
DEADLINE_S = 600  # progressDeadlineSeconds where nothing is said
_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


def status(rollout: Rollout, now: datetime) -> tuple[Raw, float | None]:
    """The status, and after how many seconds it will change by itself."""
    old = rollout.deployment.get("status") or {}
    counts = _counts(rollout)
    progressing, again_after_s = _progressing(rollout, {**old, **counts}, now)
    conditions = [_available(rollout, counts, now), *([progressing] if progressing else [])]
    present = old.get("conditions") or []
    kinds = {each["type"] for each in conditions}
    new: Raw = {
        "observedGeneration": rollout.deployment["metadata"].get("generation") or 0,
        **{name: count for name, count in counts.items() if count},
        "conditions": [*conditions, *(each for each in present if each.get("type") not in kinds)],
    }
    if "collisionCount" in old:
        new["collisionCount"] = old["collisionCount"]
    return new, again_after_s


def _counts(rollout: Rollout) -> dict[str, int]:
    available = _sum(rollout.sets, "availableReplicas")
    asked = sum(_asked(each) for each in rollout.sets)
    values = (
        _sum(rollout.sets, "replicas"),
        _sum([rollout.new] if rollout.new else [], "replicas"),
        _sum(rollout.sets, "readyReplicas"),
        available,
        max(asked - available, 0),
    )
    return dict(zip(_COUNTS, values, strict=True))


def _sum(sets: Iterable[Raw], field: str) -> int:
    return sum(int((each.get("status") or {}).get(field) or 0) for each in sets)


def _asked(raw: Raw) -> int:
    return int(raw["spec"].get("replicas") or 0)


def complete(rollout: Rollout, counts: Raw) -> bool:
    """Whether all pods are of the present template and available."""
    fields = ("updatedReplicas", "replicas", "availableReplicas")
    return rollout.new is not None and all((counts.get(field) or 0) == rollout.wanted for field in fields)


def _condition(rollout: Rollout, kind: str) -> Raw | None:
    conditions = (rollout.deployment.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == kind), None)


def _set(old: Raw | None, kind: str, state: str, reason: str, *, message: str, now: datetime) -> Raw:
    """A condition; the old one where it says the same."""
    if old and (old.get("status"), old.get("reason")) == (state, reason):
        return old
    changed = format_time(now)
    return {
        "type": kind,
        "status": state,
        "reason": reason,
        "message": message,
        "lastUpdateTime": changed,
        "lastTransitionTime": old["lastTransitionTime"] if old and old.get("status") == state else changed,
    }


def _available(rollout: Rollout, counts: dict[str, int], now: datetime) -> Raw:
    old = _condition(rollout, "Available")
    if counts["availableReplicas"] >= rollout.wanted - rollout.limits.unavailable:
        reason, message = "MinimumReplicasAvailable", "Deployment has minimum availability."
        return _set(old, "Available", "True", reason, message=message, now=now)
    reason, message = "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    return _set(old, "Available", "False", reason, message=message, now=now)


def _progressing(rollout: Rollout, counts: Raw, now: datetime) -> tuple[Raw | None, float | None]:
    """The condition Progressing, and the seconds until the deadline where the rollout is under way."""
    old = _condition(rollout, "Progressing")
    if rollout.deployment["spec"].get("paused"):
        return _set(old, "Progressing", "Unknown", "DeploymentPaused", message="Deployment is paused", now=now), None
    what = f'ReplicaSet "{rollout.new["metadata"]["name"]}"' if rollout.new else "Deployment"
    if complete(rollout, counts):
        message = f"{what} has successfully progressed."
        return _set(old, "Progressing", "True", "NewReplicaSetAvailable", message=message, now=now), None
    if old and old.get("reason") == "NewReplicaSetAvailable" and counts["replicas"] == counts["updatedReplicas"]:
        return old, None  # it had come through; a pod that fails now is no rollout
    if old is None or old.get("reason") in _ENDED or _moved(rollout, counts):
        message = f"{what} is progressing."
        fresh = _set(None, "Progressing", "True", "ReplicaSetUpdated", message=message, now=now)
        return fresh, _deadline_s(rollout)
    since = parse_time(old.get("lastUpdateTime"))
    left_s = _deadline_s(rollout) - ((now - since).total_seconds() if since else 0.0)
    if left_s > 0:
        return old, left_s
    message = f"{what} has timed out progressing."
    return _set(old, "Progressing", "False", "ProgressDeadlineExceeded", message=message, now=now), None


def _deadline_s(rollout: Rollout) -> float:
    return float(rollout.deployment["spec"].get("progressDeadlineSeconds") or DEADLINE_S)


def _moved(rollout: Rollout, counts: Raw) -> bool:
    """Whether the rollout has come forward since the last status: more new pods, fewer old ones, more of use."""
    old = rollout.deployment.get("status") or {}
    before = {name: int(old.get(name) or 0) for name in _COUNTS}
    return bool(
        counts["updatedReplicas"] > before["updatedReplicas"]
        or counts["replicas"] - counts["updatedReplicas"] < before["replicas"] - before["updatedReplicas"]
        or counts["readyReplicas"] > before["readyReplicas"]
        or counts["availableReplicas"] > before["availableReplicas"]
    )
