"""Addresses for Services of type LoadBalancer: who gets which, who keeps his, and why somebody has none."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timezone
from typing import Any

import pytest

from k8sshim.client import CLUSTERS, SERVICES
from k8sshim.controllers.load_balancers import CLASS, CONDITION, LoadBalancers, Refusal, assign
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import UpdateStatus
from k8sshim.objects import Key, Raw

pytestmark = pytest.mark.unit

POOL = [ipaddress.ip_network("198.51.100.0/29")]  # .1 to .6
AROUND = Surroundings(datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc), lambda: "x")


def service(name: str, held: str = "", age: int = 0, **spec: Any) -> Raw:
    metadata = {"name": name, "namespace": "default", "uid": name, "resourceVersion": "1"}
    metadata["creationTimestamp"] = f"2024-05-06T07:08:{age:02}Z"
    ingress = {"ingress": [{"ip": held, "ipMode": "VIP"}]} if held else {}
    return {"metadata": metadata, "spec": {"type": "LoadBalancer", **spec}, "status": {"loadBalancer": ingress}}


def given(*services: Raw) -> dict[str, Any]:
    outcome = assign(services, POOL)
    return {key.name: value.reason if isinstance(value, Refusal) else value for key, value in outcome.items()}


def test_the_free_addresses_go_out_by_age() -> None:
    assert given(service("b", age=2), service("a", age=1)) == {"a": "198.51.100.1", "b": "198.51.100.2"}


def test_who_has_one_keeps_it() -> None:
    assert given(service("new"), service("old", "198.51.100.1", 5)) == {"new": "198.51.100.2", "old": "198.51.100.1"}


def test_the_older_keeps_what_two_have() -> None:
    both = service("b", "198.51.100.3", 2), service("a", "198.51.100.3", 1)
    assert given(*both) == {"a": "198.51.100.3", "b": "198.51.100.1"}


def test_an_address_of_another_pool_is_exchanged() -> None:
    assert given(service("a", "203.0.113.9")) == {"a": "198.51.100.1"}


@pytest.mark.parametrize(
    ("asked", "outcome"),
    [
        ("198.51.100.5", "198.51.100.5"),
        ("198.51.100.1", "AddressInUse"),
        ("198.51.100.0", "AddressOutsidePool"),
        ("198.51.100.7", "AddressOutsidePool"),
        ("203.0.113.1", "AddressOutsidePool"),
        ("nonsense", "AddressOutsidePool"),
    ],
)
def test_asked_for_by_name(asked: str, outcome: str) -> None:
    others = service("holder", "198.51.100.1"), service("indifferent")
    assert given(*others, service("a", age=9, loadBalancerIP=asked))["a"] == outcome


def test_who_asks_comes_before_who_does_not_care() -> None:
    assert given(service("a"), service("b", age=9, loadBalancerIP="198.51.100.1")) == {
        "a": "198.51.100.2",
        "b": "198.51.100.1",
    }


def test_who_asks_for_another_gets_it() -> None:
    assert given(service("a", "198.51.100.1", loadBalancerIP="198.51.100.2")) == {"a": "198.51.100.2"}


def test_a_pool_that_is_used_up() -> None:
    outcome = given(*(service(f"s{number}", age=number) for number in range(7)))
    assert [outcome[f"s{number}"] for number in (0, 5, 6)] == ["198.51.100.1", "198.51.100.6", "PoolExhausted"]
    assert assign([service("a")], [])[Key("default", "a")] == Refusal(
        "PoolExhausted", "the pool (none) has no free address"
    )


def world_of(*services: Raw, cidrs: tuple[str, ...] = ("198.51.100.0/30",)) -> World:
    world = World([SERVICES, CLUSTERS])
    metadata = {"name": "lab", "resourceVersion": "1", "uid": "lab"}
    world.observe(CLUSTERS, {"metadata": metadata, "status": {"loadBalancerCIDRs": list(cidrs)}})
    for raw in services:
        world.observe(SERVICES, raw)
    return world


def planned(world: World) -> dict[str, Raw]:
    writes = LoadBalancers().plan(Key("", "pool"), world, AROUND).writes
    assert all(isinstance(write, UpdateStatus) for write in writes)
    return {write.key.name: write.raw["status"] for write in writes if isinstance(write, UpdateStatus)}


def test_only_what_changes_is_written() -> None:
    world = world_of(service("a", "198.51.100.1"), service("b"), service("plain", type="ClusterIP"))
    assert planned(world) == {"b": {"loadBalancer": {"ingress": [{"ip": "198.51.100.2", "ipMode": "VIP"}]}}}


def test_another_class_is_left_alone() -> None:
    other = service("a", "203.0.113.7", loadBalancerClass="example.com/other")
    assert planned(world_of(other)) == {}
    assert list(planned(world_of(service("b", loadBalancerClass=CLASS)))) == ["b"]


def test_who_waits_is_told_why_once_and_served_when_there_is_one() -> None:
    holders = service("a", "198.51.100.1"), service("b", "198.51.100.2", 1)
    world = world_of(*holders, late := service("late", age=2))
    status = planned(world)["late"]
    assert status["conditions"] == [
        {
            "type": CONDITION,
            "status": "False",
            "reason": "PoolExhausted",
            "message": "the pool (198.51.100.0/30) has no free address",
            "lastTransitionTime": "2024-05-06T07:08:09Z",
        }
    ]
    told = {**late, "status": status, "metadata": {**late["metadata"], "resourceVersion": "2"}}
    assert planned(world_of(*holders, told)) == {}
    assert planned(world_of(holders[0], told)) == {
        "late": {"loadBalancer": {"ingress": [{"ip": "198.51.100.2", "ipMode": "VIP"}]}}
    }
    plain = {**told, "spec": {"type": "ClusterIP"}}
    assert planned(world_of(*holders, plain)) == {"late": {"loadBalancer": {}}}


def test_it_is_asked_for_what_concerns_it() -> None:
    def asked(old: Raw | None, new: Raw | None) -> list[Key]:
        return list(LoadBalancers().affected(Change(SERVICES, Key("default", "a"), old, new), world_of()))

    assert asked(None, service("a"))
    assert asked(service("a"), None)
    assert asked(service("a"), service("a", type="ClusterIP"))
    assert not asked(None, service("a", type="ClusterIP"))
    assert not asked(None, service("a", loadBalancerClass="example.com/other"))
