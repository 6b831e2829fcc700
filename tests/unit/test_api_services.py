"""What a Service gets: addresses of the service ranges, node ports, and the fields around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from api_world import World, service

from k8sshim.objects import Raw
from k8sshim.server.status import ApiError

pytestmark = pytest.mark.unit

LOCAL = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def created(world: World, name: str, *ports: int, **spec: Any) -> Raw:
    stored: Raw = world.create("Service", service(name, *ports, **spec))["spec"]
    return stored


def refused(world: World, name: str, *ports: int, **spec: Any) -> str:
    """The one message with which a Service is refused, without its name."""
    with pytest.raises(ApiError) as raised:
        created(world, name, *ports, **spec)
    assert (raised.value.code, raised.value.status["reason"]) == (422, "Invalid")
    assert not world.exists("Service", name)
    return str(raised.value).removeprefix(f'Service "{name}" is invalid: ')


def node_ports(spec: Raw) -> list[int]:
    return [port["nodePort"] for port in spec["ports"]]


def test_defaults_of_a_plain_service(world: World) -> None:
    assert created(world, "web", clusterIP="10.96.7.7") == {
        "type": "ClusterIP",
        "clusterIP": "10.96.7.7",
        "clusterIPs": ["10.96.7.7"],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
        "sessionAffinity": "None",
        "selector": {"app": "web"},
        "ports": [{"name": "p80", "port": 80, "protocol": "TCP", "targetPort": 80}],
    }


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ({"type": "NodePort"}, {"externalTrafficPolicy": "Cluster"}),
        ({"externalIPs": ["192.0.2.1"]}, {"externalTrafficPolicy": "Cluster"}),
        ({}, {"externalTrafficPolicy": None, "allocateLoadBalancerNodePorts": None, "healthCheckNodePort": None}),
        ({"type": "LoadBalancer"}, {"allocateLoadBalancerNodePorts": True, "healthCheckNodePort": None}),
        ({"sessionAffinity": "ClientIP"}, {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}}),
        ({"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}, {"sessionAffinityConfig": None}),
        ({"type": "ExternalName", "externalName": "example.com"}, {"internalTrafficPolicy": None, "clusterIP": None}),
        ({"publishNotReadyAddresses": True}, {"publishNotReadyAddresses": True}),
        ({"trafficDistribution": "PreferSameNode"}, {"trafficDistribution": "PreferSameNode"}),
    ],
)
def test_defaults(world: World, given: Raw, filled: Raw) -> None:
    stored = created(world, "web", **given)
    assert {name: stored.get(name) for name in filled} == filled


def test_addresses_are_given_once_and_the_reserved_ones_never(world: World) -> None:
    given = [created(world, f"s{number}")["clusterIP"] for number in range(12)]
    assert given[0] == "10.96.0.2"
    assert len(set(given)) == 12
    assert not {"10.96.0.0", "10.96.0.1", "10.96.0.10"} & set(given)


def test_reserved_addresses_are_for_who_asks(world: World) -> None:
    assert created(world, "kubernetes", clusterIP="10.96.0.1")["clusterIP"] == "10.96.0.1"
    assert created(world, "dns", clusterIP="10.96.0.10")["clusterIP"] == "10.96.0.10"


OUT_OF_RANGE = (
    'spec.clusterIPs: Invalid value: ["{0}"]: failed to allocate IP {0}: the provided IP ({0}) is not in the valid '
    "range. The range of valid IPs is 10.96.0.0/16"
)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("10.97.0.1", OUT_OF_RANGE.format("10.97.0.1")),
        ("10.96.0.0", OUT_OF_RANGE.format("10.96.0.0")),
        ("10.96.255.255", OUT_OF_RANGE.format("10.96.255.255")),
        (
            "10.96.0.77",
            'spec.clusterIPs: Invalid value: ["10.96.0.77"]: failed to allocate IP 10.96.0.77: '
            "provided IP is already allocated",
        ),
        (
            "fd00::1",
            'spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster',
        ),
    ],
)
def test_an_address_that_cannot_be_had_is_refused(world: World, address: str, message: str) -> None:
    created(world, "first", clusterIP="10.96.0.77")
    assert refused(world, "second", clusterIP=address) == message


def test_a_released_address_can_be_had_again_but_is_not_given_out_next(world: World) -> None:
    first = created(world, "first")["clusterIP"]
    world.delete("Service", "first")
    assert created(world, "second")["clusterIP"] != first
    assert created(world, "third", clusterIP=first)["clusterIP"] == first


def test_a_range_that_is_used_up_says_so_and_one_freed_address_is_found(tmp_path: Path) -> None:
    world = World(tmp_path, "10.96.0.0/29")
    given = [created(world, f"s{number}")["clusterIP"] for number in range(5)]
    assert given == [f"10.96.0.{number}" for number in range(2, 7)]
    with pytest.raises(ApiError, match="Internal error occurred: failed to allocate a serviceIP: range is full"):
        created(world, "more")
    world.delete("Service", "s3")
    assert created(world, "more")["clusterIP"] == "10.96.0.5"


def test_addresses_stay_taken_across_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = created(world, "first", type="NodePort")
    world.store.close()
    again = World(tmp_path)
    second = created(again, "second", type="NodePort")
    assert second["clusterIP"] != first["clusterIP"]
    assert node_ports(second) != node_ports(first)


def test_headless_and_external_services_have_no_address(world: World) -> None:
    headless = created(world, "headless", clusterIP="None")
    assert (headless["clusterIP"], headless["clusterIPs"]) == ("None", ["None"])
    external = created(world, "external", type="ExternalName", externalName="example.com")
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "internalTrafficPolicy"} & set(external)


def test_a_headless_service_without_a_selector_may_have_both_families(world: World) -> None:
    by_hand = created(world, "by-hand", clusterIP="None", selector=None)
    assert (by_hand["ipFamilies"], by_hand["ipFamilyPolicy"]) == (["IPv4", "IPv6"], "RequireDualStack")


def test_dual_stack(tmp_path: Path) -> None:
    world = World(tmp_path, "10.96.0.0/16", "fd00:96::/112")
    assert created(world, "single")["ipFamilies"] == ["IPv4"]
    both = created(world, "both", ipFamilyPolicy="PreferDualStack")
    assert (both["ipFamilies"], both["clusterIPs"]) == (["IPv4", "IPv6"], ["10.96.0.3", "fd00:96::2"])
    assert created(world, "six", ipFamilies=["IPv6"])["clusterIP"] == "fd00:96::3"
    addresses = {"clusterIP": "fd00:96::7", "clusterIPs": ["fd00:96::7", "10.96.0.7"]}
    asked = created(world, "asked", **addresses, ipFamilyPolicy="RequireDualStack")
    assert asked["ipFamilies"] == ["IPv6", "IPv4"]
    assert "when multiple cluster IPs are specified" in refused(world, "silent", **addresses)
    single = world.patch("Service", "both", {"spec": {"ipFamilyPolicy": "SingleStack"}})["spec"]
    assert (single["ipFamilies"], single["clusterIPs"]) == (["IPv4"], ["10.96.0.3"])
    assert created(world, "second", clusterIP="fd00:96::2")["ipFamilies"] == ["IPv6"]


def test_dual_stack_cannot_be_required_of_one_range(world: World) -> None:
    assert created(world, "prefers", ipFamilyPolicy="PreferDualStack")["ipFamilies"] == ["IPv4"]
    assert refused(world, "requires", ipFamilyPolicy="RequireDualStack") == (
        'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'
    )
    assert refused(world, "six", ipFamilies=["IPv6"]) == (
        'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'
    )


# Node ports


def test_node_ports(world: World) -> None:
    assert node_ports(created(world, "a", 80, 443, type="NodePort")) == [30000, 30001]
    asked = {"port": 80, "name": "x", "nodePort": 30002}
    assert node_ports(created(world, "b", type="LoadBalancer", ports=[asked])) == [30002]
    assert node_ports(created(world, "c", type="LoadBalancer")) == [30003]
    assert refused(world, "d", type="NodePort", ports=[asked | {"nodePort": 30000}]) == (
        "spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated"
    )
    assert refused(world, "d", type="NodePort", ports=[asked | {"nodePort": 80}]) == (
        "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
        "The range of valid ports is 30000-32767"
    )


def test_another_protocol_does_not_free_a_number_for_another_service(world: World) -> None:
    created(world, "tcp", type="NodePort", ports=[{"port": 53, "nodePort": 30053}])
    other = [{"port": 53, "nodePort": 30053, "protocol": "UDP"}]
    assert "already allocated" in refused(world, "udp", type="NodePort", ports=other)


def test_one_port_on_two_protocols_has_one_node_port(world: World) -> None:
    def ports(**udp: int) -> list[Raw]:
        both = [{"name": "tcp", "port": 53}, {"name": "udp", "port": 53, "protocol": "UDP", **udp}]
        return [*both, {"name": "web", "port": 80}]

    assert node_ports(created(world, "dns", type="NodePort", ports=ports())) == [30000, 30000, 30001]
    assert node_ports(created(world, "asked", type="NodePort", ports=ports(nodePort=31053))) == [31053, 31053, 30002]


def test_the_range_of_node_ports_can_be_chosen_and_used_up(tmp_path: Path) -> None:
    world = World(tmp_path, node_ports=(20000, 20001))
    assert node_ports(created(world, "a", 80, 81, type="NodePort")) == [20000, 20001]
    with pytest.raises(ApiError, match="Internal error occurred: failed to allocate a nodePort: range is full"):
        created(world, "b", type="NodePort")
    assert "The range of valid ports is 20000-20001" in refused(
        world, "b", type="NodePort", ports=[{"port": 80, "nodePort": 30000}]
    )
    world.delete("Service", "a")
    assert node_ports(created(world, "b", type="NodePort")) == [20000]


def test_a_load_balancer_without_node_ports(world: World) -> None:
    spec = created(world, "a", type="LoadBalancer", allocateLoadBalancerNodePorts=False)
    assert "nodePort" not in spec["ports"][0]
    ports = [{"name": "x", "port": 80, "nodePort": 30100}, {"name": "y", "port": 81}]
    spec = created(world, "b", type="LoadBalancer", allocateLoadBalancerNodePorts=False, ports=ports)
    assert [port.get("nodePort") for port in spec["ports"]] == [30100, None]


def test_health_check_node_ports(world: World) -> None:
    spec = created(world, "a", **LOCAL)
    assert (node_ports(spec), spec["healthCheckNodePort"]) == ([30000], 30001)
    assert created(world, "b", **LOCAL, healthCheckNodePort=32000)["healthCheckNodePort"] == 32000
    assert refused(world, "c", **LOCAL, healthCheckNodePort=32000) == (
        "spec.healthCheckNodePort: Invalid value: 32000: failed to allocate requested HealthCheck NodePort 32000: "
        "provided port is already allocated"
    )
    assert refused(world, "c", type="NodePort", healthCheckNodePort=32001) == (
        "spec.healthCheckNodePort: Invalid value: 32001: may only be set when `type` is 'LoadBalancer' and "
        "`externalTrafficPolicy` is 'Local'"
    )
    with pytest.raises(ApiError, match=r"spec\.healthCheckNodePort: Invalid value: 32005: field is immutable"):
        world.patch("Service", "a", {"spec": {"healthCheckNodePort": 32005}})
    patched = world.patch("Service", "a", {"spec": {"externalTrafficPolicy": "Cluster"}})["spec"]
    assert "healthCheckNodePort" not in patched
    assert created(world, "c", **LOCAL, healthCheckNodePort=30001)["healthCheckNodePort"] == 30001
