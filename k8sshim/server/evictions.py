"""The subresource `eviction` of pods: a deletion that disruption budgets have a say in.

https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/ and `pkg/registry/core/pod/storage/eviction.go` of
kubernetes/kubernetes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from k8sshim.objects import Raw
from k8sshim.records import Record
from k8sshim.selectors import Selector
from k8sshim.store import Store

from .admission import timestamp
from .lifecycle import DeleteOptions, Lifecycle
from .resources import BUDGETS, PODS, resource_name
from .routing import Target
from .status import bad_request, internal_error, not_found, too_many

_RETRY_S = 10  # for a budget that its controller has not looked at yet
_SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


@dataclass(frozen=True)
class Evictions:
    """Decides on evictions."""

    store: Store
    lifecycle: Lifecycle
    now: Callable[[], datetime]

    def evict(self, target: Target, body: Raw, options: DeleteOptions) -> None:
        """Delete a pod if its budget allows it. Raises ApiError 404, 429, 500, and what a deletion raises."""
        name = (body.get("metadata") or {}).get("name") or target.name
        if name != target.name:
            raise bad_request(f"name in URL does not match name in Eviction object: {target.name} is not {name}")
        record = self.store.get(resource_name(PODS), target.key)
        if record is None:
            raise not_found(PODS, target.name)
        pod = record.decode()
        budgets = [] if _does_not_count(pod) else self._budgets_of(record)
        if len(budgets) > 1:
            raise internal_error(_SEVERAL)
        for budget in budgets:
            self._use(budget, pod, dry_run=options.dry_run)
        self.lifecycle.delete(record, replace(options, uid=options.uid or record.uid))

    def _budgets_of(self, pod: Record) -> list[Record]:
        return [
            budget
            for budget in self.store.records(resource_name(BUDGETS), pod.key.namespace)
            if Selector.from_raw((budget.decode().get("spec") or {}).get("selector")).matches(pod.labels)
        ]

    def _use(self, record: Record, pod: Raw, *, dry_run: bool) -> None:
        """Take one disruption from a budget."""
        budget = record.decode()
        spec, status, name = budget.get("spec") or {}, budget.get("status") or {}, record.key.name
        if not _ready(pod) and _may_go_unhealthy(spec, status):
            return
        if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 1):
            why = f"The disruption budget {name} is still being processed by the server."
            raise too_many(_REFUSED, [{"reason": "DisruptionBudget", "message": why}], retry_after_s=_RETRY_S)
        if status.get("disruptionsAllowed", 0) < 1:
            healthy = f"{status.get('desiredHealthy', 0)} healthy pods and has {status.get('currentHealthy', 0)}"
            why = f"The disruption budget {name} needs {healthy} currently"
            raise too_many(_REFUSED, [{"reason": "DisruptionBudget", "message": why}])
        if not dry_run:
            disrupted = (status.get("disruptedPods") or {}) | {pod["metadata"]["name"]: timestamp(self.now())}
            taken = {"disruptionsAllowed": status["disruptionsAllowed"] - 1, "disruptedPods": disrupted}
            self.store.put(record.resource, budget | {"status": status | taken})


_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


def _does_not_count(pod: Raw) -> bool:
    """Whether no budget counts on a pod: it has not begun, has ended, or is going."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Pending", "Succeeded", "Failed") or bool(pod["metadata"].get("deletionTimestamp"))


def _ready(pod: Raw) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _may_go_unhealthy(spec: Raw, status: Raw) -> bool:
    """https://kubernetes.io/docs/tasks/run-application/configure-pdb/#unhealthy-pod-eviction-policy"""
    if spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    current, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    return bool(current >= desired > 0)
