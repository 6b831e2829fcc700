"""Flows and groups as OpenFlow 1.4 messages, Nicira's extensions included; and what a switch holds, read back.

Messages come out as bytes with an empty transaction id, since the same flow goes to many switches: it is encoded once.
The digest of a group's content travels in a `note` action of its first bucket, which does nothing but come back when
the switch is asked what it holds.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Iterable
from typing import Any

from .actions import Actions, Goto, Metered, Resubmit
from .encode_actions import ActionEncoder
from .encode_fields import match_fields
from .flows import UDP, Flow, FlowId, Group, Watch
from .framework import Message
from .services import THIS_NODE
from .stale import Stale
from .tables import Table

ADD_OR_MODIFY_GROUP = 0x8000  # Open vSwitch: OFPGC11_ADD_OR_MOD
WHOLE_COOKIE = 0xFFFFFFFFFFFFFFFF
NICIRA, CT_FLUSH = 0x2320, 32  # Open vSwitch: NXT_CT_FLUSH, with the properties that follow
FLUSH_ORIGINAL, FLUSH_REPLY, FLUSH_ZONE = 0, 1, 2
TUPLE_FROM, TUPLE_TO, TUPLE_FROM_PORT, TUPLE_TO_PORT = 0, 1, 2, 3
MOST_ENCODED = 200_000  # messages that are kept for the next switch; about 300 bytes each
XID = struct.Struct("!I")
XID_OFFSET = 4


class Encoder:
    """Makes messages with a framework's OpenFlow modules (`ofproto`, `ofproto_parser`)."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._numbers = protocol.ofproto
        self._parser = protocol.ofproto_parser
        self._action = ActionEncoder(protocol)
        self._encoded: dict[FlowId | int, bytes] = {}  # flows by id, groups by their content's digest

    def add_flow(self, flow: Flow) -> bytes:
        """Add a flow, or overwrite the one with the same match and priority."""
        return self._once(flow.id, lambda: self._add_flow(flow))

    def put_group(self, group: Group) -> bytes:
        """Add a group, or give the one with the same number these buckets."""
        return self._once(group.content, lambda: self._put_group(group))

    def _once(self, key: FlowId | int, encode: Callable[[], bytes]) -> bytes:
        """Every switch is sent the same bytes."""
        known = self._encoded.get(key)
        if known is None:
            if len(self._encoded) >= MOST_ENCODED:
                self._encoded.clear()
            known = self._encoded[key] = encode()
        return known

    def _add_flow(self, flow: Flow) -> bytes:
        actions = [self._action.of(action) for action in flow.actions if not isinstance(action, Goto | Metered)]
        apply, goto = self._parser.OFPInstructionActions, self._parser.OFPInstructionGotoTable
        instructions = [self._parser.OFPInstructionMeter(one.meter) for one in flow.actions if isinstance(one, Metered)]
        instructions += [apply(self._numbers.OFPIT_APPLY_ACTIONS, actions)] if actions else []
        instructions += [goto(action.table.number) for action in flow.actions if isinstance(action, Goto)]
        return self._flow_mod(
            self._numbers.OFPFC_ADD,
            flow.id,
            priority=int(flow.priority),
            match=self._parser.OFPMatch(_ordered_fields=match_fields(flow.match)),
            instructions=instructions,
        )

    def delete_flow(self, flow: FlowId) -> bytes:
        """Delete the flow that has this cookie in this table."""
        match = self._parser.OFPMatch()
        return self._flow_mod(self._numbers.OFPFC_DELETE, flow, cookie_mask=WHOLE_COOKIE, match=match, instructions=[])

    def _flow_mod(self, command: int, flow: FlowId, **rest: Any) -> bytes:
        return self._bytes(
            self._parser.OFPFlowMod(
                self._protocol,
                table_id=flow[0],
                cookie=flow[1],
                command=command,
                buffer_id=self._numbers.OFP_NO_BUFFER,
                out_port=self._numbers.OFPP_ANY,
                out_group=self._numbers.OFPG_ANY,
                **rest,
            )
        )

    def _put_group(self, group: Group) -> bytes:
        note = self._parser.NXActionNote(note=list(group.content.to_bytes(8, "big")))
        watches = group.watches or (Watch(),) * len(group.buckets)
        buckets = [
            self._parser.OFPBucket(
                weight=0 if group.first else weight,
                watch_port=watch.port or self._numbers.OFPP_ANY,
                watch_group=watch.group or self._numbers.OFPG_ANY,
                actions=[*([note] if place == 0 else []), *map(self._action.of, actions)],
            )
            for place, (actions, weight, watch) in enumerate(zip(group.buckets, group.weights, watches, strict=True))
        ]
        kind = self._numbers.OFPGT_FF if group.first else self._numbers.OFPGT_SELECT
        return self._group_mod(ADD_OR_MODIFY_GROUP, group.number, buckets, kind)

    def delete_group(self, number: int) -> bytes:
        return self._group_mod(self._numbers.OFPGC_DELETE, number, [], self._numbers.OFPGT_SELECT)

    def _group_mod(self, command: int, number: int, buckets: list[Any], kind: int) -> bytes:
        return self._bytes(self._parser.OFPGroupMod(self._protocol, command, kind, number, buckets))

    def bundle(self, number: int, messages: Iterable[bytes], first_xid: int) -> bytes:
        """A whole bundle, atomic and in order: opened, filled, committed. Transaction ids count up from the first."""
        ofp = self._numbers
        flags = ofp.OFPBF_ATOMIC | ofp.OFPBF_ORDERED
        out = bytearray(with_xid(self._bundle_control(number, ofp.OFPBCT_OPEN_REQUEST, flags), first_xid))
        xid = first_xid
        for message in messages:
            xid += 1
            length = 16 + len(message)
            out += struct.pack("!BBHIIHH", ofp.OFP_VERSION, ofp.OFPT_BUNDLE_ADD_MESSAGE, length, xid, number, 0, flags)
            out += with_xid(message, xid)
        out += with_xid(self._bundle_control(number, ofp.OFPBCT_COMMIT_REQUEST, flags), xid + 1)
        return bytes(out)

    def _bundle_control(self, number: int, kind: int, flags: int) -> bytes:
        return self._bytes(self._parser.OFPBundleCtrlMsg(self._protocol, number, kind, flags, []))

    def packet_out(self, frame: bytes, marks: Actions, table: Table) -> bytes:
        """Send a frame through the switch's own stages from `table` on.

        It comes in by the bridge's own port, which alone is sure to be one of the datapath's: what comes from the
        controller, or from a patch port, is lost when the next bridge looks up its connection.
        """
        in_port = self._numbers.OFPP_LOCAL
        actions = [self._action.of(action) for action in (*marks, Resubmit(table))]
        return self._bytes(
            self._parser.OFPPacketOut(self._protocol, self._numbers.OFP_NO_BUFFER, in_port, actions, frame)
        )

    def forget(self, zone: int, stale: Stale | None) -> bytes:
        """Forget UDP connections of a zone, or all of them: Open vSwitch's NXT_CT_FLUSH (since 3.1)."""
        original = _property(TUPLE_TO_PORT, struct.pack("!H2x", stale.port)) if stale else b""
        if stale and stale.address != THIS_NODE:
            original += _property(TUPLE_TO, _mapped(stale.address))
        reply = b""
        if stale and stale.endpoint:
            reply = _property(TUPLE_FROM, _mapped(stale.endpoint.address))
            reply += _property(TUPLE_FROM_PORT, struct.pack("!H2x", stale.endpoint.port))
        tuples = [
            _property(kind, bytes(4) + one) for kind, one in ((FLUSH_ORIGINAL, original), (FLUSH_REPLY, reply)) if one
        ]
        body = struct.pack("!B7x", UDP) + b"".join(tuples) + _property(FLUSH_ZONE, struct.pack("!H2x", zone))
        kind, length = self._numbers.OFPT_EXPERIMENTER, 16 + len(body)
        return struct.pack("!BBHIII", self._numbers.OFP_VERSION, kind, length, 0, NICIRA, CT_FLUSH) + body

    def add_meter(self, number: int, per_s: int) -> bytes:
        """A meter that lets so many packets a second through, and as many at once."""
        ofp, parser = self._numbers, self._parser
        flags = ofp.OFPMF_PKTPS | ofp.OFPMF_BURST | ofp.OFPMF_STATS
        bands = [parser.OFPMeterBandDrop(rate=per_s, burst_size=per_s)]
        return self._bytes(parser.OFPMeterMod(self._protocol, ofp.OFPMC_ADD, flags, number, bands))

    def ask_flows(self) -> bytes:
        """Ask for every flow of every table."""
        ofp, everything = self._numbers, self._parser.OFPMatch()
        return self._bytes(
            self._parser.OFPFlowStatsRequest(
                self._protocol, 0, ofp.OFPTT_ALL, ofp.OFPP_ANY, ofp.OFPG_ANY, 0, 0, everything
            )
        )

    def ask_groups(self) -> bytes:
        """Ask for every group's buckets."""
        return self._bytes(self._parser.OFPGroupDescStatsRequest(self._protocol, 0))

    def _bytes(self, message: Message) -> bytes:
        message.set_xid(0)
        message.serialize()
        return bytes(message.buf)


def _property(kind: int, value: bytes) -> bytes:
    """A property of an OpenFlow message, padded to 8 bytes."""
    length = 4 + len(value)
    return struct.pack("!HH", kind, length) + value + bytes(-length % 8)


def _mapped(address: str) -> bytes:
    """As an IPv6 address."""
    return bytes(10) + b"\xff\xff" + ipaddress.IPv4Address(address).packed


def with_xid(message: bytes, xid: int) -> bytes:
    """The same message with a transaction id."""
    return message[:XID_OFFSET] + XID.pack(xid) + message[XID_OFFSET + XID.size :]
