"""Flows and groups as OpenFlow messages, read back by the framework's own parser."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from network_model import endpoint, endpoint_slice, network_of, pod, service

from controller import framework
from controller.actions import SOURCE_ADDRESS, Ct, Goto, Learn, Move, Multipath, Nat, SetField, load
from controller.encode import Encoder, with_xid
from controller.flows import IP, UDP, Flow, Owner
from controller.held import held_flows, held_groups
from controller.marks import (
    ENDPOINT,
    ENDPOINT_IPV4,
    ENDPOINT_PORT,
    MASQUERADE,
    MASQUERADED,
    SERVICE_PORT,
    SLOT,
    SOURCE,
    SOURCE_TRANSLATED,
    SOURCE_ZONE,
    ZONE,
    Feature,
    Priority,
)
from controller.services import Backend
from controller.stale import Stale
from controller.tables import CONNTRACK, ROUTING, SERVICE_AFFINITY

pytestmark = pytest.mark.unit
PROTOCOL = framework.load("os-ken").protocol
ENCODER = Encoder(PROTOCOL)
OWNER = Owner(Feature.ROUTING, "Pod default/a")
PADDING = 8


def flow(fields: dict[str, Any], *actions: Any) -> Flow:
    return OWNER.flow(CONNTRACK, Priority.NORMAL, fields, *actions)


def read_back(message: bytes) -> Any:
    version, kind, length, xid = struct.unpack_from("!BBHI", message)
    assert length == len(message)
    return PROTOCOL.ofproto_parser.msg_parser(PROTOCOL, version, kind, length, xid, message)


def match_fields(message: bytes) -> list[int]:
    """Class and number of each field of a flow-mod's match, in order (OpenFlow 1.4.0, 7.2.2)."""
    offset, found = 48, []
    end = offset + struct.unpack_from("!HH", message, offset)[1]
    offset += 4
    while offset < end:
        header = struct.unpack_from("!I", message, offset)[0]
        found.append(header >> 9)
        offset += 4 + (header & 0xFF)
    return found


def test_marks_of_one_register_are_matched_together() -> None:
    message = ENCODER.add_flow(flow({SOURCE.name: 3, ENDPOINT.name: 0, SOURCE_TRANSLATED.name: 1}))
    assert len(match_fields(message)) == 1
    value_and_mask = message[56:64]
    assert value_and_mask == bytes.fromhex("000000430000007f")


def test_the_protocol_comes_before_the_fields_that_require_it() -> None:
    message = ENCODER.add_flow(flow({"nw_ttl": 1, "eth_type": IP}))
    ethernet_type, nicira_ttl = 0x8000 << 7 | 5, 0x0001 << 7 | 29
    assert match_fields(message) == [ethernet_type, nicira_ttl]


def test_the_cookie_and_the_table_are_the_flows_own() -> None:
    one = flow({"eth_type": IP}, Goto(ROUTING))
    message = ENCODER.add_flow(one)
    assert struct.unpack_from("!Q", message, 8)[0] == one.cookie
    assert message[24] == CONNTRACK.number


@pytest.mark.parametrize("port", [0, 8080])
@pytest.mark.parametrize("marks", [(), (("translated", 1),)])
def test_conntrack_actions_have_the_length_they_say(port: int, marks: tuple[tuple[str, int], ...]) -> None:
    ct = Ct(ZONE.name, commit=True, nat=Nat("dst", "10.244.1.2", port), load=marks, table=ROUTING)
    message = ENCODER.add_flow(flow({"eth_type": IP}, ct))
    assert len(message) % PADDING == 0
    assert struct.unpack_from("!H", message, 2)[0] == len(message)
    instructions = message[48 + 16 :]
    assert struct.unpack_from("!H", instructions, 2)[0] == len(instructions)
    assert struct.unpack_from("!H", instructions, 10)[0] == len(instructions) - 8


def test_a_part_of_a_register_is_written() -> None:
    message = ENCODER.add_flow(flow({}, load(SOURCE_ZONE, 0x8001)))
    register_2_bits_16_to_31 = struct.pack("!HI", 16 << 6 | 15, 0x00010404)
    assert register_2_bits_16_to_31 + struct.pack("!Q", 0x8001) in message


def test_a_goto_inside_a_group_is_an_error() -> None:
    with pytest.raises(ValueError, match="goto_table:Routing"):
        ENCODER.put_group(OWNER.group(1, ((Goto(ROUTING),),)))


def test_a_groups_content_comes_back_from_its_note() -> None:
    group = OWNER.group(7, ((SetField("eth_dst", "0a:58:00:00:00:01"),), (SetField("eth_dst", "0a:58:00:00:00:02"),)))
    message = read_back(ENCODER.put_group(group)) if hasattr(PROTOCOL.ofproto_parser, "msg_parser") else None
    del message  # switches parse group-mods; the controller reads the same buckets out of their descriptions
    parser = PROTOCOL.ofproto_parser
    buckets, offset, body = [], 16, ENCODER.put_group(group)
    while offset < len(body):
        buckets.append(parser.OFPBucket.parser(body, offset))
        offset += buckets[-1].len
    reply = parser.OFPGroupDescStatsReply(PROTOCOL, body=[parser.OFPGroupDescStats(group_id=7, buckets=buckets)])
    assert held_groups(reply) == {7: group.content}


