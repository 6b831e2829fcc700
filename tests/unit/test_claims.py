"""What several objects ask for is one's, whatever the order they come in, and the next one's when that goes."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, permutations

import pytest
from network_model import (
    Network,
    endpoint,
    endpoint_slice,
    host_of,
    network_of,
    node_address,
    node_host,
    pod,
    service,
)

from controller.desired import View
from k8sshim.objects import ContainerPort, Pod, Service

pytestmark = pytest.mark.unit
EXTERNAL = "192.0.2.1"
HTTP = ("http", "TCP", 80)
A, B, C = pod("a", 1, 2), pod("b", 1, 3), pod("c", 1, 4)


def claiming(name: str, address: str, created: str, **fields: object) -> Service:
    """A Service with an external address."""
    one = replace(service(name, address, HTTP), created=created, external_ips=(EXTERNAL,))
    return replace(one, **fields)  # type: ignore[arg-type]


def led_to(name: str, one: Pod) -> View:
    assert one.network is not None
    return endpoint_slice(name, [endpoint(one.network.addresses[0])], HTTP)


YOUNG, OLD = claiming("a", "10.96.0.10", "2026-01-02T00:00:00Z"), claiming("b", "10.96.0.11", "2026-01-01T00:00:00Z")
PORTS = count(40000)
SERVED = (led_to("a", B), led_to("b", C))


def answering(network: Network, to: str = EXTERNAL, port: int = 80) -> str:
    """Who is led to by a connection that is not known yet."""
    new = host_of(A).packet(to, "TCP", port, tcp_src=next(PORTS))
    return str(network.one(host_of(A), new).fields["ipv4_dst"])


@pytest.mark.parametrize("order", list(permutations((YOUNG, OLD, *SERVED))))
def test_the_older_service_has_a_shared_address_and_the_other_takes_over(order: tuple[View, ...]) -> None:
    network = network_of(1, A, B, C, *order)
    assert answering(network) == host_of(C).address
    network.remove(OLD)
    assert answering(network) == host_of(B).address
    network.put(OLD)
    assert answering(network) == host_of(C).address
    network.remove(YOUNG)
    assert answering(network) == host_of(C).address
    reference = network_of(1, A, B, C, OLD, *SERVED)
    assert network.fabric.switches[1].holds() == reference.fabric.switches[1].holds()


def test_of_the_same_age_the_first_by_name_has_it_alone() -> None:
    """Also where the policy of the other would have a flow of its own for outside clients."""
    one, other = (claiming(name, address, "") for name, address in (("a", "10.96.0.10"), ("b", "10.96.0.11")))
    network = network_of(1, A, B, C, replace(other, external_local=True), one, *SERVED)
    assert answering(network) == host_of(B).address
    asked = {flow.owner.subject for flow in network.desired.wanted(1).flows.values() if EXTERNAL in flow.text}
    assert asked == {"Service default/a"}


def test_a_service_that_gives_its_address_up_lets_the_other_have_it() -> None:
    network = network_of(1, A, B, C, YOUNG, OLD, *SERVED)
    network.put(replace(OLD, external_ips=()))
    assert answering(network) == host_of(B).address
    assert answering(network, "10.96.0.11") == host_of(C).address


def test_other_ports_of_a_shared_address_are_the_others() -> None:
    port = replace(OLD.ports[0], port=81)
    network = network_of(1, A, B, C, OLD, replace(YOUNG, ports=(port,)), *SERVED)
    assert answering(network, port=80) == host_of(C).address
    assert answering(network, port=81) == host_of(B).address


def test_a_cluster_address_is_its_services_however_old_the_other_is() -> None:
    thief = replace(OLD, external_ips=("10.96.0.10",))
    network = network_of(1, A, B, C, thief, YOUNG, *SERVED)
    assert answering(network, "10.96.0.10") == host_of(B).address


def test_a_host_port_is_the_older_pods() -> None:
    ports = (ContainerPort("web", 80, "TCP", 8000, ""),)
    young = replace(B, ports=ports, created="2026-01-02T00:00:00Z")
    old = replace(C, ports=ports, created="2026-01-01T00:00:00Z")
    elsewhere = replace(pod("d", 2, 2), ports=ports)
    network = network_of(2, A, young, old, elsewhere)
    assert answering(network, node_address(1), 8000) == host_of(C).address
    asked = network.one(node_host(1), node_host(1).packet(node_address(2), "TCP", 8000))
    assert asked.fields["ipv4_dst"] == host_of(elsewhere).address
    network.put(replace(old, phase="Failed"))
    assert answering(network, node_address(1), 8000) == host_of(B).address
