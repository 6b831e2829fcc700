"""Binding and addresses together, on a cluster in memory: every pod its place, and nobody another's."""

from __future__ import annotations

import json

import pytest
from fake_api import Cluster, FakeApi, node, pod, workload
from hypothesis import given, settings
from hypothesis import strategies as st

from k8sshim.client import NODES, PODS, REPLICA_SETS
from k8sshim.ipam import LAST_ADDRESS_ANNOTATION
from k8sshim.objects import POD_NETWORK_ANNOTATION, Key, PodNetwork, Raw

pytestmark = pytest.mark.unit


def addresses(cluster: Cluster) -> dict[str, str]:
    """Pods' addresses by name, for those that have one."""
    found = {}
    for each in cluster.pods():
        network = PodNetwork.claimed((each["metadata"].get("annotations") or {}).get(POD_NETWORK_ANNOTATION))
        if network and each["status"]["phase"] not in ("Failed", "Succeeded"):
            found[each["metadata"]["name"]] = network.addresses[0]
    return found


def place(cluster: Cluster, *pods: Raw) -> None:
    for each in pods:
        cluster.api.create(PODS, each)
    cluster.run()


def reason(cluster: Cluster, name: str) -> str:
    conditions = cluster.api.objects[PODS, Key("default", name)]["status"].get("conditions") or ()
    return next((each["message"] for each in conditions if each.get("reason") == "Unschedulable"), "")


def test_node_and_address_come_in_one_write() -> None:
    cluster = Cluster(1)
    place(cluster, pod("a"))
    versions = [raw for resource, raw, _ in cluster.api.log if resource == PODS]
    bound = next(raw for raw in versions if raw["spec"].get("nodeName"))
    annotation = json.loads(bound["metadata"]["annotations"][POD_NETWORK_ANNOTATION])
    assert annotation == {"addresses": ["10.244.1.2"], "mac": "0a:58:0a:f4:01:02", "port": 18}


def test_the_mark_is_written_before_the_pods_that_need_it() -> None:
    cluster = Cluster(1)
    place(cluster, *(pod(f"p{number}") for number in range(20)))
    marked = 0
    for resource, raw, _ in cluster.api.log:
        if resource == NODES:
            marked = int(
                (raw["metadata"].get("annotations") or {}).get(LAST_ADDRESS_ANNOTATION, ".0").rpartition(".")[2]
            )
        network = PodNetwork.claimed((raw["metadata"].get("annotations") or {}).get(POD_NETWORK_ANNOTATION))
        assert network is None or int(network.addresses[0].rpartition(".")[2]) <= marked


def test_pods_on_the_nodes_network_get_a_node_and_no_address() -> None:
    cluster = Cluster(1)
    forged = {POD_NETWORK_ANNOTATION: '{"addresses": ["10.244.1.9"], "mac": "", "port": 1}'}
    place(cluster, pod("host", annotations=forged, hostNetwork=True))
    assert cluster.pods()[0]["spec"]["nodeName"] == "n1"
    assert addresses(cluster) == {}


def test_a_node_name_in_the_manifest_is_kept_and_gets_its_address() -> None:
    cluster = Cluster(2)
    place(cluster, pod("a", nodeName="n2"), pod("host", nodeName="n2", hostNetwork=True))
    assert addresses(cluster) == {"a": "10.244.2.2"}


def test_a_node_name_of_no_node_waits_for_it() -> None:
    cluster = Cluster(1)
    place(cluster, pod("a", nodeName="n2"))
    assert addresses(cluster) == {}
    cluster.api.create(NODES, node(2))
    cluster.run()
    assert addresses(cluster) == {"a": "10.244.2.2"}


