"""A node's own ports: its own traffic to them leaves for the bridge, and health checks answer, with real packets."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_lab import RUN, AgentLab, wait_until

from k8sshim.client import ENDPOINT_SLICES, SERVICES
from k8sshim.objects import Key, PodNetwork, Raw
from topo import steering
from topo.netns import LinuxNamespaces, inside
from topo.ports import OwnPorts

pytestmark = pytest.mark.netns
NODE_PORT = 30123


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentLab]:
    one = AgentLab(tmp_path_factory.mktemp("lab"))
    try:
        one.start()
        wait_until(lambda: "dport 30000-32767" in rules())
        with inside("node-node1"):  # no controller answers for the gateway here
            subprocess.run(["ip", "neigh", "add", *neighbour(one)], check=True)
        yield one
    finally:
        one.stop()


def rules() -> str:
    with inside("node-node1"):
        return subprocess.run(["ip", "rule"], capture_output=True, text=True, check=True).stdout


def neighbour(lab: AgentLab) -> list[str]:
    return [str(lab.plan.node("node1").gateways[0]), "lladdr", "0a:77:00:00:00:01", "dev", "eth0"]


def web(lab: AgentLab, name: str, **port: object) -> tuple[Raw, PodNetwork]:
    ports = [{"containerPort": 80, **port}]
    lab.run_pod(name, {"containers": [{"name": "web", "image": "nginx", "ports": ports}]})
    pod = lab.ready(name)
    network = PodNetwork.claimed(pod["metadata"]["annotations"]["podwire.dev/pod-network"])
    assert network is not None
    return pod, network


def translate(lab: AgentLab, address: str, port: int, to: PodNetwork) -> None:
    """Has the bridge of node1 translate a port of the node to a pod, and back."""
    node, (pod,) = lab.plan.node("node1"), to.addresses
    there = f"priority=9,in_port=1,tcp,nw_dst={address},tp_dst={port},actions=mod_dl_dst:{to.mac},"
    there += f"mod_nw_dst:{pod},mod_tp_dst:80,output:{to.port}"
    back = f"priority=9,in_port={to.port},tcp,nw_src={pod},tp_src=80,nw_dst={node.addresses[0]},actions="
    back += f"mod_dl_dst:{node.mac},mod_nw_src:{address},mod_tp_src:{port},output:1"
    (management,) = RUN.glob("switchd/*/b1.mgmt")
    for flow in (there, back):
        subprocess.run(["ovs-ofctl", "add-flow", f"unix:{management}", flow], check=True)


def get(namespace: str, url: str) -> tuple[int, dict[str, object]]:
    try:
        with inside(namespace), urllib.request.urlopen(url, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_node_reaches_its_own_node_port_by_its_bridge(lab: AgentLab) -> None:
    _, network = web(lab, "behind")
    address = str(lab.plan.node("node1").addresses[0])
    translate(lab, address, NODE_PORT, network)
    status, answer = get("node-node1", f"http://{address}:{NODE_PORT}/")
    assert (status, answer["pod"]) == (200, "behind")
    assert answer["client"]["address"] == address  # type: ignore[index]


@pytest.mark.parametrize("host_ip", ["127.0.0.1", ""])
def test_a_node_reaches_host_ports_by_its_bridge_while_their_pod_is_there(lab: AgentLab, host_ip: str) -> None:
    name = f"asks-{'loopback' if host_ip else 'node'}"
    pod, network = web(lab, name, hostPort=8088, hostIP=host_ip)
    asked, address = host_ip or pod["status"]["hostIP"], pod["status"]["hostIP"]
    translate(lab, asked, 8088, network)
    assert f"to {asked} iif lo ipproto tcp dport 8088" in rules()
    status, answer = get("node-node1", f"http://{asked}:8088/")
    assert (status, answer["pod"], answer["client"]["address"]) == (200, name, address)  # type: ignore[index]
    with inside("node-node1"):
        bound = socket.create_connection((asked, 8088), 5, source_address=(address, 0))
    with bound:
        bound.sendall(b"x")
        assert bound.recv(100) == f"{name}\n".encode()
    lab.delete(name, 0)
    lab.gone(name)
    wait_until(lambda: "dport 8088" not in rules())


def test_other_ports_of_the_node_stay_its_own(lab: AgentLab) -> None:
    address = str(lab.plan.node("node1").addresses[0])
    with inside("node-node1"):
        server = socket.create_server((address, 9999))
        with server, socket.create_connection((address, 9999), 5):
            server.accept()[0].close()


def endpoints(*nodes_and_ready: tuple[str, bool]) -> Raw:
    metadata = {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}}
    listed = [
        {"addresses": [f"10.244.9.{number}"], "nodeName": node, "conditions": {"ready": ready}}
        for number, (node, ready) in enumerate(nodes_and_ready)
    ]
    kind = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"}
    return {**kind, "metadata": metadata, "endpoints": listed, "ports": [{"port": 80}]}


def test_every_node_says_how_many_ready_endpoints_it_has(lab: AgentLab) -> None:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30500}
    service = {"metadata": {"name": "web", "namespace": "default"}, "spec": {**spec, "ports": [{"port": 80}]}}
    lab.client.create(SERVICES, {"apiVersion": "v1", "kind": "Service", **service})
    lab.client.create(ENDPOINT_SLICES, endpoints(("node1", True), ("node1", True), ("node2", False)))

    def said(node: str) -> tuple[int, object]:
        address = lab.plan.node(node).addresses[0]
        try:
            status, answer = get(f"node-{node}", f"http://{address}:30500/healthz")
        except OSError:
            return 0, None
        assert answer["service"] == {"namespace": "default", "name": "web"}
        return status, answer["localEndpoints"]

    wait_until(lambda: (said("node1"), said("node2")) == ((200, 2), (503, 0)))
    lab.client.update(ENDPOINT_SLICES, endpoints(("node2", True)))
    wait_until(lambda: (said("node1"), said("node2")) == ((503, 0), (200, 1)))
    lab.client.patch(SERVICES, Key("default", "web"), {"spec": {"type": "ClusterIP", "externalTrafficPolicy": None}})
    wait_until(lambda: said("node1") == (0, None))
    wait_until(lambda: "dport 30500" not in rules())


def test_steering_twice_changes_nothing_and_takes_away_what_is_not_wanted(lab: AgentLab) -> None:
    name = "node-spare"
    LinuxNamespaces().create([name])
    one, other = OwnPorts("192.0.2.1", "TCP", 30000, 32767), OwnPorts("192.0.2.1", "UDP", 53, 53, kept=True)
    try:
        with inside(name):
            subprocess.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far"], check=True)
            subprocess.run(["ip", "addr", "add", "192.0.2.1/24", "dev", "eth0"], check=True)
            subprocess.run(["ip", "link", "set", "eth0", "up"], check=True)
            shown = []
            for wanted in ({one, other}, {one, other}, {other}, set()):
                steering.steer("eth0", {"192.0.2.1": "192.0.2.254"}, wanted)
                shown.append(subprocess.run(["ip", "rule"], capture_output=True, text=True, check=True).stdout)
            assert Path("/proc/sys/net/ipv4/conf/all/rp_filter").read_text() == "0\n"
    finally:
        LinuxNamespaces().delete([name])
    assert shown[0] == shown[1]
    assert "dport 30000-32767" in shown[0]
    assert ["dport" in rule for rule in shown[2].splitlines()].count(True) == 1
    assert shown[3].splitlines()[0].split() == ["100:", "from", "all", "lookup", "local"]
