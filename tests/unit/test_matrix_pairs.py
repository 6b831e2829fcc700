"""Which pairs a matrix tries."""

from __future__ import annotations

import pytest

from experiments.matrix import Cell, Wanted, pod_pairs, service_pairs
from experiments.probes import Probe
from k8sshim.objects import ContainerPort, Key, Pod, Service, ServicePort

pytestmark = pytest.mark.unit

HTTP, DNS, SCTP = ContainerPort("http", 80, "TCP"), ContainerPort("dns", 53, "UDP"), ContainerPort("s", 99, "SCTP")


def pod(
    name: str, *ports: ContainerPort, namespace: str = "default", phase: str = "Running", ip: str = "10.0.0.1"
) -> Pod:
    return Pod(
        key=Key(namespace, name),
        uid=f"uid-{name}",
        labels=(),
        node="node1",
        network=None,
        host_network=name.startswith("host"),
        phase=phase,
        ip=ip,
        ready=True,
        terminating=False,
        ports=ports,
    )


def service(name: str, *addresses: str) -> Service:
    ports = (ServicePort("", "TCP", 80, 80, 0), ServicePort("u", "UDP", 53, 53, 0))
    return Service(Key("default", name), "ClusterIP", addresses, ports, (), False)


def tried(pods: list[Pod], wanted: Wanted) -> list[tuple[str, str, int, str]]:
    return [(pair.source, pair.target, pair.port, pair.protocol) for pair in pod_pairs(pods, wanted)]


def test_every_pod_is_tried_from_every_other_at_its_declared_ports_and_none_from_itself() -> None:
    assert tried([pod("a", HTTP), pod("b", HTTP, DNS, SCTP), pod("c")], Wanted()) == [
        ("default/a", "default/b", 80, "TCP"),
        ("default/a", "default/b", 53, "UDP"),
        ("default/b", "default/a", 80, "TCP"),
        ("default/c", "default/a", 80, "TCP"),
        ("default/c", "default/b", 80, "TCP"),
        ("default/c", "default/b", 53, "UDP"),
    ]


def test_given_ports_take_the_place_of_declared_ones() -> None:
    pods = [pod("a"), pod("b", HTTP)]
    assert {row[2:] for row in tried(pods, Wanted(ports=(1, 2)))} == {(1, "TCP"), (2, "TCP")}
    assert {row[2:] for row in tried(pods, Wanted(ports=(1,), protocols=("UDP",)))} == {(1, "UDP")}


def test_given_protocols_choose_among_declared_ports() -> None:
    assert {row[2:] for row in tried([pod("a"), pod("b", HTTP, DNS)], Wanted(protocols=("UDP",)))} == {(53, "UDP")}


def test_namespaces_hold_for_both_ends() -> None:
    pods = [pod("a", HTTP), pod("b", HTTP, namespace="x"), pod("c", HTTP, namespace="x")]
    assert {row[:2] for row in tried(pods, Wanted(namespaces=("x",)))} == {("x/b", "x/c"), ("x/c", "x/b")}


def test_pods_without_a_network_are_left_out() -> None:
    assert tried([pod("a", HTTP), pod("done", HTTP, phase="Succeeded"), pod("new", HTTP, ip="")], Wanted()) == []


def test_a_pod_on_the_hosts_network_is_tried_from_its_nodes_namespace() -> None:
    probes = {pair.source: pair.probe for pair in pod_pairs([pod("host"), pod("a", HTTP, ip="10.0.0.7")], Wanted())}
    assert probes == {"default/host": Probe("node-node1", "10.0.0.7", 80, "TCP")}


def test_services_are_tried_from_every_pod_those_behind_them_too_and_headless_ones_not() -> None:
    pairs = list(service_pairs([pod("a", HTTP)], [service("web", "10.96.0.9"), service("headless")], Wanted()))
    assert [(pair.target, pair.probe.address, pair.port, pair.protocol) for pair in pairs] == [
        ("default/web", "10.96.0.9", 80, "TCP"),
        ("default/web", "10.96.0.9", 53, "UDP"),
    ]


def test_a_cell_as_the_contract_has_it() -> None:
    assert Cell("default/a", "x/b", 80, "TCP", True).raw() == {
        "from": "default/a",
        "to": "x/b",
        "port": 80,
        "protocol": "TCP",
        "allowed": True,
    }
