"""What a Service gets: addresses of the service ranges, node ports, and the fields around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from api_world import World

from k8sshim.objects import Raw
from k8sshim.server.status import ApiError

pytestmark = pytest.mark.unit


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def service(name: str, *ports: int, **spec: Any) -> Raw:
    declared = [{"port": port, "name": f"p{port}"} for port in ports or (80,)]
    return {"metadata": {"name": name}, "spec": {"ports": declared, "selector": {"app": name}, **spec}}


def created(world: World, name: str, *ports: int, **spec: Any) -> Raw:
    stored: Raw = world.create("Service", service(name, *ports, **spec))["spec"]
    return stored


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


def test_addresses_are_given_once_and_the_reserved_ones_never(world: World) -> None:
    given = [created(world, f"s{number}")["clusterIP"] for number in range(12)]
    assert given[0] == "10.96.0.2"
    assert len(set(given)) == 12
    assert not {"10.96.0.0", "10.96.0.1", "10.96.0.10"} & set(given)


def test_reserved_addresses_are_for_who_asks(world: World) -> None:
    assert created(world, "kubernetes", clusterIP="10.96.0.1")["clusterIP"] == "10.96.0.1"
    assert created(world, "dns", clusterIP="10.96.0.10")["clusterIP"] == "10.96.0.10"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("10.97.0.1", "is not in the service range 10.96.0.0/16"),
        ("10.96.0.77", "provided IP is already allocated"),
        ("fd00::1", "none of these families"),
    ],
)
def test_an_address_that_cannot_be_had_is_refused(world: World, address: str, message: str) -> None:
    created(world, "first", clusterIP="10.96.0.77")
    with pytest.raises(ApiError, match=message) as raised:
        created(world, "second", clusterIP=address)
    assert raised.value.code == 422
    assert not world.exists("Service", "second")


def test_a_released_address_can_be_had_again_but_is_not_given_out_next(world: World) -> None:
    first = created(world, "first")["clusterIP"]
    world.delete("Service", "first")
    assert created(world, "second")["clusterIP"] != first
    assert created(world, "third", clusterIP=first)["clusterIP"] == first


def test_a_range_that_is_used_up_says_so_and_one_freed_address_is_found(tmp_path: Path) -> None:
    world = World(tmp_path, "10.96.0.0/29")
    given = [created(world, f"s{number}")["clusterIP"] for number in range(5)]
    assert given == [f"10.96.0.{number}" for number in range(2, 7)]
    with pytest.raises(ApiError, match=r"the service range 10.96.0.0/29 is used up"):
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
    assert second["ports"][0]["nodePort"] != first["ports"][0]["nodePort"]


def test_headless_and_external_services_have_no_address(world: World) -> None:
    headless = created(world, "headless", clusterIP="None")
    assert (headless["clusterIP"], headless["clusterIPs"]) == ("None", ["None"])
    external = created(world, "external", type="ExternalName", externalName="example.com")
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "internalTrafficPolicy"} & set(external)


def test_dual_stack(tmp_path: Path) -> None:
    world = World(tmp_path, "10.96.0.0/16", "fd00:96::/112")
    assert created(world, "single")["ipFamilies"] == ["IPv4"]
    both = created(world, "both", ipFamilyPolicy="PreferDualStack")
    assert (both["ipFamilies"], both["clusterIPs"]) == (["IPv4", "IPv6"], ["10.96.0.3", "fd00:96::2"])
    assert created(world, "six", ipFamilies=["IPv6"])["clusterIP"] == "fd00:96::3"
    asked = created(world, "asked", clusterIP="fd00:96::7", clusterIPs=["fd00:96::7", "10.96.0.7"])
    assert (asked["ipFamilies"], asked["ipFamilyPolicy"]) == (["IPv6", "IPv4"], "RequireDualStack")


def test_dual_stack_cannot_be_required_of_one_range(world: World) -> None:
    assert created(world, "prefers", ipFamilyPolicy="PreferDualStack")["ipFamilies"] == ["IPv4"]
    with pytest.raises(ApiError, match="the cluster has one address family"):
        created(world, "requires", ipFamilyPolicy="RequireDualStack")


def test_node_ports(world: World) -> None:
    given = created(world, "a", 80, 443, type="NodePort")["ports"]
    assert [port["nodePort"] for port in given] == [30000, 30001]
    asked = {"port": 80, "name": "x", "nodePort": 30002}
    assert created(world, "b", type="LoadBalancer", ports=[asked])["ports"][0]["nodePort"] == 30002
    assert created(world, "c", type="LoadBalancer")["ports"][0]["nodePort"] == 30003
    for number, message in ((30000, "already allocated"), (80, "not in the valid range")):
        with pytest.raises(ApiError, match=message):
            created(world, "d", type="NodePort", ports=[asked | {"nodePort": number}])


def test_applying_a_manifest_again_keeps_what_was_given(world: World) -> None:
    world.create("Service", service("web", type="NodePort"))
    before = world.get("Service", "web")
    assert world.update("Service", service("web", type="NodePort")) == before
    changed = world.update("Service", service("web", 80, 443, type="NodePort"))
    assert changed["spec"]["clusterIP"] == before["spec"]["clusterIP"]
    assert changed["spec"]["ports"][0]["nodePort"] == before["spec"]["ports"][0]["nodePort"]
    plain = world.update("Service", service("web"))
    assert "nodePort" not in plain["spec"]["ports"][0]
    assert plain["spec"]["clusterIP"] == before["spec"]["clusterIP"]


def test_an_address_may_not_change(world: World) -> None:
    world.create("Service", service("web"))
    with pytest.raises(ApiError, match="may not change once set"):
        world.update("Service", service("web", clusterIP="10.96.0.99"))
