"""The Service `kubernetes`: there from the start, and put right whatever is done to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from api_world import World, service

from k8sshim.cluster import Cluster, Host
from k8sshim.objects import Raw
from k8sshim.server import kubernetes_service
from k8sshim.server.status import ApiError

pytestmark = pytest.mark.unit

HOST = Host("control-plane", "border", 2, "0a:58:ac:1e:00:fe", ("172.30.0.254",), "172.30.0.0/24", "172.30.0.1")
CLUSTER = Cluster("lab", (), (), (), 1500, (), (), hosts=(HOST,))


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    keep(world)
    return world


def keep(world: World, address: str = "172.30.0.254") -> None:
    kubernetes_service.keep(
        world.store, world.writer, world.deferred.append, service_address="10.96.0.1", control_plane=address
    )


def all_three(world: World) -> list[Raw]:
    world.run()
    return [world.get(kind, "kubernetes") for kind in ("Service", "EndpointSlice", "Endpoints")]


def test_the_control_plane_is_where_the_cluster_says() -> None:
    raw = {"apiVersion": "podwire.dev/v1alpha1", "kind": "Cluster", "metadata": {"name": "lab"}}
    assert kubernetes_service.control_plane_of([raw | {"status": CLUSTER.status}]) == "172.30.0.254"
    assert kubernetes_service.control_plane_of([raw]) == ""
    assert kubernetes_service.control_plane_of([]) == ""


def test_it_is_there_from_the_start(world: World) -> None:
    of_service, of_slice, of_endpoints = all_three(world)
    spec = of_service["spec"]
    assert (spec["clusterIP"], spec["type"], "selector" in spec) == ("10.96.0.1", "ClusterIP", False)
    assert spec["ports"] == [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]
    assert of_slice["metadata"]["labels"]["kubernetes.io/service-name"] == "kubernetes"
    assert [each["addresses"] for each in of_slice["endpoints"]] == [["172.30.0.254"]]
    assert of_endpoints["subsets"][0]["addresses"] == [{"ip": "172.30.0.254"}]


@pytest.mark.parametrize("kind", ["Service", "EndpointSlice", "Endpoints"])
def test_it_comes_back_when_it_is_deleted(world: World, kind: str) -> None:
    before = all_three(world)
    world.delete(kind, "kubernetes")
    assert not world.exists(kind, "kubernetes")
    after = all_three(world)
    for raw in (*before, *after):
        for field in ("uid", "resourceVersion"):
            raw["metadata"].pop(field)
    assert after == before


def test_what_it_is_for_does_not_change_and_what_others_add_stays(world: World) -> None:
    before = all_three(world)[0]["spec"]
    world.patch(
        "Service",
        "kubernetes",
        {
            "spec": {"type": "NodePort", "selector": {"app": "mine"}, "ports": [{"port": 444, "name": "x"}]},
            "metadata": {"annotations": {"note": "hello"}},
        },
    )
    stored = all_three(world)[0]
    assert stored["metadata"]["annotations"] == {"note": "hello"}
    assert stored["spec"] == before
    version = world.store.version
    keep(world)
    assert world.store.version == version


def test_a_server_that_starts_anew_at_another_address_says_so(world: World, tmp_path: Path) -> None:
    world.store.close()
    again = World(tmp_path)
    keep(again, "172.30.0.126")
    assert [each["addresses"] for each in all_three(again)[1]["endpoints"]] == [["172.30.0.126"]]


def test_nobody_else_can_have_its_address(world: World) -> None:
    with pytest.raises(ApiError, match="provided IP is already allocated"):
        world.create("Service", service("mine", clusterIP="10.96.0.1"))
