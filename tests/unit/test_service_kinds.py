"""Who answers whom, row by row of the table in docs/services.md, and which source the endpoint sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest
from network_model import (
    UPLINK,
    Host,
    Network,
    endpoint,
    endpoint_slice,
    host_of,
    network_of,
    node,
    node_address,
    node_host,
    pod,
    service,
)

from controller.desired import Desired
from controller.services import EVERY_NODE
from k8sshim.objects import ContainerPort, Endpoint, EndpointSlice, Key, Service, ServicePort

pytestmark = pytest.mark.unit
CLUSTER_IP, BALANCED, EXTERNAL, NODE_PORT = "10.96.0.10", "198.51.100.7", "192.0.2.1", 30080
A, B, C = pod("a", 1, 2), pod("b", 1, 3), pod("c", 2, 2)
HTTP = ("http", "TCP", 8080)
PODS = {"a": A, "b": B, "c": C}
EVERYWHERE = {"b", "c"}
REFUSED, DROPPED = "refused", "dropped"


def at(name: str, **state: bool) -> Endpoint:
    """A pod as an endpoint."""
    one = PODS[name]
    assert one.network is not None
    return replace(endpoint(one.network.addresses[0], **state), node=one.node, target=one.key)


READY = (at("b"), at("c"))


def web(**fields: object) -> Service:
    ports = (ServicePort("http", "TCP", 80, 8080, NODE_PORT),)
    kind = {"type": "LoadBalancer", "ingress_ips": (BALANCED,), "external_ips": (EXTERNAL,), "ports": ports}
    return replace(service("web", CLUSTER_IP, ("http", "TCP", 80)), **(kind | fields))  # type: ignore[arg-type]


def slices(endpoints: Iterable[Endpoint]) -> EndpointSlice:
    return endpoint_slice("web", endpoints, HTTP)


def outside(dpid: int, address: str = "10.244.2.9") -> Host:
    """Whoever comes by an uplink of a node bridge, from an address that there is a way back to."""
    return Host(dpid, UPLINK, address)


@dataclass(frozen=True)
class Row:
    """Who may answer, and whom the endpoint sees (`client`, or a node)."""

    to: str
    client: Host
    answer: set[str] | str
    seen: str = "client"


LOCAL_POLICIES = {"external_local": True, "internal_local": True}
ROWS: dict[str, tuple[dict[str, object], tuple[Endpoint, ...], list[Row]]] = {
    "cluster": (
        {},
        READY,
        [
            *(Row(to, host_of(A), EVERYWHERE) for to in (CLUSTER_IP, BALANCED, EXTERNAL, node_address(1))),
            *(Row(to, node_host(2), EVERYWHERE) for to in (CLUSTER_IP, BALANCED, EXTERNAL)),
            *(Row(to, outside(1), EVERYWHERE, "node1") for to in (BALANCED, EXTERNAL, node_address(1))),
            *(Row(to, outside(3), EVERYWHERE, "node3") for to in (BALANCED, EXTERNAL, node_address(3))),
            Row(node_address(3), host_of(A), EVERYWHERE, "node3"),
            Row(node_address(1), node_host(3), EVERYWHERE, "node1"),
            Row(node_address(1), node_host(1), EVERYWHERE, "node1"),
        ],
    ),
    "local": (
        LOCAL_POLICIES,
        READY,
        [
            Row(CLUSTER_IP, host_of(A), {"b"}),
            Row(CLUSTER_IP, node_host(2), {"c"}),
            Row(CLUSTER_IP, node_host(3), DROPPED),
            *(Row(to, host_of(A), EVERYWHERE) for to in (BALANCED, EXTERNAL, node_address(1))),
            *(Row(to, node_host(3), EVERYWHERE) for to in (BALANCED, EXTERNAL)),
            *(Row(to, outside(1), {"b"}) for to in (BALANCED, EXTERNAL, node_address(1))),
            *(Row(to, outside(3), DROPPED) for to in (BALANCED, EXTERNAL, node_address(3))),
            Row(node_address(2), host_of(A), {"c"}),
            Row(node_address(3), host_of(A), DROPPED),
        ],
    ),
    "local-ending": (
        LOCAL_POLICIES,
        (at("b", ready=False, terminating=True), at("c")),
        [
            Row(CLUSTER_IP, host_of(A), {"b"}),
            Row(BALANCED, host_of(A), {"c"}),
            Row(BALANCED, outside(1), {"b"}),
            Row(BALANCED, outside(3), DROPPED),
        ],
    ),
    "ending": (
        {},
        (at("b", ready=False, terminating=True), at("c", ready=False, serving=False, terminating=True)),
        [Row(CLUSTER_IP, host_of(A), {"b"}), Row(BALANCED, outside(3), {"b"}, "node3")],
    ),
    "none": (
        {},
        (at("b", ready=False),),
        [
            *(Row(to, host_of(A), REFUSED) for to in (CLUSTER_IP, BALANCED, EXTERNAL, node_address(1))),
            *(Row(to, outside(3), REFUSED) for to in (BALANCED, node_address(3))),
        ],
    ),
    "none-local": (
        LOCAL_POLICIES,
        (),
        [Row(CLUSTER_IP, host_of(A), REFUSED), Row(BALANCED, outside(3), REFUSED)],
    ),
    "hints": (
        {},
        (replace(at("b"), for_zones=("east",)), replace(at("c"), for_zones=("west",))),
        [
            Row(CLUSTER_IP, host_of(A), {"b"}),
            Row(CLUSTER_IP, host_of(C), {"c"}),
            Row(CLUSTER_IP, node_host(3), EVERYWHERE),
            Row(BALANCED, outside(1), {"b"}, "node1"),
        ],
    ),
    "hints-of-some": (
        {},
        (replace(at("b"), for_zones=("east",)), at("c")),
        [Row(CLUSTER_IP, host_of(A), EVERYWHERE)],
    ),
    "ranges": (
        {"source_ranges": ("10.244.1.0/24", "10.244.1.2/32")},
        READY,
        [
            Row(BALANCED, host_of(A), EVERYWHERE),
            Row(BALANCED, host_of(C), DROPPED),
            Row(BALANCED, outside(1, "10.244.1.77"), EVERYWHERE, "node1"),
            Row(BALANCED, outside(1), DROPPED),
            Row(EXTERNAL, host_of(C), EVERYWHERE),
            Row(node_address(1), outside(1), EVERYWHERE, "node1"),
        ],
    ),
    "outside-endpoint": (
        {},
        (endpoint(node_address(2)),),
        [Row(CLUSTER_IP, host_of(A), {"node2"}), Row(BALANCED, outside(3), {"node2"}, "node3")],
    ),
}  # fmt: skip
CASES = [(name, row) for name, (_, _, rows) in ROWS.items() for row in rows]
ZONES = {1: "east", 2: "west", 3: ""}


def lab(name: str, bucket: int) -> Network:
    fields, endpoints, _ = ROWS[name]
    zoned = [replace(node(i), labels=(("topology.kubernetes.io/zone", zone),)) for i, zone in ZONES.items()]
    chosen = [*zoned, A, B, C, web(**fields), slices(endpoints)]
    return network_of(3, *chosen, choose=lambda buckets: bucket % buckets)


def name_of(address: str) -> str:
    names = {one.network.addresses[0]: name for name, one in PODS.items() if one.network}
    return (names | {node_address(i): f"node{i}" for i in (1, 2, 3)}).get(address, address)


def seen_by(end: str, row: Row) -> str:
    """The source; a client that reaches itself is its gateway to itself."""
    if end == row.client.address:
        return end.rsplit(".", 1)[0] + ".1"
    return row.client.address if row.seen == "client" else node_address(int(row.seen.removeprefix("node")))


@pytest.mark.parametrize(
    ("case", "row"),
    CASES,
    ids=[f"{name}: {row.client.address} by {row.client.port} asks {row.to}" for name, row in CASES],
)
def test_who_answers_and_sees_whom(case: str, row: Row) -> None:
    port = NODE_PORT if row.to in map(node_address, (1, 2, 3)) else 80
    answered = set()
    for bucket in range(2):
        network = lab(case, bucket)
        arrivals = network.send(row.client, row.client.packet(row.to, port=port))
        if row.answer == DROPPED:
            assert arrivals == []
            continue
        (there,) = arrivals
        end = name_of(there.fields["ipv4_dst"])
        if row.answer == REFUSED:
            assert (end, there.fields["tcp_dst"]) == (f"node{row.client.dpid}", 1)
            continue
        answered.add(end)
        assert there.fields["ipv4_src"] == seen_by(there.fields["ipv4_dst"], row)
        assert there.fields["tcp_dst"] == 8080
        back = network.reply(there)
        assert (back.fields["ipv4_src"], back.fields["tcp_src"]) == (row.to, port)
        assert (back.fields["ipv4_dst"], back.fields["tcp_dst"]) == (row.client.address, 40000)
    if isinstance(row.answer, set):
        assert answered == row.answer


def test_an_outside_client_of_an_endpoint_that_is_the_node_itself_keeps_its_address() -> None:
    network = network_of(3, C, web(), slices([endpoint(node_address(1))]))
    client = outside(1)
    there = network.one(client, client.packet(BALANCED))
    assert (there.dpid, there.port, there.fields["ipv4_src"]) == (1, 1, client.address)
    assert network.reply(there).fields["ipv4_src"] == BALANCED


def test_a_node_that_asks_its_own_node_port_and_is_the_endpoint_sees_its_gateway() -> None:
    network = network_of(2, web(), slices([endpoint(node_address(1))]))
    client = node_host(1)
    there = network.one(client, client.packet(node_address(1), port=NODE_PORT))
    assert (there.port, there.fields["ipv4_src"], there.fields["tcp_dst"]) == (client.port, "172.30.0.1", 8080)
    back = network.reply(there)
    assert (back.fields["ipv4_src"], back.fields["tcp_src"]) == (node_address(1), NODE_PORT)


@pytest.mark.parametrize("port", [NODE_PORT, 80], ids=["node port", "external address"])
def test_an_endpoint_that_is_asked_by_its_own_address_and_port_is_not_translated(port: int) -> None:
    own = web(external_ips=(node_address(1),), ports=(ServicePort("http", "TCP", 80, port, NODE_PORT),))
    network = network_of(2, C, own, endpoint_slice("web", [endpoint(node_address(1))], ("http", "TCP", port)))
    for client in (outside(1), node_host(2)):
        there = network.one(client, client.packet(node_address(1), port=port))
        assert (there.fields["ipv4_dst"], there.fields["tcp_dst"]) == (node_address(1), port)
        assert there.fields["ipv4_src"] == client.address
        back = network.reply(there)
        assert (back.fields["ipv4_src"], back.fields["tcp_src"]) == (node_address(1), port)


def test_masqueraded_packets_that_follow_the_first_are_masqueraded_too() -> None:
    network, client = lab("cluster", 1), outside(1)
    first = network.one(client, client.packet(BALANCED))
    again = network.one(client, client.packet(BALANCED))
    assert again.fields == first.fields
    assert again.fields["ipv4_src"] == node_address(1)
    network.reply(again)
    assert network.one(client, client.packet(BALANCED)).fields == first.fields


def test_two_outside_clients_with_the_same_port_are_told_apart() -> None:
    network = lab("cluster", 1)
    one, other = outside(1), outside(1, "10.244.2.10")
    ports = {network.one(client, client.packet(BALANCED)).fields["tcp_src"] for client in (one, other)}
    assert len(ports) == 2
    assert all(11264 <= port <= 28671 for port in ports)


@pytest.mark.parametrize("address", [CLUSTER_IP, BALANCED])
def test_undeclared_ports_are_refused(address: str) -> None:
    network, client = lab("cluster", 0), host_of(A)
    there = network.one(client, client.packet(address, port=81))
    assert (there.fields["ipv4_dst"], there.fields["tcp_dst"]) == (node_address(1), 1)


def test_headless_services_and_external_names_have_no_flows() -> None:
    desired = network_of(2).desired
    for one in (web(cluster_ips=()), web(type="ExternalName", cluster_ips=())):
        assert desired.put("Service", one.key, one) == {}


HOSTED = replace(B, ports=(ContainerPort("http", 8080, "TCP", host_port=8000),))


@pytest.mark.parametrize(
    "client", [host_of(A), host_of(C), node_host(2), outside(1)], ids=["a", "c", "node2", "uplink"]
)
def test_a_host_port_leads_to_its_pod_and_keeps_the_client(client: Host) -> None:
    network = network_of(2, A, HOSTED, C)
    there = network.one(client, client.packet(node_address(1), port=8000))
    assert (name_of(there.fields["ipv4_dst"]), there.fields["tcp_dst"]) == ("b", 8080)
    assert there.fields["ipv4_src"] == client.address
    back = network.reply(there)
    assert (back.fields["ipv4_src"], back.fields["tcp_src"]) == (node_address(1), 8000)


def test_a_host_port_is_its_nodes_and_its_addresss_alone() -> None:
    elsewhere = replace(B, ports=(ContainerPort("", 8080, "TCP", 8000, "192.0.2.9"),))
    loopback = replace(A, ports=(ContainerPort("", 8080, "TCP", 8000, "127.0.0.1"),))
    network = network_of(2, loopback, elsewhere, C)
    client = host_of(C)
    assert network.one(client, client.packet(node_address(1), port=8000)).fields["tcp_dst"] == 8000
    assert network.one(outside(1), outside(1).packet("192.0.2.9", port=8000)).fields["tcp_dst"] == 8080


def test_a_node_port_comes_before_the_same_host_port() -> None:
    hosted = replace(B, ports=(ContainerPort("http", 8080, "TCP", host_port=NODE_PORT),))
    network = network_of(2, hosted, C, web(), slices([at("c")]))
    client = node_host(2)
    assert name_of(network.one(client, client.packet(node_address(1), port=NODE_PORT)).fields["ipv4_dst"]) == "c"


def test_only_what_differs_from_node_to_node_is_said_for_each() -> None:
    desired = network_of(3, B, C).desired
    desired.put("Service", Key("default", "web"), web())
    changes = desired.put("EndpointSlice", Key("default", "web-1"), slices(READY))
    assert list(changes) == [EVERY_NODE]
    changes = desired.put("Service", Key("default", "web"), web(external_local=True))
    assert set(changes) == {EVERY_NODE, 1, 2, 3}


def services(desired: Desired, count: int) -> None:
    for number in range(count):
        one = replace(web(), key=Key("default", f"s{number}"), cluster_ips=(f"10.96.1.{number}",), ports=web().ports)
        desired.put("Service", one.key, replace(one, ingress_ips=(), external_ips=(), type="ClusterIP"))


def test_a_node_concerns_the_services_that_differ_from_node_to_node_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    desired = network_of(3, B, C, web(external_local=True), slices(READY)).desired
    services(desired, 5)
    worked_out: list[object] = []
    of_service = Desired._of_service
    monkeypatch.setattr(Desired, "_of_service", lambda self, one: worked_out.append(one.key) or of_service(self, one))
    desired.put("Node", Key("", "node3"), replace(node(3), ready=False))
    assert worked_out == []
    desired.put("Node", Key("", "node3"), replace(node(3), labels=(("topology.kubernetes.io/zone", "north"),)))
    assert worked_out == [Key("default", "web")]


def test_a_pods_weight_concerns_its_services_alone() -> None:
    desired = network_of(3, B, C, web(balancing="weighted"), slices(READY)).desired
    services(desired, 5)
    changes = desired.put("Pod", B.key, replace(B, weight=5))
    (group,) = changes[EVERY_NODE].groups.values()
    assert group is not None
    assert "weight" in group.text
    assert desired.put("Pod", C.key, replace(C, weight=1, phase="Pending")) == {}


def test_a_service_that_goes_leaves_nothing() -> None:
    network = lab("local", 0)
    for view in (web(**LOCAL_POLICIES), slices(READY)):
        network.remove(view)
    bare = network_of(3, A, B, C)
    for dpid in (1, 2, 3):
        held = {flow.text for flow in network.fabric.switches[dpid].holds().flows.values()}
        assert held == {flow.text for flow in bare.desired.wanted(dpid).flows.values()}
        assert not network.fabric.switches[dpid].groups
