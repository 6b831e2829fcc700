"""ClusterRoles that are put together from others: `aggregationRule` selects them by their labels.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles: "A controller, running as part of
the cluster control plane, watches for ClusterRole objects with an aggregationRule set."
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from k8sshim.client import resource_for
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import NOTHING, Plan, Update
from k8sshim.objects import Key, Raw
from k8sshim.selectors import Selector

CLUSTER_ROLES = resource_for("rbac.authorization.k8s.io/v1", "ClusterRole")


@dataclass(frozen=True)
class Aggregation:
    """The controller."""

    name: str = "clusterrole-aggregation"
    delay_s: float = 0.05

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        """Those that select the changed role, and itself if it selects others."""
        if change.resource != CLUSTER_ROLES:
            return
        for each in world.all(CLUSTER_ROLES):
            if each is change.new or any(_selects(each, raw) for raw in change.present):
                yield Key.of(each)

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        role = world.get(CLUSTER_ROLES, key)
        if role is None or not role.get("aggregationRule") or role["metadata"].get("deletionTimestamp"):
            return NOTHING
        parts = [each for each in world.all(CLUSTER_ROLES) if each is not role and _selects(role, each)]
        rules: list[Raw] = []
        for part in sorted(parts, key=lambda each: str(each["metadata"]["name"])):
            rules += [rule for rule in part.get("rules") or () if rule not in rules]
        if rules == (role.get("rules") or []):
            return NOTHING
        return Plan.of([Update(CLUSTER_ROLES, {**role, "rules": rules})])


def _selects(role: Raw, other: Raw) -> bool:
    selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
    labels = other["metadata"].get("labels") or {}
    return any(Selector.from_raw(each).matches(labels) for each in selectors)
