"""What has a pod's address crosses the fabric in an overlay alone; what is too large for its way is told of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flow_interpreter import Arrival
from network_model import (
    OUTSIDE_HOST,
    Network,
    bordered,
    cluster_of,
    host_of,
    node,
    node_address,
    node_host,
    pod,
    service,
)

from controller.marks import PATH_MTU, Feature
from controller.tables import FABRIC_ROUTING
from k8sshim.cluster import Cluster, Overlay

pytestmark = pytest.mark.unit
OVERLAY_PORT = 60000
A, B = pod("a", 1, 2), pod("b", 2, 2)
ONE, TWO, CONTROL_PLANE = node_host(1), node_host(2), "172.30.0.254"


def network(cluster: Cluster) -> Network:
    made = Network(cluster)
    made.put(cluster, *(node(i) for i in (1, 2)), A, B)
    return made


def overlay(hops: bool = False) -> Cluster:
    """Two nodes; with or without hops, which have a MAC of their own."""
    plain = bordered(cluster_of(2))
    switches = tuple(
        replace(one, overlay_port=OVERLAY_PORT, overlay_mac=f"0a:68:00:00:00:0{one.dpid}" if hops else "")
        if one.node
        else one
        for one in plain.switches
    )
    return replace(plain, switches=switches, pod_mtu=1450, node_mtu=1500, overlay=Overlay("vxlan", 1450))


def thin(mtu: int, **fields: object) -> Cluster:
    """Two nodes, the second behind a thin link."""
    plain = cluster_of(2)
    links = tuple(replace(link, mtu=mtu if link.a.switch == "b2" else 1500) for link in plain.links)
    return replace(plain, links=links, **fields)  # type: ignore[arg-type]


def told(arrival: Arrival) -> int | None:
    """The MTU that a sender is told of; None where the packet is not too large."""
    if arrival.to_controller is None or arrival.to_controller.owner.feature is not Feature.PATH_MTU:
        return None
    return int(arrival.marks[PATH_MTU.name])


@pytest.mark.parametrize("hops", [False, True])
def test_pods_enter_the_overlay_to_pods_and_nodes_elsewhere(hops: bool) -> None:
    made, a, b = network(overlay(hops)), host_of(A), host_of(B)
    for to in (b.address, TWO.address):
        out = made.one(a, a.packet(to))
        assert (out.dpid, out.port) == (1, OVERLAY_PORT)
        assert out.fields["eth_dst"] == ("0a:68:00:00:00:01" if hops else "0a:77:00:00:00:02")
        assert (out.fields["ipv4_src"], out.fields["ipv4_dst"]) == (a.address, to)
        (arrived,) = made.fabric.send(2, OVERLAY_PORT, {**out.fields, "eth_dst": "0a:77:00:00:00:02"})
        assert (arrived.dpid, arrived.port) == (2, b.port if to == b.address else TWO.port)


def test_nodes_enter_the_overlay_to_pods_and_reach_nodes_by_the_fabric() -> None:
    made = network(overlay())
    assert made.one(ONE, ONE.packet(host_of(B).address)).port == OVERLAY_PORT
    arrived = made.one(ONE, ONE.packet(TWO.address))
    assert (arrived.dpid, arrived.port) == (2, TWO.port)


def test_the_fabric_knows_no_pods() -> None:
    made = network(overlay())
    for dpid, switch in made.fabric.switches.items():
        routed = [dict(one.match).get("ipv4_dst", "") for one in switch.flows.values() if one.table is FABRIC_ROUTING]
        assert dpid < 0x10000 or not any(str(to).startswith("10.244.") for to in routed)


def test_pods_reach_the_control_plane_as_their_node() -> None:
    made, a = network(overlay()), host_of(A)
    arrived = made.one(a, a.packet(CONTROL_PLANE, port=443))
    assert arrived.fields["ipv4_src"] == node_address(1)
    back = made.reply(arrived)
    assert (back.dpid, back.port, back.fields["ipv4_dst"]) == (1, a.port, a.address)


def test_the_overlays_own_packets_are_not_tracked() -> None:
    made = network(overlay())
    arrived = made.one(ONE, ONE.packet(TWO.address, "UDP", 4789))
    assert (arrived.dpid, arrived.port, made.fabric.connections) == (2, TWO.port, {})


def test_pods_cannot_pose_as_the_overlay() -> None:
    made, a = network(overlay()), host_of(A)
    forged = a.packet(TWO.address, "UDP", 4789) | {"ipv4_src": ONE.address}
    assert made.send(a, forged) == []


@pytest.mark.parametrize(("size", "mtu"), [(1300, None), (1301, 1300)])
def test_a_fabric_switch_tells_of_what_its_link_does_not_carry(size: int, mtu: int | None) -> None:
    made, a = network(thin(1300)), host_of(A)
    arrival = made.one(a, a.packet(host_of(B).address, bytes=size))
    assert told(arrival) == mtu
    assert arrival.dpid == (2 if mtu is None else 0x10001)


def test_a_node_bridge_tells_of_what_its_uplink_does_not_carry() -> None:
    made, b = network(thin(1300)), host_of(B)
    arrival = made.one(b, b.packet(host_of(A).address, bytes=1400))
    assert (arrival.dpid, told(arrival)) == (2, 1300)


def test_outside_clients_of_a_service_are_told_of_the_thinnest_of_its_ways() -> None:
    cluster = thin(1300)
    made = Network(bordered(cluster))
    shared = replace(service("web", "10.96.0.9", ("http", "TCP", 80)), ingress_ips=("198.51.100.1",))
    made.put(made.cluster, node(1), node(2), shared)
    arrival = made.one(OUTSIDE_HOST, OUTSIDE_HOST.packet("198.51.100.1", bytes=1400))
    assert (arrival.dpid, told(arrival)) == (0x10001, 1300)


def test_nobody_is_told_where_that_is_swallowed() -> None:
    made, a = network(thin(1300, path_mtu_discovery=False)), host_of(A)
    assert told(made.one(a, a.packet(host_of(B).address, bytes=1400))) is None


def test_what_is_cut_up_on_its_way_is_not_too_large() -> None:
    made, a = network(thin(1300, segments_cut=True)), host_of(A)
    for size, protocol, mtu in ((60000, "TCP", None), (1400, "TCP", 1300), (60000, "UDP", 1300)):
        assert told(made.one(a, a.packet(host_of(B).address, protocol, bytes=size))) == mtu


def test_nodes_are_told_what_pods_of_an_overlay_take() -> None:
    made, one = network(overlay()), ONE
    assert [told(made.one(one, one.packet(host_of(pod_).address, bytes=1500))) for pod_ in (A, B)] == [1450, 1450]
    assert told(made.one(one, one.packet(TWO.address, bytes=1500))) is None
