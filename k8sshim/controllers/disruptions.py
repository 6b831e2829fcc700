"""PodDisruptionBudgets: how many of a budget's pods are healthy, and how many may be evicted now.

https://kubernetes.io/docs/concepts/workloads/pods/disruptions/ and `pkg/controller/disruption` of
kubernetes/kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from k8sshim.client import DEPLOYMENTS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS, resource_for
from k8sshim.controllers import pods as podlib
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.replicas import replicas_of
from k8sshim.controllers.rollout import scaled
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import NOTHING, Plan, with_status
from k8sshim.endpoints import is_ready
from k8sshim.objects import Key, Raw
from k8sshim.selectors import Selector

BUDGETS = resource_for("policy/v1", "PodDisruptionBudget")
_OWNERS = {each.kind: each for each in (REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS, DEPLOYMENTS)}
_FORGOTTEN_AFTER_S = 120.0  # an eviction that came to nothing counts no more


@dataclass(frozen=True)
class Disruptions:
    """The controller."""

    name: str = "disruption"
    delay_s: float = 0.05

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource == BUDGETS:
            yield change.key
        elif change.resource == PODS:
            for budget in world.all(BUDGETS, change.key.namespace):
                if any(_selector(budget).matches(pod["metadata"].get("labels") or {}) for pod in change.present):
                    yield Key.of(budget)
        elif change.resource in _OWNERS.values():
            yield from map(Key.of, world.all(BUDGETS, change.key.namespace))

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        budget = world.get(BUDGETS, key)
        if budget is None or budget["metadata"].get("deletionTimestamp"):
            return NOTHING
        pods = [pod for pod in _selected(budget, world) if podlib.phase(pod) not in ("Succeeded", "Failed")]
        status = _status(budget, pods, world, around.now)
        disrupted = status.get("disruptedPods")
        again = _FORGOTTEN_AFTER_S if disrupted else None
        return Plan.of(with_status(BUDGETS, budget, status), again_after_s=again)


def _selector(budget: Raw) -> Selector:
    return Selector.from_raw((budget.get("spec") or {}).get("selector"))


def _selected(budget: Raw, world: World) -> list[Raw]:
    selector, namespace = _selector(budget), budget["metadata"].get("namespace") or ""
    return [pod for pod in world.all(PODS, namespace) if selector.matches(pod["metadata"].get("labels") or {})]


def _status(budget: Raw, pods: list[Raw], world: World, now: datetime) -> Raw:
    old = budget.get("status") or {}
    disrupted = _still_disrupted(old.get("disruptedPods") or {}, pods, now)
    going = {pod["metadata"]["name"] for pod in pods if podlib.is_terminating(pod)} | set(disrupted)
    healthy = sum(is_ready(pod) and pod["metadata"]["name"] not in going for pod in pods)
    expected, desired = _expected(budget, pods, world)
    allowed = max(healthy - desired, 0) if expected else 0
    status: Raw = {
        "observedGeneration": budget["metadata"].get("generation") or 1,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "conditions": [_condition(old.get("conditions") or (), budget, allowed, now)],
    }
    return status | ({"disruptedPods": disrupted} if disrupted else {})


def _still_disrupted(noted: Raw, pods: list[Raw], now: datetime) -> Raw:
    """Evictions that the server has allowed and whose pods do not look it yet."""
    there = {pod["metadata"]["name"] for pod in pods if not podlib.is_terminating(pod)}
    ages = {name: podlib.parse_time(moment) for name, moment in noted.items()}
    return {
        name: noted[name]
        for name, since in ages.items()
        if name in there and since and (now - since).total_seconds() < _FORGOTTEN_AFTER_S
    }


def _expected(budget: Raw, pods: list[Raw], world: World) -> tuple[int, int]:
    """How many pods there should be, and how many of them healthy at least."""
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        expected = _wanted_by_owners(pods, world)
        return expected, max(expected - scaled(spec["maxUnavailable"], expected, up=True), 0)
    least = spec.get("minAvailable", 1)
    if isinstance(least, str) and least.endswith("%"):
        expected = _wanted_by_owners(pods, world)
        return expected, scaled(least, expected, up=True)
    return len(pods), int(least)


def _wanted_by_owners(pods: list[Raw], world: World) -> int:
    """How many pods their owners ask for; a pod without one that has a scale counts as itself."""
    wanted: dict[str, int] = {}
    for pod in pods:
        owner = _scaled_owner(pod, world)
        wanted[owner["metadata"]["uid"] if owner else pod["metadata"]["uid"]] = replicas_of(owner) if owner else 1
    return sum(wanted.values())


def _scaled_owner(raw: Raw, world: World) -> Raw | None:
    """The controller of a pod, and that one's: the last that has a number of replicas."""
    for reference in raw["metadata"].get("ownerReferences") or ():
        resource = _OWNERS.get(str(reference.get("kind")))
        if reference.get("controller") and resource in world.resources() and resource is not None:
            owner = world.get(resource, Key(raw["metadata"].get("namespace") or "", reference["name"]))
            if owner and owner["metadata"].get("uid") == reference.get("uid"):
                return _scaled_owner(owner, world) or owner
    return None


def _condition(present: Iterable[Raw], budget: Raw, allowed: int, now: datetime) -> Raw:
    state, reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    old = next((each for each in present if each.get("type") == "DisruptionAllowed"), {})
    since = old.get("lastTransitionTime") if old.get("status") == state else None
    return {
        "type": "DisruptionAllowed",
        "status": state,
        "reason": reason,
        "message": "",
        "observedGeneration": budget["metadata"].get("generation") or 1,
        "lastTransitionTime": since or podlib.format_time(now),
    }
