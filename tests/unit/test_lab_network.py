"""Whom of a lab's network to ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from k8sshim.cluster import Cluster, Host
from k8sshim.objects import Key, Node, Pod
from lab.network import gateways

pytestmark = pytest.mark.unit

CLUSTER = Cluster("c", ("10.244.0.0/16",), ("10.96.0.0/16",), ("172.30.0.0/24", "fd30::/64"), 1500, (), ())


def node(name: str, *pod_cidrs: str) -> Node:
    return Node(name, (), (), False, True, (), pod_cidrs)


def pod(
    name: str, *, ip: str = "10.244.1.2", phase: str = "Running", host: bool = False, terminating: bool = False
) -> Pod:
    return Pod(Key("default", name), f"uid-{name}", (), "a", None, host, phase, ip, True, terminating, ())


def test_nodes_ask_the_nodes_gateway_and_pods_that_of_their_node() -> None:
    asked = gateways(CLUSTER, [node("a", "10.244.1.0/24"), node("b")], [pod("web")])
    assert asked == {
        "node a": ("node-a", "172.30.0.1"),
        "node b": ("node-b", "172.30.0.1"),
        "pod default/web": ("pod-uid-web", "10.244.1.1"),
    }


def test_hosts_ask_the_border() -> None:
    host = Host("outside", "border", 1, "0a:58:cb:00:71:02", ("203.0.113.2",), "203.0.113.0/24", "203.0.113.1")
    assert gateways(replace(CLUSTER, hosts=(host,)), [], []) == {"host outside": ("outside", "203.0.113.1")}


def test_pods_without_a_network_of_their_own_are_not_asked() -> None:
    without = [
        pod("new", ip=""),
        pod("host", host=True),
        pod("done", phase="Succeeded"),
        pod("going", terminating=True),
    ]
    assert list(gateways(CLUSTER, [node("a", "10.244.1.0/24")], without)) == ["node a"]