def test_what_a_switch_holds_is_read_from_its_statistics() -> None:
    entry = struct.pack("!HBxIIHHHHH2xQQQ", 56, 30, 1, 0, 100, 0, 0, 0, 0, 0xABCDEF, 0, 0) + struct.pack("!HH4x", 1, 4)
    header = struct.pack("!BBHIHH4x", 5, 19, 16 + 2 * len(entry), 1, 1, 0)
    reply = PROTOCOL.ofproto_parser.OFPFlowStatsReply.parser(
        PROTOCOL, 5, 19, 16 + 2 * len(entry), 1, header + entry * 2
    )
    assert held_flows(reply) == [(30, 0xABCDEF)] * 2


def test_only_the_transaction_id_differs() -> None:
    message = ENCODER.delete_group(7)
    changed = with_xid(message, 0x01020304)
    assert changed[:4] + changed[8:] == message[:4] + message[8:]
    assert changed[4:8] == b"\x01\x02\x03\x04"


def test_all_flows_of_a_network_can_be_encoded() -> None:
    http = ("http", "TCP", 80)
    slices = endpoint_slice("web", [endpoint("10.244.1.2")], http)
    network = network_of(2, pod("a", 1, 2), service("web", "10.96.0.10", http), slices, leaves=2)
    for dpid in network.fabric.switches:
        rules = network.desired.wanted(dpid)
        messages = [*map(ENCODER.add_flow, rules.flows.values()), *map(ENCODER.put_group, rules.groups.values())]
        assert all(struct.unpack_from("!H", message, 2)[0] == len(message) for message in messages)


def test_a_hash_of_the_packet_is_written_into_a_mark() -> None:
    message = ENCODER.add_flow(flow({"eth_type": IP}, Multipath(SOURCE_ADDRESS, 0x1234, 251, SLOT.name)))
    fields, basis, modulo_n, last = 4, 0x1234, 0, 250
    register_6_bits_0_to_15 = struct.pack("!HI", 0 << 6 | 15, 0x00010C04)
    assert struct.pack("!HHHHHHI2x", 10, fields, basis, 0, modulo_n, last, 0) + register_6_bits_0_to_15 in message


def test_a_learned_flow_matches_and_loads_what_it_is_told() -> None:
    match = (("eth_type", IP), (SERVICE_PORT.name, 0x12345678))
    loads = (SetField(ENDPOINT_IPV4.name, "10.244.1.2"), load(ENDPOINT_PORT, 8080))
    learn = Learn(SERVICE_AFFINITY, 200, 0xABCD, 30, match, ("ipv4_src",), loads)
    message = ENCODER.add_flow(flow({"eth_type": IP}, learn, Goto(ROUTING)))
    action = PROTOCOL.ofproto_parser.OFPAction.parser(message, 64 + 8)
    assert (action.table_id, action.priority, action.cookie, action.idle_timeout) == (
        SERVICE_AFFINITY.number,
        200,
        0xABCD,
        30,
    )
    specs = [(type(one).__name__, one.src, one.dst, one.n_bits) for one in action.specs]
    assert specs == [
        ("NXFlowSpecMatch", IP, ("eth_type", 0), 16),
        ("NXFlowSpecMatch", 0x12345678, ("reg5", 0), 32),
        ("NXFlowSpecMatch", ("ipv4_src", 0), ("ipv4_src", 0), 32),
        ("NXFlowSpecLoad", 0x0AF40102, ("reg3", 0), 32),
        ("NXFlowSpecLoad", 8080, ("reg4", 0), 16),
    ]
    assert len(message) % PADDING == 0
    assert struct.unpack_from("!H", message, 2)[0] == len(message)


def test_buckets_have_weights() -> None:
    message = ENCODER.put_group(OWNER.group(7, ((SetField("eth_dst", "0a:58:00:00:00:01"),),), (42,)))
    assert PROTOCOL.ofproto_parser.OFPBucket.parser(message, 16).weight == 42


def test_ports_under_a_mask_and_moves_between_marks() -> None:
    move = Move(MASQUERADE.name, MASQUERADED.name)
    one = flow(
        {"eth_type": IP, "ip_proto": UDP, "udp_dst": "0x2000/0xe000"},
        Ct(ZONE.name, commit=True, nat=Nat("src", "172.30.0.2", 8192, 28671), move=(move,), table=ROUTING),
    )
    message = ENCODER.add_flow(one)
    assert bytes.fromhex("800021042000e000") in message  # OXM_OF_UDP_DST with a mask
    assert bytes.fromhex("ffff0018000023200006000100070001") in message  # one bit, from 7 to 1
    assert bytes.fromhex("ac1e000220006fff") in message


def test_connections_are_forgotten_as_open_vswitch_reads_it() -> None:
    """An experimenter's message (0x2320, 32) for UDP, and properties: both tuples, and the zone."""
    message = ENCODER.forget(7, Stale("10.96.0.10", 53, Backend("10.244.1.3", 5353)))
    assert message.hex() == (
        "0504007000000000" "00002320" "00000020" "1100000000000000"
        "0000002800000000" "0003000800350000" "00010014" "00000000000000000000ffff0a60000a" "00000000"
        "0001002800000000" "00000014" "00000000000000000000ffff0af40103" "00000000" "0002000814e90000"
        "0002000800070000"
    )  # fmt: skip
    everything = ENCODER.forget(7, None).hex()
    assert everything == "0504002000000000000023200000002011000000000000000002000800070000"
