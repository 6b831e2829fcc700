"""The templates that StatefulSets and DaemonSets have had, as revisions."""

from __future__ import annotations

import pytest
from fake_api import Cluster, template, workload

from k8sshim.client import DAEMON_SETS, PODS, STATEFUL_SETS, Resource
from k8sshim.controllers.history import REVISIONS
from k8sshim.objects import Key

pytestmark = pytest.mark.unit


def revisions(cluster: Cluster) -> dict[int, str]:
    """The image of each revision's template, by number."""
    found = [raw for (resource, _), raw in cluster.api.objects.items() if resource == REVISIONS]
    return {each["revision"]: each["data"]["spec"]["template"]["spec"]["containers"][0]["image"] for each in found}


@pytest.mark.parametrize("resource", [STATEFUL_SETS, DAEMON_SETS])
def test_a_revision_for_each_template_and_an_old_one_that_comes_back_is_the_newest(resource: Resource) -> None:
    cluster = Cluster()
    raw = workload(resource)
    cluster.apply(resource, raw, revisionHistoryLimit=1)
    cluster.run()
    assert revisions(cluster) == {1: "nginx"}
    cluster.apply(resource, raw, template=template("nginx:2"))
    cluster.run()
    assert revisions(cluster) == {1: "nginx", 2: "nginx:2"}
    cluster.apply(resource, raw, template=template("nginx"))
    cluster.run()
    assert revisions(cluster) == {2: "nginx:2", 3: "nginx"}
    cluster.apply(resource, raw, template=template("nginx:3"))
    cluster.run()
    assert revisions(cluster) == {3: "nginx", 4: "nginx:3"}


@pytest.mark.parametrize("resource", [STATEFUL_SETS, DAEMON_SETS])
def test_what_an_orphaning_deletion_left_is_adopted_with_its_history(resource: Resource) -> None:
    """ "kubectl delete --cascade=orphan", and the manifest applied again: pods stay, "rollout history" goes on."""
    cluster = Cluster()
    expressions = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}
    raw = workload(resource, selector=expressions)
    cluster.apply(resource, raw)
    cluster.run()
    cluster.apply(resource, raw, template=template("nginx:2"))
    cluster.run()
    pods = {each["metadata"]["uid"] for each in cluster.pods(app="web")}
    for kind in (PODS, REVISIONS):
        for each in cluster.api.list(kind)[0]:
            cluster.api.patch(kind, Key.of(each), {"metadata": {"ownerReferences": []}})
    cluster.api.delete(resource, Key("default", "web"))
    uid = cluster.apply(resource, raw, template=template("nginx:2"))["metadata"]["uid"]
    cluster.run()
    assert revisions(cluster) == {1: "nginx", 2: "nginx:2"}
    assert {each["metadata"]["uid"] for each in cluster.pods(app="web")} == pods
    owners = [each["metadata"]["ownerReferences"] for each in cluster.api.list(REVISIONS)[0]]
    assert [owner["uid"] for each in owners for owner in each] == [uid, uid]