def test_a_pod_that_fits_nowhere_says_so_once_and_is_tried_when_nodes_change() -> None:
    cluster = Cluster(2)
    place(cluster, pod("a", nodeSelector={"disk": "ssd"}))
    assert reason(cluster, "a") == "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    written = len(cluster.writes)
    place(cluster, pod("b"))
    assert all(getattr(each, "key", None) != Key("default", "a") for each in cluster.writes[written:])
    cluster.api.patch(NODES, Key("", "n2"), {"metadata": {"labels": {"disk": "ssd"}}})
    cluster.run()
    assert cluster.pods()[0]["spec"]["nodeName"] == "n2"


def test_a_pod_that_gets_tolerations_is_tried_again() -> None:
    cluster = Cluster(0)
    cluster.api.create(NODES, node(1, taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]))
    place(cluster, pod("a"))
    assert "untolerated taint {k: v}" in reason(cluster, "a")
    raw = cluster.api.objects[PODS, Key("default", "a")]
    cluster.api.update(PODS, {**raw, "spec": {**raw["spec"], "tolerations": [{"operator": "Exists"}]}})
    cluster.run()
    assert addresses(cluster) == {"a": "10.244.1.2"}


def test_a_used_up_pod_cidr_sends_pods_elsewhere_and_then_says_so() -> None:
    cluster = Cluster(0)
    for number, cidr in ((1, "10.244.1.0/30"), (2, "10.244.2.0/29")):
        cluster.api.create(NODES, node(number, podCIDR=cidr))
    place(cluster, *(pod(f"p{number}") for number in range(7)))
    given = addresses(cluster)
    assert sorted(given.values()) == ["10.244.1.2", *(f"10.244.2.{last}" for last in range(2, 7))]
    (left,) = {f"p{number}" for number in range(7)} - set(given)
    assert reason(cluster, left) == (
        "0/2 nodes are available: 1 node(s) had no free address in podCIDR 10.244.1.0/30, "
        "1 node(s) had no free address in podCIDR 10.244.2.0/29."
    )
    gone = next(name for name in given if name != left)
    cluster.api.delete(PODS, Key("default", gone))
    cluster.run()
    assert addresses(cluster)[left] == given[gone]


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_finished_pod_gives_its_address_back(phase: str) -> None:
    cluster = Cluster(0)
    cluster.api.create(NODES, node(1, podCIDR="10.244.1.0/30"))
    place(cluster, pod("a"), pod("b"))
    assert list(addresses(cluster)) == ["a"]
    cluster.start(cluster.pods()[0], phase=phase, ready=False)
    cluster.run()
    assert addresses(cluster) == {"b": "10.244.1.2"}


@pytest.mark.parametrize(
    "text", ["{", "7", '{"addresses": ["x"], "mac": 4, "port": "y"}', '{"addresses": [], "mac": "", "port": 17}']
)
@pytest.mark.parametrize("node_name", ["", "n1"])
def test_an_annotation_that_makes_no_sense_is_written_anew(text: str, node_name: str) -> None:
    cluster = Cluster(1)
    place(cluster, pod("a", annotations={POD_NETWORK_ANNOTATION: text}, nodeName=node_name))
    assert addresses(cluster) == {"a": "10.244.1.2"}


def test_nobody_gets_anothers_address_by_writing_it_down() -> None:
    cluster = Cluster(1)
    place(cluster, pod("owner"))
    stolen = cluster.pods()[0]["metadata"]["annotations"]
    place(cluster, pod("a-thief", annotations=stolen, nodeName="n1"), pod("victim"))
    expected = {"owner": "10.244.1.2", "a-thief": "10.244.1.4", "victim": "10.244.1.3"}
    assert addresses(cluster) == expected
    for name in ("victim", "a-thief"):
        cluster.api.patch(PODS, Key("default", name), {"metadata": {"annotations": stolen}})
        cluster.run()
    assert addresses(cluster) == expected
    cluster.restart()
    cluster.run()
    assert addresses(cluster) == expected


