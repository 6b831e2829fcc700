"""What lies outside: the outside host and the control plane, by real packets, on every placement and fabric."""

from __future__ import annotations

import json
from typing import Any

import pytest
from laboratory import Laboratory
from networks import NETWORKS, Network, NetworkLab, bring_up, source_addresses

from k8sshim import credentials
from lab.waiting import wait_until

pytestmark = pytest.mark.e2e
HOST, BORDER, CONTROL_PLANE = "203.0.113.2", "203.0.113.1", "172.30.0.254"
SENT = f"http://{HOST}:9100/"
NODE_OF = {"a": "node1", "b": "node1", "c": "node3", "h": "node2"}

UDP_CLIENT = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.bind(("", int(sys.argv[2])))
client.settimeout(3)
client.connect((sys.argv[1], 80))
client.send(b"clientip")
print(client.recv(100).decode())
"""

SENDER = """
import socket, sys
client, _ = socket.create_server(("", 9100)).accept()
client.recv(4096)
size = int(sys.argv[1])
client.sendall(f"HTTP/1.0 200 OK\\r\\nContent-Length: {size}\\r\\n\\r\\n".encode() + b"x" * size)
"""


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda network: network.name)
def net(request: pytest.FixtureRequest, laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> NetworkLab:
    network: Network = request.param
    return bring_up(laboratory, network, tmp_path_factory.mktemp("cluster"))


def seen_by_tcp(net: NetworkLab, place: str, port: int) -> tuple[str, int]:
    """Whom the outside host's server sees where a client there sends from this port."""
    done = net.run(place, "curl", "-sS", "--max-time", "5", "--local-port", str(port), f"http://{HOST}/")
    assert done.returncode == 0, done.stderr
    client = json.loads(done.stdout)["client"]
    return client["address"], client["port"]


def seen_by_udp(net: NetworkLab, place: str, port: int) -> tuple[str, int]:
    done = net.run(place, "python3", "-c", UDP_CLIENT, HOST, str(port))
    assert done.returncode == 0, done.stderr
    address, _, seen = done.stdout.strip().rpartition(":")
    return address, int(seen)


@pytest.mark.parametrize("seen_by", [seen_by_tcp, seen_by_udp])
def test_pods_are_seen_as_their_node(net: NetworkLab, seen_by: Any) -> None:
    seen = {pod: seen_by(net, pod, 61001) for pod in ("a", "b", "c")}
    assert {pod: address for pod, (address, _) in seen.items()} == {pod: net.node_ips[NODE_OF[pod]] for pod in seen}
    assert seen["a"] != seen["b"]  # two pods of one node that send from the same port
    assert all(1024 <= port < 30000 for _, port in seen.values())
    assert seen_by(net, "node1", 61001) == (net.node_ips["node1"], 61001)
    assert seen_by(net, "h", 61002) == (net.node_ips["node2"], 61002)


def test_pings_go_out_and_come_back(net: NetworkLab) -> None:
    with net.capture("HOST", "icmp[icmptype] = icmp-echo") as seen:
        assert "2 received" in net.ping("a", HOST)
    assert source_addresses(seen) == {net.node_ips["node1"]}
    assert "2 received" in net.ping("a", BORDER)


def test_a_large_answer_comes_whole(net: NetworkLab) -> None:
    """Segments cross two translations on their way."""
    with net.lab.start("HOST", "timeout", "20", "python3", "-c", SENDER, "3000000"):
        wait_until(lambda: ":9100" in net.run("HOST", "ss", "-ltn").stdout, 10)
        done = net.run("c", "curl", "-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{size_download}", SENT)
    assert done.stdout == "3000000", done.stderr


def test_the_outside_host_reaches_nodes_as_itself(net: NetworkLab) -> None:
    for node, address in net.node_ips.items():
        with net.capture(node, "icmp[icmptype] = icmp-echo") as seen:
            assert "2 received" in net.ping("HOST", address)
        assert source_addresses(seen) == {HOST}
    assert "2 received" in net.ping("HOST", CONTROL_PLANE)


def test_the_outside_host_is_kept_from_pods_and_services(net: NetworkLab) -> None:
    for address in (net.pod_ips["a"], net.pod_ips["c"], net.cluster_ips["all"]):
        said = net.ping("HOST", address)
        assert f"From {BORDER}" in said
        assert "Packet filtered" in said
        assert net.run("HOST", "curl", "-sS", "--max-time", "5", f"http://{address}:8080/").returncode != 0


def test_what_nobody_has_is_unreachable(net: NetworkLab) -> None:
    for place in ("a", "node2", "HOST"):
        assert "Destination Host Unreachable" in net.ping(place, "203.0.113.77")
        assert "0 received" in net.ping(place, "198.51.100.250")


def external(name: str, address: str, policy: str) -> dict[str, Any]:
    """A Service of the pods a, b and c at an external address."""
    spec = {"type": "NodePort", "externalIPs": [address], "externalTrafficPolicy": policy}
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    kind = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
    return kind | {"spec": {**spec, "selector": {"group": "network"}, "ports": ports}}


@pytest.mark.parametrize("address", ["192.0.2.10", "203.0.113.200"])
@pytest.mark.parametrize("policy", ["Cluster", "Local"])
def test_external_addresses(net: NetworkLab, policy: str, address: str) -> None:
    name = f"{policy.lower()}-{address.replace('.', '-')}"
    net.lab.apply(external(name, address, policy))
    try:
        wait_until(lambda: net.fetch("HOST", address, 80).returncode == 0, 10)
        answers = [json.loads(net.fetch("HOST", address, 80).stdout) for _ in range(24)]
    finally:
        net.lab.kubectl("delete", "service", name)
    clients = {answer["client"]["address"] for answer in answers}
    assert clients == {HOST} if policy == "Local" else clients <= {*net.node_ips.values(), HOST}
    assert len({answer["pod"] for answer in answers}) > 1
    wait_until(lambda: "0 received" in net.ping("HOST", address), 10)


@pytest.mark.parametrize(
    ("name", "address", "port"),
    [
        (CONTROL_PLANE, CONTROL_PLANE, 6443),
        ("10.96.0.1", "10.96.0.1", 443),
        ("kubernetes.default.svc.cluster.local", "10.96.0.1", 443),
    ],
)
def test_the_api_serves_pods_and_nodes_by_each_of_its_names(
    net: NetworkLab, name: str, address: str, port: int
) -> None:
    authority = str(net.lab.folder / "pki" / credentials.CA_CERTIFICATE)
    url, token = f"https://{name}:{port}/readyz", (net.lab.folder / "pki" / credentials.TOKEN).read_text()
    argv = ["curl", "-sS", "--max-time", "5", "--cacert", authority, "--resolve", f"{name}:{port}:{address}"]
    for place in ("a", "c", "node2"):
        done = net.run(place, *argv, "-H", f"Authorization: Bearer {token}", url)
        assert done.stdout == "ok", done.stderr


def test_the_api_is_back_at_its_address_after_it_was_killed(net: NetworkLab) -> None:
    server = net.lab.process("k8sshim.server")
    assert server is not None
    server.kill()
    server.wait(10)
    ask = ["curl", "-sk", "--max-time", "5", f"https://{CONTROL_PLANE}:6443/readyz"]
    wait_until(lambda: "Unauthorized" in net.run("a", *ask).stdout, 30)


def test_hosts_are_in_no_list(net: NetworkLab) -> None:
    (listed,) = [one for one in net.lab.podwire.json("ls") if one["name"] == net.lab.name]
    assert listed["nodes"] == 3
    assert len(net.lab.kubectl("get", "nodes", "-o", "name").split()) == 3
