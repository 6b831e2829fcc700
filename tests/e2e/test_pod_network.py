"""The four rules of the Kubernetes pod network, and what routing owes a sender, by real packets and captures.

Source of the rules: https://kubernetes.io/docs/concepts/services-networking/#the-kubernetes-network-model
"""

from __future__ import annotations

import json
import re

import pytest
from laboratory import Laboratory
from networks import NETWORKS, PORT, Network, NetworkLab, bring_up, service, source_addresses

pytestmark = pytest.mark.e2e

UDP_PROBE = """
import socket, sys
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
probe.settimeout(3)
probe.connect((sys.argv[1], int(sys.argv[2])))
try:
    probe.send(b"anybody?")
    print("answer", probe.recv(100).decode().strip())
except ConnectionRefusedError:
    print("refused")
except TimeoutError:
    print("silence")
"""

TWO_WAYS = """
import socket, sys
def ask(host, port, source_port):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind(("", source_port))
    client.settimeout(10)
    client.connect((host, int(port)))
    client.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    assert b"200 OK" in b"".join(iter(lambda: client.recv(4096), b""))
for source_port in range(22001, 22025):
    for way in sys.argv[1:]:
        ask(*way.split(":"), source_port)
print("all")
"""


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda network: network.name)
def net(request: pytest.FixtureRequest, laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> NetworkLab:
    network: Network = request.param
    return bring_up(laboratory, network, tmp_path_factory.mktemp("cluster"))


def client_of(answer: str) -> str:
    address: str = json.loads(answer)["client"]["address"]
    return address


def test_containers_of_a_pod_share_localhost(net: NetworkLab) -> None:
    """The container beside the stand-in is ready only where it reaches it by localhost, in bubblewrap."""
    for pod in net.lab.pods("group=network"):
        statuses = {status["name"]: status["ready"] for status in pod["status"]["containerStatuses"]}
        assert statuses == {"main": True, "beside": True}, pod["metadata"]["name"]


@pytest.mark.parametrize(("source", "target"), [("a", "b"), ("a", "c"), ("c", "a"), ("a", "h"), ("h", "c")])
def test_pods_reach_pods_without_translation(net: NetworkLab, source: str, target: str) -> None:
    expression = f"tcp dst port {PORT} and tcp[tcpflags] & tcp-syn != 0"
    with net.capture(target, expression) as seen:
        answer = net.fetch(source, net.pod_ips[target])
    assert client_of(answer.stdout) == net.pod_ips[source]
    assert source_addresses(seen) == {net.pod_ips[source]}
    assert f"> {net.pod_ips[target]}.{PORT}:" in seen[0]


@pytest.mark.parametrize("node", ["node1", "node2", "node3"])
def test_every_node_reaches_every_pod_without_translation(net: NetworkLab, node: str) -> None:
    for pod in ("a", "b", "c"):
        with net.capture(pod, f"tcp dst port {PORT}") as seen:
            answer = net.fetch(node, net.pod_ips[pod])
        assert client_of(answer.stdout) == net.node_ips[node]
        assert source_addresses(seen) == {net.node_ips[node]}


def test_pods_reach_every_node_without_translation(net: NetworkLab) -> None:
    for node, address in net.node_ips.items():
        with net.capture(node, "icmp[icmptype] = icmp-echo") as seen:
            assert "2 received" in net.ping("a", address)
        assert source_addresses(seen) == {net.pod_ips["a"]}


def test_nodes_reach_nodes(net: NetworkLab) -> None:
    for node in net.node_ips:
        for address in net.node_ips.values():
            assert "2 received" in net.ping(node, address)


def test_the_address_a_pod_sees_is_the_one_that_others_see(net: NetworkLab) -> None:
    for pod in ("a", "b", "c"):
        own = json.loads(net.run(pod, "ip", "-j", "addr", "show", "eth0").stdout)[0]["addr_info"]
        inet = [entry["local"] for entry in own if entry["family"] == "inet"]
        assert inet == [net.pod_ips[pod]]
        assert client_of(net.fetch(pod, net.pod_ips["h"]).stdout) == inet[0]


def test_ttl_falls_by_one_a_routed_hop(net: NetworkLab) -> None:
    for target, left in (("b", 63), ("c", net.network.ttl_across_nodes)):
        ttls = set(re.findall(r"ttl=(\d+)", net.ping("a", net.pod_ips[target])))
        assert ttls == {str(left)}


def test_a_hop_at_which_ttl_ends_says_so(net: NetworkLab) -> None:
    assert "Time to live exceeded" in net.ping("a", net.pod_ips["c"], "-t", "1")


def test_arp_is_answered_by_the_bridge_and_heard_by_nobody_else(net: NetworkLab) -> None:
    net.run("a", "ip", "neigh", "flush", "dev", "eth0")
    with net.capture("b", "arp and not arp host " + net.pod_ips["b"]) as elsewhere, net.capture("a", "arp") as own:
        assert "2 received" in net.ping("a", net.pod_ips["b"])
    assert any("Reply" in line for line in own)
    assert elsewhere == []


def test_a_spoofed_address_is_dropped(net: NetworkLab) -> None:
    net.run("a", "ip", "addr", "add", "10.244.200.9/32", "dev", "eth0")
    try:
        with net.capture("c", "icmp") as seen:
            assert "0 received" in net.ping("a", net.pod_ips["c"], "-I", "10.244.200.9", "-W", "1")
            assert "2 received" in net.ping("a", net.pod_ips["c"])
        assert "10.244.200.9" not in source_addresses(seen)
        assert net.pod_ips["a"] in source_addresses(seen)
    finally:
        net.run("a", "ip", "addr", "del", "10.244.200.9/32", "dev", "eth0")


def test_icmp_errors_come_back(net: NetworkLab) -> None:
    for source, target in (("a", "b"), ("a", "c"), ("node3", "a"), ("c", "h")):
        probe = net.run(source, "python3", "-c", UDP_PROBE, net.pod_ips[target], "9")
        assert probe.stdout == "refused\n", (source, target, probe.stderr)


def test_a_service_is_reached_from_pods_and_nodes(net: NetworkLab) -> None:
    for source in ("a", "b", "c", "h", "node1", "node2", "node3"):
        answer = json.loads(net.fetch(source, net.cluster_ips["only-a"], 80).stdout)
        assert answer["pod"] == "a", source
        assert answer["host"].startswith(net.cluster_ips["only-a"])
        probe = net.run(source, "python3", "-c", UDP_PROBE, net.cluster_ips["only-a"], "80")
        assert probe.stdout == "answer a\n", source


def test_the_endpoint_sees_the_clients_own_address(net: NetworkLab) -> None:
    for source in ("b", "c"):
        assert client_of(net.fetch(source, net.cluster_ips["only-a"], 80).stdout) == net.pod_ips[source]


def test_a_pod_reaches_itself_through_its_own_service(net: NetworkLab) -> None:
    assert json.loads(net.fetch("a", net.cluster_ips["only-a"], 80).stdout)["pod"] == "a"
    assert json.loads(net.fetch("h", net.cluster_ips["only-h"], 80).stdout)["pod"] == "h"
    assert json.loads(net.fetch("node2", net.cluster_ips["only-h"], 80).stdout)["pod"] == "h"


def test_every_endpoint_of_a_service_gets_a_share(net: NetworkLab) -> None:
    address = net.cluster_ips["all"]
    urls = [f"http://{address}:80/{number}" for number in range(80)]
    answers = net.run("c", "curl", "-sS", "--max-time", "5", "-H", "Connection: close", *urls).stdout
    assert set(re.findall(r'"pod": "(\w+)"', answers)) == {"a", "b", "c", "h"}


def test_a_service_without_endpoints_refuses_at_once(net: NetworkLab) -> None:
    for source in ("a", "c", "h", "node2"):
        assert "Could" in (refused := net.fetch(source, net.cluster_ips["nobody"], 80)).stderr
        assert refused.returncode == 7, (source, refused.stderr)  # refused; a timeout would be 28
        probe = net.run(source, "python3", "-c", UDP_PROBE, net.cluster_ips["nobody"], "80")
        assert probe.stdout == "refused\n", source


def test_errors_of_a_services_endpoint_come_back_to_its_client(net: NetworkLab) -> None:
    for source in ("b", "c", "node2"):
        assert net.fetch(source, net.cluster_ips["only-a"], 81).returncode == 7, source
        probe = net.run(source, "python3", "-c", UDP_PROBE, net.cluster_ips["only-a"], "81")
        assert probe.stdout == "refused\n", source


def test_a_port_that_the_server_has_not_forgotten_can_be_used_another_way(net: NetworkLab) -> None:
    """The server ends the connection, so it keeps it in TIME_WAIT; the client's own bridge never knew of it."""
    one = service("two-ways", {"app": "a"}, web=PORT)
    net.lab.apply({**one, "spec": {**one["spec"], "type": "NodePort"}})
    spec = json.loads(net.lab.kubectl("get", "service", "two-ways", "-o", "json"))["spec"]
    ways = (f"{net.node_ips['node1']}:{spec['ports'][0]['nodePort']}", f"{spec['clusterIP']}:80")
    assert net.run("c", "curl", "-sS", "--retry", "5", "--retry-connrefused", f"http://{ways[0]}").returncode == 0
    done = net.run("c", "python3", "-c", TWO_WAYS, *ways)
    net.lab.kubectl("delete", "service", "two-ways")
    assert done.stdout == "all\n", done.stderr
