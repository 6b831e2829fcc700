"""UDP clients do not stay with an endpoint that is gone; and numbers that no two Service ports share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from network_model import endpoint, endpoint_slice, network_of, node, pod, service

from controller import numbers
from controller.desired import Changes
from controller.numbers import Numbers
from controller.services import EVERY_NODE, THIS_NODE, Backend
from controller.stale import Stale
from k8sshim.objects import ContainerPort, EndpointSlice, Key, Service, ServicePort

pytestmark = pytest.mark.unit
VIP, NODE_PORT = "10.96.0.10", 30053
B, C = Backend("10.244.1.3", 5353), Backend("10.244.2.2", 5353)
DNS = ("dns", "UDP", 5353)


def dns(**fields: object) -> Service:
    one = service("web", VIP, ("dns", "UDP", 53))
    return replace(one, ports=(ServicePort("dns", "UDP", 53, 5353, NODE_PORT),), **fields)  # type: ignore[arg-type]


def slices(*backends: Backend) -> EndpointSlice:
    nodes = {B: "node1", C: "node2"}
    return endpoint_slice("web", [replace(endpoint(one.address), node=nodes[one]) for one in backends], DNS)


def stale(changes: Changes) -> dict[int, set[Stale | None]]:
    return {place: set(change.stale) for place, change in changes.items() if change.stale}


def after(before: EndpointSlice, then: EndpointSlice, **fields: object) -> dict[int, set[Stale | None]]:
    desired = network_of(3, dns(**fields), before).desired
    return stale(desired.put("EndpointSlice", then.key, then))


def both(endpoint: Backend | None) -> set[Stale]:
    """At both its addresses."""
    return {Stale(VIP, 53, endpoint), Stale(THIS_NODE, NODE_PORT, endpoint)}


def test_what_was_translated_to_an_endpoint_that_leaves_is_forgotten() -> None:
    assert after(slices(B, C), slices(C)) == {EVERY_NODE: both(B)}


def test_an_endpoint_that_comes_beside_others_moves_nobody() -> None:
    assert after(slices(B), slices(B, C)) == {}


def test_what_was_refused_is_forgotten_when_the_first_endpoint_comes() -> None:
    assert after(slices(), slices(B)) == {EVERY_NODE: both(None)}


def test_nothing_stays_when_the_last_endpoint_or_the_service_goes() -> None:
    assert after(slices(B), slices()) == {EVERY_NODE: both(None)}
    desired = network_of(3, dns(), slices(B)).desired
    assert stale(desired.put("Service", dns().key, None)) == {EVERY_NODE: both(None)}


def test_under_policy_local_a_node_forgets_what_is_its_own() -> None:
    found = after(slices(B, C), slices(C), internal_local=True)
    assert found == {1: {Stale(VIP, 53, None)}, EVERY_NODE: {Stale(THIS_NODE, NODE_PORT, B)}}


def test_hints_that_come_move_those_whose_endpoint_is_for_others() -> None:
    desired = network_of(3, dns(), slices(B, C)).desired
    for i, zone in ((1, "east"), (2, "west")):
        labels = (("topology.kubernetes.io/zone", zone),)
        desired.put("Node", Key("", f"node{i}"), replace(node(i), labels=labels))
    b, c = slices(B, C).endpoints
    hinted = replace(slices(B, C), endpoints=(replace(b, for_zones=("east",)), replace(c, for_zones=("west",))))
    assert stale(desired.put("EndpointSlice", hinted.key, hinted)) == {1: both(C), 2: both(B)}


def test_connections_of_tcp_stay() -> None:
    http = ("http", "TCP", 80)
    desired = network_of(2, service("web", VIP, http), endpoint_slice("web", [endpoint("10.244.1.2")], http)).desired
    gone = endpoint_slice("web", [], http)
    assert stale(desired.put("EndpointSlice", gone.key, gone)) == {}


def test_a_host_port_moves_with_its_pod() -> None:
    one = replace(pod("a", 1, 2), ports=(ContainerPort("dns", 5353, "UDP", host_port=53),))
    desired = network_of(2, one).desired
    assert stale(desired.put("Pod", one.key, None)) == {1: {Stale(THIS_NODE, 53, None)}}


def test_two_names_never_have_one_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "digest", lambda text, bits: len(text) % 3)
    given = Numbers()
    assert len({given.of(name) for name in ("a", "b", "c")}) == 3
    assert given.of("a") == given.of("a")


def test_a_number_is_the_same_in_every_process() -> None:
    assert Numbers().of("Service default/web TCP 80") == Numbers().of("Service default/web TCP 80")
