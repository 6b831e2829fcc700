"""`podwire trace` and `podwire services` against what real packets do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from laboratory import Laboratory
from networks import NETWORKS, PORT, Network, NetworkLab, bring_up, service

from lab.waiting import wait_until

pytestmark = pytest.mark.e2e
SOURCE_PORTS = range(61001, 61009)  # above those that the kernel gives to connections without a port of their own


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda network: network.name)
def net(request: pytest.FixtureRequest, laboratory: Laboratory, tmp_path_factory: pytest.TempPathFactory) -> NetworkLab:
    network: Network = request.param
    return bring_up(laboratory, network, tmp_path_factory.mktemp("cluster"))


def trace(net: NetworkLab, *arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = net.lab.podwire.json("trace", net.lab.name, *arguments)
    return told


def test_a_trace_names_the_endpoint_that_the_connection_itself_gets(net: NetworkLab) -> None:
    address = net.cluster_ips["all"]
    for port in SOURCE_PORTS:
        told = trace(net, "a", "svc/all:80", "--source-port", str(port))
        answer = net.run("a", "curl", "-sS", "--retry", "5", "--local-port", str(port), f"http://{address}/")
        assert answer.returncode == 0, answer.stderr
        assert told["service"]["endpoint"].startswith(f"{net_address(net, answer.stdout)}:{PORT}")
        assert told["outcome"] == "delivered"


def net_address(net: NetworkLab, answer: str) -> str:
    """The address of the pod that answered."""
    name = json.loads(answer)["pod"].rpartition("/")[2]
    return net.pod_ips[name]


def test_a_trace_tells_group_translation_and_every_switch(net: NetworkLab) -> None:
    told = trace(net, "c", "svc/only-a:80")
    assert told["service"]["service"] == "default/only-a"
    assert told["decided_by"] == "Service default/only-a"
    (translation,) = told["translations"]
    assert translation["before"] == f"{net.cluster_ips['only-a']}:80"
    assert translation["after"] == f"{net.pod_ips['a']}:{PORT}"
    assert (told["switches"][0], told["switches"][-1]) == ("b3", "b1")
    assert len(told["switches"]) == 64 - net.network.ttl_across_nodes
    stages = [step["stage"] for step in told["steps"] if step["subject"] == "Service default/only-a"]
    assert {"ServiceLoadBalancing", "EndpointDnat"} <= set(stages)
    assert told["verdict"] == "delivered to pod default/a"


def test_in_words_a_trace_says_who_sends_what_to_whom_and_what_became_of_it(net: NetworkLab) -> None:
    said = net.lab.podwire.said("trace", net.lab.name, "c", "svc/only-a:80")
    assert said.startswith(f"pod default/c ({net.pod_ips['c']}:40000) to service default/only-a (")
    assert f"translated to {net.pod_ips['a']}:{PORT} (pod default/a on node1)" in said
    assert said.rstrip().endswith("delivered to pod default/a")


@pytest.mark.parametrize(
    ("target", "outcome", "verdict"),
    [
        ("svc/nobody:80", "refused", "answers with a TCP reset"),
        ("svc/all:9999", "refused", "answers with a TCP reset"),
        ("198.18.0.1", "rejected", "the controller answers pod default/a with an ICMP error (unreachable)"),
        ("b", "delivered", "delivered to pod default/b"),
        ("node3", "delivered", "delivered to node node3"),
        ("h:8080", "delivered", "delivered to node node2"),
        ("svc/kube-system/kube-dns:dns", "delivered", "delivered to pod kube-system/kube-dns-"),
    ],
)
def test_what_becomes_of_other_packets(net: NetworkLab, target: str, outcome: str, verdict: str) -> None:
    told = trace(net, "a", target)
    assert told["outcome"] == outcome
    assert verdict in told["verdict"]


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("a", "svc/nobody:80", "Service default/nobody: no endpoint: refused"),
        ("a", "svc/all:9999", "Service default/all declares no such port: refused"),
        ("HOST", "node3", "Guard                 sends from its own addresses, to its own bridge"),
        ("HOST", "10.96.0.1:443", "the controller answers HOST with an ICMP error (administratively prohibited)"),
        ("HOST", "node3:9999", "ConntrackState        sent to the node's own address"),
    ],
)
def test_a_stage_says_what_it_did(net: NetworkLab, source: str, target: str, words: str) -> None:
    assert words in net.lab.podwire.said("trace", net.lab.name, source, target)


def test_a_trace_leaves_a_turn_to_the_controller_and_knows_a_client_that_the_bridge_knows(net: NetworkLab) -> None:
    turns, stays = (service(name, {"group": "network"}, web=PORT) for name in ("turns", "stays"))
    turns["metadata"]["annotations"] = {"podwire.dev/load-balancing": "round-robin"}
    stays["spec"]["sessionAffinity"] = "ClientIP"
    net.lab.apply(turns, stays)
    assert wait_until(lambda: net.run("a", "curl", "-sf", "http://turns/").returncode == 0, 10)
    told = trace(net, "a", "svc/turns:80")
    assert (told["outcome"], len(told["service"]["candidates"])) == ("held", 4)
    assert wait_until(lambda: net.run("a", "curl", "-sf", "http://stays/").returncode == 0, 10)
    address = net_address(net, net.run("a", "curl", "-sS", "http://stays/").stdout)
    said = net.lab.podwire.said("trace", net.lab.name, "a", "svc/stays:80")
    assert f"this client stays with endpoint {address}:{PORT}" in said


def test_a_trace_to_nowhere_is_bad_input(net: NetworkLab) -> None:
    done = net.lab.podwire("trace", net.lab.name, "a", "svc/absent:80")
    assert done.returncode == 2
    assert 'no service "absent"' in done.stderr


def test_services_count_connections_and_bytes_of_each_endpoint(net: NetworkLab) -> None:
    """From ports that no connection had before: one that the server remembers is asked for twice, and counts twice."""
    before = port_of(net, "only-a")
    for port in range(21001, 21006):
        url = f"http://{net.cluster_ips['only-a']}/"
        assert net.run("c", "curl", "-sS", "--max-time", "5", "--local-port", str(port), url).returncode == 0
    asked = before["connections"] + 5
    assert wait_until(lambda: port_of(net, "only-a")["connections"] >= asked, 10)  # Open vSwitch counts with a delay
    after = port_of(net, "only-a")
    assert after["connections"] == asked
    assert after["bytes_in"] > before["bytes_in"] + 5 * 100  # a request, and what TCP adds
    assert after["bytes_out"] > before["bytes_out"] + 5 * 200
    (endpoint,) = after["endpoints"]
    assert (endpoint["address"], endpoint["state"], endpoint["node"]) == (net.pod_ips["a"], "ready", "node1")
    assert endpoint["connections"] == after["connections"]


def port_of(net: NetworkLab, service: str) -> dict[str, Any]:
    found = net.lab.podwire.json("services", net.lab.name, "-n", "default")
    (one,) = [each for each in found if each["name"] == service]
    (port,) = [each for each in one["ports"] if each["port"] == 80 and each["protocol"] == "TCP"]
    return port


def test_services_are_listed_for_people_too(net: NetworkLab) -> None:
    said = net.lab.podwire.said("services", net.lab.name)
    assert "default/nobody" in said and "no endpoint" in said
    assert "pod default/a on node1" in said
