"""Which pairs a matrix tries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.reach.pairs import Inventory, Pair, Wanted, Way, pairs
from experiments.reach.probe import TCP, UDP, Probe
from k8sshim.objects import ContainerPort, Endpoint, EndpointPort, EndpointSlice, Key, Node, Pod, Service, ServicePort

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
    found = pairs(Inventory(pods), replace(wanted, kernel=(TCP, UDP)))
    return [(pair.source.name, pair.target, pair.port, pair.protocol) for pair in found]


def to_services(pods: list[Pod], services: list[Service], wanted: Wanted, *slices: EndpointSlice) -> list[Pair]:
    return list(pairs(Inventory(pods, (), services, slices), replace(wanted, services=True)))


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


def test_podwires_own_pods_and_services_are_tried_where_their_namespace_is_named() -> None:
    pods = [pod("a", HTTP), pod("b", HTTP), *(pod(name, HTTP, namespace="kube-system") for name in ("dns-1", "dns-2"))]
    services = [replace(service("kube-dns", "10.96.0.10"), key=Key("kube-system", "kube-dns"))]
    assert {row[:2] for row in tried(pods, Wanted())} == {("default/a", "default/b"), ("default/b", "default/a")}
    assert {row[0] for row in tried(pods, Wanted(namespaces=("kube-system",)))} == {
        f"kube-system/dns-{n}" for n in (1, 2)
    }
    assert not to_services(pods, services, Wanted())
    assert len(to_services(pods, services, Wanted(namespaces=("kube-system",)))) == 4


def test_pods_without_a_network_are_left_out() -> None:
    assert tried([pod("a", HTTP), pod("done", HTTP, phase="Succeeded"), pod("new", HTTP, ip="")], Wanted()) == []


def test_a_pod_on_the_hosts_network_is_tried_from_its_nodes_namespace() -> None:
    there = Inventory([pod("host"), pod("a", HTTP, ip="10.0.0.7")])
    probes = {pair.source.name: pair.probe for pair in pairs(there, Wanted())}
    assert probes == {"default/host": Probe("node-node1", "10.0.0.7", 80, "TCP")}


def test_services_are_tried_from_every_pod_those_behind_them_too_and_headless_ones_not() -> None:
    found = to_services([pod("a", HTTP)], [service("web", "10.96.0.9"), service("headless")], Wanted())
    assert [(pair.target, pair.probe.address, pair.port, pair.protocol) for pair in found] == [
        ("default/web", "10.96.0.9", 80, "TCP"),
        ("default/web", "10.96.0.9", 53, "UDP"),
    ]


def slices(*endpoints: Endpoint) -> EndpointSlice:
    ports = (EndpointPort("", "TCP", 8080), EndpointPort("u", "UDP", 5353))
    return EndpointSlice(Key("default", "web-1"), Key("default", "web"), "IPv4", endpoints, ports)


def endpoint(name: str, *, ready: bool = True, node: str = "node1") -> Endpoint:
    return Endpoint(("10.0.0.9",), ready, True, not ready, node, Key("default", name) if name else None)


def test_who_may_get_what_is_sent_to_a_service() -> None:
    web, pods = service("web", "10.96.0.9"), [pod("a")]
    there = slices(endpoint("b"), endpoint("c", node="node2"), endpoint("going", ready=False))
    first, second = to_services(pods, [web], Wanted(), there)
    assert first.ways == (Way(Key("default", "b"), 8080), Way(Key("default", "c"), 8080))
    assert [way.port for way in second.ways] == [5353, 5353]
    local = to_services(pods, [replace(web, internal_local=True)], Wanted(), there)[0]
    assert [way.pod.name for way in local.ways] == ["b"]
    ending, _ = to_services(pods, [web], Wanted(), slices(endpoint("going", ready=False)))
    assert [way.pod.name for way in ending.ways] == ["going"]
    assert not to_services(pods, [web], Wanted(), slices(endpoint("b"), endpoint("")))[0].known
    undeclared = to_services(pods, [web], Wanted(ports=(9,)), there)[0]
    assert (undeclared.ways, undeclared.known) == ((), True)


def test_nodes_try_where_they_are_asked_to() -> None:
    node = Node("node1", (), (), False, True, ("172.30.0.1",), ())
    there = Inventory([pod("a", HTTP)], [node])
    (found,) = pairs(there, Wanted(sources=("node",)))
    assert (found.source.name, found.target, found.probe.netns) == ("node1", "default/a", "node-node1")


def test_sctp_is_tried_where_the_kernel_has_it() -> None:
    there = Inventory([pod("a"), pod("b", SCTP)])
    assert [pair.protocol for pair in pairs(there, Wanted())] == ["SCTP"]
    assert not list(pairs(there, Wanted(kernel=(TCP, UDP))))
