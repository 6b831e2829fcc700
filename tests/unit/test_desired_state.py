"""Flows are kept by object: an event costs what it changes, and the order of events does not matter."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_model import (
    Network,
    cluster_of,
    endpoint,
    endpoint_slice,
    host_of,
    network_of,
    node,
    pod,
    service,
)

from controller.desired import Desired, View
from controller.diff import Held, Rules, missing
from controller.services import EVERY_NODE
from k8sshim.objects import Key

pytestmark = pytest.mark.unit
HTTP = ("http", "TCP", 80)
PODS = [pod("a", 1, 2), pod("b", 1, 3), pod("c", 2, 2)]
SERVICES: list[View] = [
    service("web", "10.96.0.10", HTTP),
    endpoint_slice("web", [endpoint("10.244.1.2"), endpoint("10.244.2.2")], HTTP),
    service("none", "10.96.0.11", HTTP),
]


def everything() -> list[View]:
    return [cluster_of(3, leaves=2), *(node(i) for i in (1, 2, 3)), *PODS, *SERVICES]


def texts(rules: Rules) -> list[str]:
    return sorted(entry.text for entry in [*rules.flows.values(), *rules.groups.values()])


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_objects_may_come_in_any_order_and_go_and_come_back(chance: random.Random) -> None:
    views = everything()
    network = Network(cluster_of(3, leaves=2))
    for view in chance.sample(views, len(views)):
        network.put(view)
    for view in chance.sample(views, 3):
        network.remove(view)
        network.put(view)
    reference = Network(cluster_of(3, leaves=2))
    reference.put(*views)
    for dpid, switch in network.fabric.switches.items():
        assert texts(network.desired.wanted(dpid)) == texts(reference.desired.wanted(dpid))
        assert texts(switch.holds()) == texts(reference.desired.wanted(dpid))


def test_an_equal_view_is_no_work() -> None:
    desired = Network(cluster_of(3)).desired
    for view in everything():
        key = Key("", view.name) if hasattr(view, "name") else view.key  # type: ignore[union-attr]
        kind = type(view).__name__
        desired.put(kind, key, view)
        assert desired.put(kind, key, view) == {}


def test_a_status_that_does_not_concern_the_network_is_no_work() -> None:
    network = network_of(2, *PODS)
    before = network.fabric.switches[1].messages
    network.put(pod("a", 1, 2, phase="Pending"))
    assert network.fabric.switches[1].messages == before


def test_a_pod_costs_its_own_bridge_alone() -> None:
    network = network_of(50)
    before = {dpid: switch.messages for dpid, switch in network.fabric.switches.items()}
    network.put(PODS[0])
    changed = {
        dpid: s.messages - before[dpid] for dpid, s in network.fabric.switches.items() if s.messages != before[dpid]
    }
    assert changed.keys() == {1}
    assert changed[1] <= 2 * 10  # each batch is applied twice


def test_an_endpoint_costs_itself_and_its_group() -> None:
    many = [endpoint(f"10.244.1.{number}") for number in range(2, 100)]
    network = network_of(2, service("web", "10.96.0.10", HTTP), endpoint_slice("web", many, HTTP))
    before = network.fabric.switches[1].messages
    network.put(endpoint_slice("web", many[1:], HTTP))
    assert network.fabric.switches[1].messages - before == 2 * 2


def test_services_are_worked_out_once_for_all_bridges() -> None:
    desired = Desired()
    for view in (cluster_of(50), *SERVICES):
        key = Key("", view.name) if hasattr(view, "name") else view.key  # type: ignore[union-attr]
        changes = desired.put(type(view).__name__, key, view)
    assert list(changes) == [EVERY_NODE]


def test_without_a_cluster_nothing_is_wanted() -> None:
    network = network_of(2, *PODS, *SERVICES)
    network.remove(cluster_of(2))
    assert texts(network.desired.wanted(1)) == []
    network.put(cluster_of(2))
    client = host_of(PODS[0])
    assert network.one(client, client.packet("10.244.2.2")).dpid == 2


def test_another_shape_of_fabric_is_taken_on() -> None:
    leaf_spine = cluster_of(2, leaves=2)
    network = Network(leaf_spine)
    network.put(cluster_of(2), node(1), node(2), *PODS)
    assert not network.desired.wanted(0x10001).groups
    network.put(leaf_spine)
    reference = network_of(2, *PODS, leaves=2)
    for dpid, switch in network.fabric.switches.items():
        assert texts(switch.holds()) == texts(reference.desired.wanted(dpid))


def test_missing_is_the_difference_alone() -> None:
    wanted = network_of(2, *PODS, *SERVICES).desired.wanted(1)
    groups = {number: group.content for number, group in wanted.groups.items()}
    assert not missing(Held(frozenset(wanted.flows), groups), wanted)
    lost, stray = next(iter(wanted.flows)), (3, 99)
    change = missing(Held(frozenset(wanted.flows) - {lost} | {stray}, dict.fromkeys(groups, 0) | {7: 1}), wanted)
    assert change.flows == {lost: wanted.flows[lost], stray: None}
    assert change.groups == {**wanted.groups, 7: None}