def test_a_thief_that_comes_while_the_controllers_are_away_gets_nothing() -> None:
    cluster = Cluster(1)
    place(cluster, pod("owner"))
    stolen = cluster.pods()[0]["metadata"]["annotations"]
    cluster.api.create(PODS, pod("a-thief", annotations=stolen, nodeName="n1"))
    cluster.api.objects = dict(
        sorted(cluster.api.objects.items(), key=lambda each: each[0][1])
    )  # the thief is listed first
    cluster.restart()
    cluster.run()
    assert addresses(cluster) == {"owner": "10.244.1.2", "a-thief": "10.244.1.10"}  # the first behind the mark


def test_the_ring_goes_on_after_a_restart() -> None:
    cluster = Cluster(1)
    place(cluster, *(pod(f"p{number}") for number in range(30)))
    for each in cluster.pods():
        cluster.api.delete(PODS, Key.of(each))
    cluster.run()
    cluster.restart()
    place(cluster, pod("late"))
    assert 32 <= int(addresses(cluster)["late"].rpartition(".")[2]) <= 32 + 253 // 32


def test_an_unready_node_and_a_cordoned_one_get_no_pods() -> None:
    cluster = Cluster(3)
    raw = cluster.api.objects[NODES, Key("", "n1")]
    cluster.api.update_status(NODES, {**raw, "status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    cluster.api.patch(NODES, Key("", "n2"), {"spec": {"unschedulable": True}})
    cluster.run()
    place(cluster, pod("a"), pod("b"))
    assert {each["spec"]["nodeName"] for each in cluster.pods()} == {"n3"}


def test_pods_of_one_owner_are_spread() -> None:
    cluster = Cluster(5)
    place(cluster, *(pod(f"p{number}", nodeName="n1") for number in range(4)))
    cluster.apply(REPLICA_SETS, workload(REPLICA_SETS, replicas=10))
    cluster.run()
    nodes = [each["spec"]["nodeName"] for each in cluster.pods(app="web")]
    assert {name: nodes.count(name) for name in nodes} == dict.fromkeys(("n1", "n2", "n3", "n4", "n5"), 2)


STEP = st.one_of(st.just("create"), st.integers(0, 99), st.just("restart"), st.just("finish"))


@settings(max_examples=40, deadline=None)
@given(st.lists(STEP, max_size=40))
def test_no_address_twice_whatever_happens(life: list[object]) -> None:
    api = FakeApi()
    cluster = Cluster(0, api)
    api.create(NODES, node(1, podCIDR="10.244.1.0/29"))
    api.create(NODES, node(2, podCIDR="10.244.2.0/28"))
    for number, step in enumerate(life):
        pods = cluster.pods()
        if step == "create":
            api.create(PODS, pod(f"p{number}"))
        elif step == "restart":
            cluster.restart()
        elif step == "finish" and pods:
            cluster.start(pods[0], phase="Succeeded", ready=False)
        elif isinstance(step, int) and pods:
            api.delete(PODS, Key.of(pods[step % len(pods)]))
        cluster.run()
        given_out = list(addresses(cluster).values())
        assert len(given_out) == len(set(given_out))
        waiting = [each for each in cluster.pods() if each["status"]["phase"] == "Pending"]
        assert not waiting or len(given_out) == 5 + 13


def test_pods_of_one_host_port_get_a_node_each_and_the_next_waits_for_one() -> None:
    cluster = Cluster(2)
    containers = [{"name": "main", "ports": [{"containerPort": 80, "hostPort": 8080}]}]
    place(cluster, *(pod(name, containers=containers) for name in "abc"))
    placed = {each["metadata"]["name"]: each["spec"].get("nodeName") for each in cluster.pods()}
    assert {placed["a"], placed["b"]} == {"n1", "n2"} and placed["c"] is None
    refused = "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports."
    assert reason(cluster, "c") == refused
    cluster.api.delete(PODS, Key("default", "a"))
    cluster.run()
    assert cluster.api.objects[PODS, Key("default", "c")]["spec"]["nodeName"] == placed["a"]
