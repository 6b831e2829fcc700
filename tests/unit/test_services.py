"""EndpointSlices and Endpoints kept written, on a cluster in memory."""

from __future__ import annotations

import pytest
from fake_api import Cluster, workload

from k8sshim.client import ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, REPLICA_SETS, SERVICES
from k8sshim.objects import EndpointSlice, Key, Raw

pytestmark = pytest.mark.unit
WEB = Key("default", "web")
SERVICE: Raw = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"selector": {"app": "web"}, "clusterIP": "10.96.0.9", "ports": [{"port": 80, "targetPort": "http"}]},
}


def served(replicas: int = 3) -> Cluster:
    cluster = Cluster()
    cluster.apply(REPLICA_SETS, workload(REPLICA_SETS, replicas=replicas))
    cluster.apply(SERVICES, SERVICE)
    cluster.run()
    return cluster


def ready(cluster: Cluster) -> dict[str, bool]:
    slices = [EndpointSlice.parse(each) for each in cluster.api.list(ENDPOINT_SLICES)[0]]
    return {each.target.name: each.ready for view in slices for each in view.endpoints if each.target}


def subsets(cluster: Cluster) -> list[Raw]:
    found: list[Raw] = cluster.api.objects[ENDPOINTS, WEB]["subsets"]
    return found


def test_readiness_puts_endpoints_in_and_out() -> None:
    cluster = served()
    names = [each["metadata"]["name"] for each in cluster.pods()]
    assert ready(cluster) == dict.fromkeys(names, True)
    cluster.start(cluster.pods()[0], ready=False)
    cluster.run()
    assert ready(cluster) == {names[0]: False, names[1]: True, names[2]: True}
    (subset,) = subsets(cluster)
    assert [each["targetRef"]["name"] for each in subset["notReadyAddresses"]] == [names[0]]
    assert len(subset["addresses"]) == 2
    assert subset["ports"] == [{"protocol": "TCP", "port": 80}]
    cluster.start(cluster.pods()[0], ready=True)
    cluster.run()
    assert ready(cluster) == dict.fromkeys(names, True)


def test_a_terminating_pod_is_out_before_it_is_gone() -> None:
    cluster = served(replicas=2)
    doomed = cluster.pods()[0]
    cluster.api.delete(PODS, Key.of(doomed))
    while cluster.step():
        pass
    assert ready(cluster)[doomed["metadata"]["name"]] is False
    cluster.run()
    assert doomed["metadata"]["name"] not in ready(cluster)


def test_labels_and_selectors_decide_as_they_change() -> None:
    cluster = served(replicas=2)
    cluster.apply(SERVICES, SERVICE, selector={"app": "nothing"})
    cluster.run()
    assert ready(cluster) == {} and subsets(cluster) == []
    cluster.apply(SERVICES, SERVICE, selector={"app": "web"})
    cluster.run()
    assert len(ready(cluster)) == 2
    name = cluster.pods()[0]["metadata"]["name"]
    cluster.api.patch(PODS, Key("default", name), {"metadata": {"labels": {"app": "out"}}})
    cluster.run()
    assert name not in ready(cluster) and len(ready(cluster)) == 2


def test_nothing_is_written_where_nothing_changes() -> None:
    cluster = served()
    written = len(cluster.writes)
    cluster.restart()
    cluster.run()
    for each in cluster.pods():
        cluster.api.patch(PODS, Key.of(each), {"metadata": {"annotations": {"seen": "yes"}}})
    cluster.run()
    assert len(cluster.writes) == written


def test_a_service_without_pods_has_an_empty_slice() -> None:
    cluster = Cluster()
    cluster.apply(SERVICES, SERVICE)
    cluster.run()
    (only,) = cluster.api.list(ENDPOINT_SLICES)[0]
    assert only["endpoints"] == []


def test_what_was_written_by_hand_is_left_alone() -> None:
    cluster = Cluster()
    by_hand = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "web", "namespace": "default"},
        "subsets": [],
    }
    cluster.api.create(ENDPOINTS, by_hand)
    cluster.apply(SERVICES, {**SERVICE, "spec": {"ports": [{"port": 80}]}})
    cluster.run()
    assert cluster.api.list(ENDPOINT_SLICES)[0] == []
    assert not [each for each in cluster.writes if getattr(each, "resource", None) == ENDPOINTS]


def test_a_slice_that_somebody_deletes_or_edits_is_put_right() -> None:
    cluster = served()
    before = cluster.api.list(ENDPOINT_SLICES)[0]
    cluster.api.delete(ENDPOINT_SLICES, Key.of(before[0]))
    cluster.run()
    (again,) = cluster.api.list(ENDPOINT_SLICES)[0]
    assert again["endpoints"] == before[0]["endpoints"]
    cluster.api.update(ENDPOINT_SLICES, {**again, "endpoints": []})
    cluster.run()
    assert len(ready(cluster)) == 3


def test_a_service_that_goes_takes_its_endpoints_along() -> None:
    cluster = served()
    cluster.api.delete(SERVICES, WEB)
    cluster.run()
    assert cluster.api.list(ENDPOINT_SLICES)[0] == [] and cluster.api.list(ENDPOINTS)[0] == []


def test_a_nodes_zone_is_its_endpoints_zone_as_it_changes() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(REPLICA_SETS, workload(REPLICA_SETS, replicas=2))
    cluster.apply(SERVICES, SERVICE, trafficDistribution="PreferClose")
    cluster.run()
    for zone in ("east", "west"):
        cluster.api.patch(NODES, Key("", "n1"), {"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}})
        cluster.run()
        (only,) = cluster.api.list(ENDPOINT_SLICES)[0]
        assert [(e["zone"], e["hints"]) for e in only["endpoints"]] == [(zone, {"forZones": [{"name": zone}]})] * 2


def test_a_service_is_found_by_whichever_of_its_labels_and_not_by_part_of_them() -> None:
    cluster = served(replicas=2)
    name = cluster.pods()[0]["metadata"]["name"]
    cluster.apply(SERVICES, SERVICE, selector={"app": "web", "tier": "front"})
    cluster.run()
    assert ready(cluster) == {}
    cluster.api.patch(PODS, Key("default", name), {"metadata": {"labels": {"tier": "front"}}})
    cluster.run()
    assert ready(cluster) == {name: True}
