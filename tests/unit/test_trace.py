"""`podwire trace`: reading what Open vSwitch prints, choosing the packet, and the datapath's hash."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from network_model import cluster_of, node, pod, service

from k8sshim.errors import BadInput
from k8sshim.objects import ContainerPort, Key
from lab.tracing.hashing import connection_hash
from lab.tracing.network import Network
from lab.tracing.packet import packet
from lab.tracing.transcript import after, fields, visits

pytestmark = pytest.mark.unit
PRINTED = (Path(__file__).parent / "data" / "ofproto-trace.txt").read_text()


def test_a_trace_is_read_switch_by_switch_though_open_vswitch_misnames_those_after_conntrack() -> None:
    assert [(visit.switch, visit.table) for visit in visits(PRINTED, "b1")] == [
        *(("b1", table) for table in (0, 10, 20, 30, 40, 50, 60, 80, 90, 100, 110, 120, 130, 140, 150, 160)),
        ("s1", 0),
        *(("b3", table) for table in (0, 30, 40, 110, 120, 130, 140, 150, 160)),
    ]


def test_each_visit_has_the_packet_as_it_came() -> None:
    found = visits(PRINTED, "b1")
    assert [visit.packet["nw_dst"] for visit in found if visit.table in (60, 110)] == [
        "10.96.0.2",
        "10.244.2.2",
        "10.244.2.2",
    ]
    assert [visit.packet["nw_ttl"] for visit in found if visit.table == 110] == ["64", "62"]
    assert after(found[10])["nw_ttl"] == "63"


def test_the_port_that_a_switch_sends_out_of_is_told_with_the_flow_that_does_it() -> None:
    outputs = [(visit.switch, visit.table, visit.output) for visit in visits(PRINTED, "b1") if visit.output is not None]
    assert outputs == [("b1", 160, 2), ("s1", 0, 3), ("b3", 160, 18)]


def test_a_table_without_a_flow_is_a_visit_without_a_cookie() -> None:
    text = 'Flow: tcp,in_port=1\n\nbridge("b1")\n------\n 0. No match.\n    drop\n\nFinal flow: unchanged\n'
    (visit,) = visits(text, "b1")
    assert (visit.cookie, visit.match, visit.actions) == (0, "", ("drop",))


def test_fields_without_a_value_stand_for_themselves() -> None:
    assert fields("tcp,nw_src=10.0.0.1,vlan_tci=0x0000") == {"tcp": "", "nw_src": "10.0.0.1", "vlan_tci": "0x0000"}


@pytest.mark.parametrize(("low", "high"), [(41000, 41063)])
def test_the_hash_is_the_one_that_an_open_vswitch_was_seen_to_use(low: int, high: int) -> None:
    seen = {0xA5D91B57, 0x33D7F3FD, 0x85B0C28A, 0xD053E811, 0xC48A43CC, 0x35FB7B1B, 0x54E67550, 0x3DF8B222}
    assert seen <= {connection_hash("10.244.0.2", "10.96.0.2", 6, port, 6379) for port in range(low, high + 1)}


def test_the_hash_leaves_the_ports_of_udp_out() -> None:
    assert len({connection_hash("10.244.0.2", "10.96.0.2", 17, port, 53) for port in range(2000, 2050)}) == 1


def network() -> Network:
    web = replace(pod("web", 2, 2), ports=(ContainerPort("http", 8080, "TCP"),))
    two = service("two", "10.96.0.5", ("web", "TCP", 80), ("dns", "UDP", 53))
    one = service("one", "10.96.0.6", ("", "UDP", 5000))
    headless = replace(service("headless", "", ("", "TCP", 80)), cluster_ips=())
    named = replace(headless, key=Key("default", "named"), external_name="example.com")
    views = [("Cluster", Key("", "lab"), cluster_of(2)), *(("Node", Key("", f"node{i}"), node(i)) for i in (1, 2))]
    views += [("Pod", one.key, one) for one in (pod("client", 1, 2), web)]
    views += [("Service", each.key, each) for each in (two, one, headless, named)]
    return Network(views)


def target(text: str, protocol: str = "", source: str = "client") -> tuple[str, int, str]:
    found = packet(network(), source, text, protocol=protocol).target
    return found.address, found.port, found.protocol


@pytest.mark.parametrize(
    ("text", "protocol", "expected"),
    [
        ("svc/two:80", "", ("10.96.0.5", 80, "TCP")),
        ("svc/two:dns", "", ("10.96.0.5", 53, "UDP")),
        ("svc/two.default:web", "", ("10.96.0.5", 80, "TCP")),
        ("service/default/two:81", "", ("10.96.0.5", 81, "TCP")),
        ("svc/two", "udp", ("10.96.0.5", 53, "UDP")),
        ("svc/one", "", ("10.96.0.6", 5000, "UDP")),
        ("web", "", ("10.244.2.2", 8080, "TCP")),
        ("web:http", "", ("10.244.2.2", 8080, "TCP")),
        ("default/web:9", "UDP", ("10.244.2.2", 9, "UDP")),
        ("web", "ICMP", ("10.244.2.2", 0, "ICMP")),
        ("client", "", ("10.244.1.2", 0, "ICMP")),
        ("node2", "", ("172.30.0.3", 0, "ICMP")),
        ("node2:22", "", ("172.30.0.3", 22, "TCP")),
        ("192.0.2.1:80", "", ("192.0.2.1", 80, "TCP")),
    ],
)
def test_where_the_packet_is_sent(text: str, protocol: str, expected: tuple[str, int, str]) -> None:
    assert target(text, protocol) == expected


@pytest.mark.parametrize(
    ("source", "text", "protocol", "said"),
    [
        ("nobody", "web", "", 'no pod or node "nobody"; nodes: node1, node2; pods: default/client, default/web'),
        ("client", "svc/none:80", "", 'no service "none"; there are: default/headless, default/named, default/one'),
        ("client", "svc/two", "", "service default/two: which port? It has web (80/TCP), dns (53/UDP)"),
        ("client", "svc/two:http", "", "service default/two: which port?"),
        ("client", "svc/headless:80", "", "service default/headless is headless"),
        ("client", "svc/named", "", "service default/named is a name for example.com: it has no address"),
        ("client", "web:nope", "", 'pod default/web has no port of the name "nope"'),
        ("client", "web:0", "", "'0' is no port"),
        ("client", "web:65536", "", "'65536' is no port"),
        ("client", "web:", "", "web:: no port after the colon"),
        ("client", "fe80::1", "", "fe80::1: a lab's network has no IPv6 addresses"),
        ("client", "[::1]:80", "", "[::1]:80: a lab's network has no IPv6 addresses"),
        ("client", "node2", "TCP", "node node2: TCP needs a port: write node node2:PORT"),
        ("client", "node2:80", "ICMP", "ICMP has no ports"),
        ("client", "web", "HTTP", "--protocol: HTTP is none of ICMP, TCP, UDP, SCTP"),
        ("HOST", "web", "", "this lab has no outside host"),
    ],
)
def test_a_packet_that_cannot_be_is_refused_with_what_there_is(
    source: str, text: str, protocol: str, said: str
) -> None:
    with pytest.raises(BadInput) as refused:
        packet(network(), source, text, protocol=protocol)
    assert said in str(refused.value)


def test_the_packet_is_the_first_of_a_connection() -> None:
    flow = fields(packet(network(), "client", "svc/two:80", source_port=41000).flow())
    assert {name: flow[name] for name in ("in_port", "nw_src", "nw_dst", "tcp_src", "tcp_dst", "tcp_flags")} == {
        "in_port": "18", "nw_src": "10.244.1.2", "nw_dst": "10.96.0.5", "tcp_src": "41000", "tcp_dst": "80",
        "tcp_flags": "syn",
    }  # fmt: skip


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "SCTP"])
def test_ports_are_named_by_their_protocol(protocol: str) -> None:
    """Open vSwitch takes `tp_src` for TCP's alone, although it prints it for all of them."""
    flow = fields(packet(network(), "client", "svc/two:81", protocol=protocol, source_port=41000).flow())
    assert (flow[f"{protocol.lower()}_src"], flow[f"{protocol.lower()}_dst"]) == ("41000", "81")


def test_what_would_become_of_a_larger_packet_is_no_part_of_the_way() -> None:
    compared = """\
Flow: tcp,in_port=18

bridge("b1")
------------
150. ip,nw_dst=10.244.2.0/24, priority 100, cookie 0x1
    goto_table:153
153. ip,reg1=0xea60, priority 100, cookie 0x2
    check_pkt_larger(1464)->NXM_NX_REG0[13]
    load:0x5aa->NXM_NX_REG4[16..31]
    goto_table:156
    156. ip,reg0=0x2000/0x2000, priority 100, cookie 0x3
            CONTROLLER:128
    load:0x5aa->NXM_NX_REG4[16..31]
    goto_table:156
156. priority 0, cookie 0x4
    goto_table:220
220. priority 100, cookie 0x5
    output:NXM_NX_REG1[]
     -> output port is 60000

Final flow: unchanged
"""
    found = visits(compared, "b1")
    assert [(visit.table, visit.cookie) for visit in found] == [(150, 1), (153, 2), (156, 4), (220, 5)]
    assert found[-1].output == 60000
    assert not any(visit.to_controller for visit in found)
