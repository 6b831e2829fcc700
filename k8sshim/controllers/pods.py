"""What every workload controller asks of pods and does with templates, by Kubernetes' rules.

Source of the rules: `pkg/controller/controller_utils.go` and `pkg/api/v1/pod/util.go` of kubernetes/kubernetes. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from k8sshim.client import PODS, Resource
from k8sshim.controllers.world import World, controller_uid
from k8sshim.controllers.writes import Create, Delete, Patch, Write
from k8sshim.endpoints import is_ready, owner_reference
from k8sshim.objects import Key, Raw
from k8sshim.selectors import Selector

SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, nothing to mistake for them: names that spell nothing
_LONGEST_BASE = 58  # of a generated name: 63 less the suffix


def is_terminating(pod: Raw) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def phase(pod: Raw) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_active(pod: Raw) -> bool:
    """Whether a pod counts among its controller's replicas."""
    return not is_terminating(pod) and phase(pod) not in ("Succeeded", "Failed")


def is_available(pod: Raw, min_ready_s: int, now: datetime) -> bool:
    """Whether a pod has been ready for that long."""
    return is_ready(pod) and (not min_ready_s or ready_for_s(pod, now) >= min_ready_s)


def ready_for_s(pod: Raw, now: datetime) -> float:
    """How long a pod has been ready; 0 where it is not, or where nobody wrote since when."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready" and condition.get("status") == "True":
            since = parse_time(condition.get("lastTransitionTime"))
            return (now - since).total_seconds() if since else 0.0
    return 0.0


def soonest_available_s(pods: Iterable[Raw], min_ready_s: int, now: datetime) -> float | None:
    """After how long the next ready pod becomes available; None where there is none to wait for."""
    left = [min_ready_s - ready_for_s(pod, now) for pod in pods if is_ready(pod)]
    return min((each for each in left if each > 0), default=None)


def parse_time(text: object) -> datetime | None:
    """A time of the API (RFC 3339); None for what is none."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None


def format_time(now: datetime) -> str:
    """A time as the API writes it."""
    return now.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod_from(
    template: Raw, owner: Raw, name: str, *, labels: Mapping[str, str] | None = None, spec: Raw | None = None
) -> Raw:
    """A pod of a controller's template; `labels` come on top of the template's, `spec` replaces its."""
    given = template.get("metadata") or {}
    metadata: Raw = {
        "name": name,
        "namespace": owner["metadata"].get("namespace") or "",
        "labels": {**(given.get("labels") or {}), **(labels or {})},
        "ownerReferences": [owner_reference(owner)],
    }
    for field in ("annotations", "finalizers"):
        if given.get(field):
            metadata[field] = given[field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec or template.get("spec") or {}}


def generated(owner: Raw, suffix: Callable[[], str]) -> str:
    """A pod's name as generateName makes it: the owner's name and five characters."""
    return f"{(owner['metadata']['name'] + '-')[:_LONGEST_BASE]}{suffix()}"


def hash_of(template: Raw) -> str:
    """The hash of a pod template, as pod-template-hash and controller-revision-hash have it: FNV-1a, safely encoded."""
    value = 0x811C9DC5
    for byte in json.dumps(without_nulls(template), sort_keys=True).encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(SUFFIX_ALPHABET[ord(digit) % len(SUFFIX_ALPHABET)] for digit in str(value))


def without_nulls(value: Any) -> Any:
    """JSON without the fields that are null: clients with types of their own write `creationTimestamp: null`."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def deletion(pod: Raw) -> Delete:
    return Delete(PODS, Key.of(pod), pod["metadata"].get("uid") or "")


def creation(pod: Raw) -> Create:
    return Create(PODS, pod)


def claim(owner: Raw, selector: Selector, world: World, resource: Resource = PODS) -> tuple[list[Raw], list[Write]]:
    """The pods (or what else) that belong to an owner, and the writes that make it so: ones that match and have no
    controller are adopted, ones that match no longer are released
    (https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/)."""
    uid, namespace = owner["metadata"].get("uid") or "", owner["metadata"].get("namespace") or ""
    mine, writes = [], list[Write]()
    for raw in world.owned(resource, uid):
        if controller_uid(raw) != uid:
            continue
        if selector.matches(raw["metadata"].get("labels") or {}):
            mine.append(raw)
        elif not is_terminating(raw):
            rest = [each for each in raw["metadata"].get("ownerReferences") or () if each.get("uid") != uid]
            writes.append(_owners(resource, raw, rest))
    for raw in world.unowned(resource, namespace):
        if is_active(raw) and not selector.empty and selector.matches(raw["metadata"].get("labels") or {}):
            mine.append(raw)
            rest = list(raw["metadata"].get("ownerReferences") or ())
            writes.append(_owners(resource, raw, [*rest, owner_reference(owner)]))
    return mine, writes


def _owners(resource: Resource, raw: Raw, owners: list[Raw]) -> Patch:
    metadata = {"uid": raw["metadata"].get("uid"), "ownerReferences": owners}
    return Patch(resource, Key.of(raw), {"metadata": metadata})
