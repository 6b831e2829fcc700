"""A node's own ports: which of them its own traffic reaches by the bridge, and what a health check says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8sshim.objects import Key
from topo.agent.healthchecks import response
from topo.agent.hostports import own_ports
from topo.agent.podspec import PodSpec, parse
from topo.ports import OwnPorts

pytestmark = pytest.mark.unit

NODE = "172.30.0.2"
ALWAYS = {OwnPorts(NODE, protocol, 30000, 32767) for protocol in ("TCP", "UDP", "SCTP")}


def pod(*ports: dict[str, Any], host_network: bool = False) -> PodSpec:
    spec = {"hostNetwork": host_network, "containers": [{"name": "c", "ports": list(ports)}]}
    return parse({"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec})


@pytest.mark.parametrize(
    ("one", "more"),
    [
        (pod({"containerPort": 80}), set()),
        (pod({"containerPort": 80, "hostPort": 8080}), {OwnPorts(NODE, "TCP", 8080, 8080)}),
        (
            pod({"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "0.0.0.0"}),
            {OwnPorts(NODE, "UDP", 53, 53)},
        ),
        (
            pod({"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1"}),
            {OwnPorts("127.0.0.1", "TCP", 8080, 8080)},
        ),
        (pod({"containerPort": 9100, "hostPort": 9100}, host_network=True), set()),
        (pod({"containerPort": 31000}, host_network=True), {OwnPorts(NODE, "TCP", 31000, 31000, kept=True)}),
    ],
)
def test_the_way_to_a_pods_ports_on_its_node(one: PodSpec, more: set[OwnPorts]) -> None:
    assert own_ports([NODE], (30000, 32767), [], [one]) == ALWAYS | more


def test_health_checks_are_the_nodes_own() -> None:
    assert own_ports([NODE], (30000, 32767), [30500], []) == ALWAYS | {OwnPorts(NODE, "TCP", 30500, 30500, kept=True)}


@pytest.mark.parametrize(("local", "line"), [(2, b"HTTP/1.1 200 OK"), (0, b"HTTP/1.1 503 Service Unavailable")])
def test_what_a_health_check_says(local: int, line: bytes) -> None:
    head, _, body = response(Key("shop", "web"), local).partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    assert first == line
    assert f"X-Load-Balancing-Endpoint-Weight: {local}".encode() in headers
    assert f"Content-Length: {len(body)}".encode() in headers
    told = {"service": {"namespace": "shop", "name": "web"}, "localEndpoints": local, "serviceProxyHealthy": True}
    assert json.loads(body) == told
