"""Policies as flows, followed by the interpreter: who reaches whom, and what becomes of connections that are open."""

from __future__ import annotations

from dataclasses import replace

import pytest
from network_model import Network, host_of, network_of, node_host, pod

from k8sshim.objects import Pod
from k8sshim.policies import Namespace, network_policy

pytestmark = pytest.mark.unit


def labelled(name: str, on: int, number: int, **labels: str) -> Pod:
    return replace(pod(name, on, number), labels=tuple(sorted(labels.items())))


WEB, CLIENT, OTHER = labelled("web", 1, 2, app="web"), labelled("client", 2, 3, app="client"), labelled("other", 1, 4)


def policy(name: str = "p", **spec: object):
    return network_policy({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def reaches(network: Network, source: Pod, target: Pod, port: int = 80, protocol: str = "TCP") -> bool:
    """Whether a new connection's first packet arrives; where it does, its answer comes back."""
    arrivals = network.send(host_of(source), host_of(source).packet(host_of(target).address, protocol, port))
    got = [one for one in arrivals if (one.dpid, one.port) == (host_of(target).dpid, host_of(target).port)]
    for one in got:
        back = network.reply(one)
        assert (back.dpid, back.port) == (host_of(source).dpid, host_of(source).port)
    return bool(got)


def test_without_policies_everybody_reaches_everybody() -> None:
    network = network_of(2, WEB, CLIENT, OTHER, Namespace("default", ()))
    assert reaches(network, CLIENT, WEB) and reaches(network, OTHER, WEB)


def test_only_whom_a_rule_names_reaches_an_isolated_pod() -> None:
    rule = {"from": [{"podSelector": {"matchLabels": {"app": "client"}}}], "ports": [{"port": 80}]}
    network = network_of(2, WEB, CLIENT, OTHER, Namespace("default", ()))
    network.put(policy(podSelector={"matchLabels": {"app": "web"}}, ingress=[rule]))
    assert reaches(network, CLIENT, WEB)
    assert not reaches(network, CLIENT, WEB, 81)
    assert not reaches(network, OTHER, WEB)
    assert reaches(network, WEB, OTHER)


def test_a_node_reaches_its_own_pods_alone() -> None:
    network = network_of(2, WEB, CLIENT, Namespace("default", ()))
    network.put(policy(podSelector={}, ingress=[]))
    to = host_of(WEB).address
    assert network.one(node_host(1), node_host(1).packet(to)).port == host_of(WEB).port
    assert all(one.to_controller for one in network.send(node_host(2), node_host(2).packet(to)))
