"""ClusterRoles that are put together from others, on a cluster in memory."""

from __future__ import annotations

import pytest
from fake_api import Cluster

from k8sshim.controllers.aggregation import CLUSTER_ROLES
from k8sshim.objects import Key, Raw
from k8sshim.server import own_roles

pytestmark = pytest.mark.unit
LABEL = "rbac.authorization.k8s.io/aggregate-to-monitoring"


def role(name: str, *resources: str, labels: dict[str, str] | None = None, **fields: object) -> Raw:
    rules = [{"apiGroups": [""], "resources": list(resources), "verbs": ["get"]}] if resources else []
    return {"metadata": {"name": name, "labels": labels or {}}, "rules": rules, **fields}


def resources(cluster: Cluster, name: str) -> list[str]:
    raw = cluster.api.objects[CLUSTER_ROLES, Key("", name)]
    return [resource for rule in raw["rules"] for resource in rule["resources"]]


def test_rules_come_and_go_with_the_roles_that_are_selected() -> None:
    """The documentation's own example: "monitoring", and "monitoring-endpointslices" that adds itself by a label."""
    cluster = Cluster()
    rule = {"clusterRoleSelectors": [{"matchLabels": {LABEL: "true"}}]}
    cluster.api.create(CLUSTER_ROLES, role("monitoring", "stale", aggregationRule=rule))
    cluster.api.create(CLUSTER_ROLES, role("z", "services", labels={LABEL: "true"}))
    cluster.api.create(CLUSTER_ROLES, role("other", "secrets"))
    cluster.run()
    assert resources(cluster, "monitoring") == ["services"]
    cluster.api.create(CLUSTER_ROLES, role("a", "pods", labels={LABEL: "true"}))
    cluster.run()
    assert resources(cluster, "monitoring") == ["pods", "services"]
    cluster.api.patch(CLUSTER_ROLES, Key("", "z"), {"metadata": {"labels": {LABEL: "false"}}})
    cluster.run()
    assert resources(cluster, "monitoring") == ["pods"]
    cluster.api.delete(CLUSTER_ROLES, Key("", "a"))
    cluster.run()
    assert resources(cluster, "monitoring") == []


def test_the_roles_that_the_server_brings_are_whole_and_grow() -> None:
    cluster = Cluster()
    brought = [raw for raw in own_roles.objects() if raw["kind"] == "ClusterRole"]
    for raw in brought:
        cluster.api.create(CLUSTER_ROLES, raw)
    whole = {name: set(resources(cluster, name)) for name in ("view", "edit", "admin")}
    added = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    cluster.api.create(CLUSTER_ROLES, role("widgets", "widgets", labels=added))
    cluster.run()
    assert {name: set(resources(cluster, name)) for name in whole} == {
        name: before | {"widgets"} for name, before in whole.items()
    }
