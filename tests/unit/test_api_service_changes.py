"""What an update of a Service keeps, drops, allocates anew and refuses: every change of type, and the fields around."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from api_world import World, service

from k8sshim.objects import Raw
from k8sshim.server.status import ApiError

pytestmark = pytest.mark.unit

TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def of_type(kind: str) -> Raw:
    return {"type": kind} | ({"externalName": "example.com"} if kind == "ExternalName" else {})


def patched(world: World, **spec: Any) -> Raw:
    stored: Raw = world.patch("Service", "web", {"spec": spec})["spec"]
    return stored


def check(spec: Raw, before: Raw) -> None:
    """What a Service of a type has, and has kept."""
    kind = spec["type"]
    allocated = {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}
    assert allocated & set(spec) == (set() if kind == "ExternalName" else allocated)
    exposed = kind in ("NodePort", "LoadBalancer")
    assert ["nodePort" in port for port in spec["ports"]] == [exposed]
    assert ("externalTrafficPolicy" in spec) == exposed
    assert ("allocateLoadBalancerNodePorts" in spec) == (kind == "LoadBalancer")
    if kind != "ExternalName" != before["type"]:
        assert spec["clusterIP"] == before["clusterIP"]
    if exposed and before["type"] in ("NodePort", "LoadBalancer"):
        assert spec["ports"] == before["ports"]


@pytest.mark.parametrize(("first", "then"), list(permutations(TYPES, 2)))
def test_every_change_of_type_by_patch_and_by_replacement(world: World, first: str, then: str) -> None:
    before = world.create("Service", service("web", **of_type(first)))["spec"]
    after = patched(world, **of_type(then))
    assert after["type"] == then
    check(after, before)
    back = world.update("Service", service("web", **of_type(first)))["spec"]
    assert back["type"] == first
    check(back, after)


@pytest.mark.parametrize("then", ["ClusterIP", "ExternalName"])
def test_what_a_type_gives_back_others_can_have(world: World, then: str) -> None:
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "loadBalancerClass": "example.com/a"}
    before = world.create("Service", service("web", **local))["spec"]
    after = patched(world, **of_type(then))
    assert not {"healthCheckNodePort", "externalTrafficPolicy", "loadBalancerClass"} & set(after)
    freed = [{"port": 80, "nodePort": before["ports"][0]["nodePort"]}]
    other = {"type": "NodePort", "ports": freed}
    if then == "ExternalName":
        other["clusterIP"] = before["clusterIP"]
    assert world.create("Service", service("other", **other))["spec"]["ports"][0]["nodePort"] == freed[0]["nodePort"]


def test_status_goes_with_the_type(world: World) -> None:
    world.create("Service", service("web", type="LoadBalancer"))
    ingress = {"loadBalancer": {"ingress": [{"ip": "198.51.100.1"}]}}
    stored = world.patch("Service", "web", {"status": ingress}, "status")
    assert stored["status"] == {"loadBalancer": {"ingress": [{"ip": "198.51.100.1", "ipMode": "VIP"}]}}
    assert world.patch("Service", "web", {"spec": {"type": "NodePort"}})["status"] == {"loadBalancer": {}}
    with pytest.raises(ApiError, match=r"status\.loadBalancer\.ingress: Forbidden: may only be used"):
        world.patch("Service", "web", {"status": ingress}, "status")


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        ({"ingress": [{"ip": "1.2.3"}]}, 422, 'ingress[0].ip: Invalid value: "1.2.3": must be a valid IP'),
        ({"ingress": [{"ip": "1.2.3.4", "ipMode": "x"}]}, 422, 'supported values: "Proxy", "VIP"'),
        ({"ingress": [{"ipMode": "VIP"}]}, 422, "Forbidden: may not be specified when `ip` is not set"),
        ({"ingress": [{"hostname": "1.2.3.4"}]}, 422, "must be a DNS name, not an IP address"),
        (5, 422, "status.loadBalancer: is an integer"),
        ({"ingress": [5]}, 422, "status.loadBalancer.ingress[0]"),
    ],
)
def test_a_status_that_is_none(world: World, status: Any, code: int, message: str) -> None:
    world.create("Service", service("web", type="LoadBalancer"))
    with pytest.raises(ApiError) as raised:
        world.patch("Service", "web", {"status": {"loadBalancer": status}}, "status")
    assert raised.value.code == code
    assert message in str(raised.value)


def test_a_status_brings_conditions_and_annotations_and_leaves_the_spec(world: World) -> None:
    before = world.create("Service", service("web"))
    condition = {"type": "x", "status": "True", "reason": "E2E", "message": "set"}
    condition["lastTransitionTime"] = "2024-05-06T07:08:09Z"
    change = {"metadata": {"annotations": {"patched": "yes"}}, "spec": {"type": "NodePort"}}
    stored = world.patch("Service", "web", change | {"status": {"conditions": [condition]}}, "status")
    assert stored["metadata"]["annotations"] == {"patched": "yes"}
    assert (stored["status"]["conditions"], stored["spec"]) == ([condition], before["spec"])


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


def test_a_node_port_follows_its_name(world: World) -> None:
    before = world.create("Service", service("web", 80, 443, type="NodePort"))["spec"]["ports"]
    ports = [{"name": "p443", "port": 8443}, {"name": "p80", "port": 8080}]
    after = patched(world, ports=ports)["ports"]
    assert [port["nodePort"] for port in after] == [before[1]["nodePort"], before[0]["nodePort"]]
    taken = [{"name": "p443", "port": 8443, "nodePort": before[0]["nodePort"]}, {"name": "p80", "port": 8080}]
    after = patched(world, ports=taken)["ports"]
    assert after[0]["nodePort"] == before[0]["nodePort"] != after[1]["nodePort"]


@pytest.mark.parametrize(
    ("first", "change", "message"),
    [
        ({}, {"clusterIP": "10.96.0.99"}, 'clusterIPs[0]: Invalid value: ["10.96.0.99"]: may not change once set'),
        ({}, {"clusterIP": "None"}, 'spec.clusterIPs[0]: Invalid value: ["None"]: may not change once set'),
        ({"clusterIP": "None"}, {"clusterIP": "10.96.0.9"}, "spec.clusterIPs[0]: Invalid value"),
        ({}, {"ipFamilies": ["IPv6"]}, "expected an IPv6 value as indicated by `ipFamilies[0]`"),
        (
            {"type": "LoadBalancer", "loadBalancerClass": "example.com/a"},
            {"loadBalancerClass": "example.com/b"},
            'spec.loadBalancerClass: Invalid value: "example.com/b": may not change once set',
        ),
        (
            {"type": "LoadBalancer"},
            {"loadBalancerClass": "example.com/b"},
            'spec.loadBalancerClass: Invalid value: "example.com/b": may not change once set',
        ),
        ({}, {"type": "ExternalName", "externalName": "x", "clusterIP": "10.96.0.9"}, "Forbidden: may not be set for"),
        ({}, {"type": "ExternalName"}, "spec.externalName: Required value"),
        (
            {"type": "NodePort"},
            {"type": "ClusterIP", "ports": [{"port": 80, "nodePort": 30009}]},
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
        (
            {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8"]},
            {"type": "ClusterIP"},
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        ({"type": "NodePort"}, {"type": "ClusterIP", "externalTrafficPolicy": "Local"}, "may only be set for external"),
    ],
)
def test_what_an_update_may_not_change(world: World, first: Raw, change: Raw, message: str) -> None:
    before = world.create("Service", service("web", **first))
    with pytest.raises(ApiError) as raised:
        patched(world, **change)
    assert raised.value.code == 422
    assert message in str(raised.value)
    assert world.get("Service", "web") == before


@pytest.mark.parametrize("value", [5, "x", [], [5], {}, {"a": []}, True, [["x"]], [{"name": ["x"], "nodePort": {}}]])
def test_a_malformed_service_is_refused_or_taken_but_breaks_nothing(world: World, value: Any) -> None:
    world.create("Service", service("web", type="NodePort"))
    fields = ("spec", "ports", "type", "clusterIP", "clusterIPs", "externalIPs", "sessionAffinity")
    fields += ("sessionAffinityConfig", "selector", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort")
    for field in fields:
        spec = {**service("web", type="NodePort")["spec"], field: value}
        for number, name in enumerate(("web", "new")):
            raw = {"metadata": {"name": name}, "spec": value if field == "spec" else spec}
            try:
                world.create("Service", raw) if number else world.update("Service", raw)
            except ApiError as error:
                assert error.code in (400, 422)
            else:
                world.delete("Service", "new") if number else None


def test_an_endpoint_slices_address_type_stays(world: World) -> None:
    raw = {"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": []}
    world.create("EndpointSlice", raw)
    with pytest.raises(ApiError, match='addressType: Invalid value: "IPv6": field is immutable'):
        world.patch("EndpointSlice", "s", {"addressType": "IPv6"})
