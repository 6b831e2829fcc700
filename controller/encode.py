"""Flows and groups as OpenFlow 1.4 messages, Nicira's extensions included; and what a switch holds, read back.

Messages come out as bytes with an empty transaction id, since the same flow goes to many switches: it is encoded once.
The digest of a group's content travels in a `note` action of its first bucket, which does nothing but come back when
the switch is asked what it holds.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from .actions import (
    Action,
    Actions,
    Ct,
    DecTtl,
    Goto,
    Move,
    Nat,
    Output,
    OutputMark,
    Resubmit,
    SetField,
    ToController,
    ToGroup,
    Value,
)
from .flows import Flow, FlowId, Group, Match
from .framework import Message
from .marks import MARKS, Mark
from .tables import Table

ADD_OR_MODIFY_GROUP = 0x8000  # Open vSwitch: OFPGC11_ADD_OR_MOD
NO_TABLE = 0xFF
CT_COMMIT, NAT_SOURCE, NAT_DESTINATION = 1, 1, 2
CT_STATES = {"new": 0x01, "est": 0x02, "rel": 0x04, "rpl": 0x08, "inv": 0x10, "trk": 0x20, "snat": 0x40, "dnat": 0x80}
WHOLE_COOKIE = 0xFFFFFFFFFFFFFFFF
WIDTHS = {"eth_src": 48, "eth_dst": 48, "ipv4_src": 32, "ipv4_dst": 32, "arp_spa": 32, "arp_tpa": 32}
XID = struct.Struct("!I")
XID_OFFSET = 4


class Encoder:
    """Makes messages with a framework's OpenFlow modules (`ofproto`, `ofproto_parser`)."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._numbers = protocol.ofproto
        self._parser = protocol.ofproto_parser
        self.add_flow = lru_cache(maxsize=8192)(self._add_flow)

    def _add_flow(self, flow: Flow) -> bytes:
        """Add a flow, or overwrite the one with the same match and priority."""
        actions = [self._action(action) for action in flow.actions if not isinstance(action, Goto)]
        apply, goto = self._parser.OFPInstructionActions, self._parser.OFPInstructionGotoTable
        instructions = [apply(self._numbers.OFPIT_APPLY_ACTIONS, actions)] if actions else []
        instructions += [goto(action.table.number) for action in flow.actions if isinstance(action, Goto)]
        return self._flow_mod(
            self._numbers.OFPFC_ADD,
            flow.id,
            priority=int(flow.priority),
            match=self._match(flow.match),
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

    def put_group(self, group: Group) -> bytes:
        """Add a group, or give the one with the same number these buckets."""
        note = self._parser.NXActionNote(note=list(group.content.to_bytes(8, "big")))
        buckets = [
            self._parser.OFPBucket(
                weight=1,
                watch_port=self._numbers.OFPP_ANY,
                watch_group=self._numbers.OFPG_ANY,
                actions=[*([note] if place == 0 else []), *map(self._action, actions)],
            )
            for place, actions in enumerate(group.buckets)
        ]
        return self._group_mod(ADD_OR_MODIFY_GROUP, group.number, buckets)

    def delete_group(self, number: int) -> bytes:
        return self._group_mod(self._numbers.OFPGC_DELETE, number, [])

    def _group_mod(self, command: int, number: int, buckets: list[Any]) -> bytes:
        kind = self._numbers.OFPGT_SELECT
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
        actions = [self._action(action) for action in (*marks, Resubmit(table))]
        return self._bytes(
            self._parser.OFPPacketOut(self._protocol, self._numbers.OFP_NO_BUFFER, in_port, actions, frame)
        )

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

    def _match(self, match: Match) -> Any:
        """In the order of the flow: what a field requires comes before it. The library would sort by number."""
        fields: dict[str, Any] = {}
        for name, value in match:
            if name in MARKS:
                _merge(fields, MARKS[name], _number(value))
            else:
                fields[name] = _field(name, value)
        return self._parser.OFPMatch(_ordered_fields=list(fields.items()))

    def _action(self, action: Action) -> Any:
        parser, ofp = self._parser, self._numbers
        match action:
            case SetField(field, value):
                made = self._set_field(field, value)
            case Move(source, target):
                made = parser.NXActionRegMove(src_field=source, dst_field=target, n_bits=WIDTHS[source])
            case Output(port):
                made = parser.OFPActionOutput(port)
            case OutputMark(mark):
                made = parser.NXActionOutputReg(_bits(MARKS[mark]), MARKS[mark].register, 0)
            case ToController(max_bytes):
                made = parser.OFPActionOutput(ofp.OFPP_CONTROLLER, max_bytes)
            case ToGroup(number):
                made = parser.OFPActionGroup(number)
            case DecTtl():
                made = parser.OFPActionDecNwTtl()
            case Resubmit(table):
                made = parser.NXActionResubmitTable(table_id=table.number)
            case Ct():
                made = self._ct(action)
            case Goto():
                raise ValueError(f"{action} is an instruction: it stands last in a flow, and in no group")
        return made

    def _set_field(self, field: str, value: Value) -> Any:
        if field in MARKS:
            mark = MARKS[field]
            return self._parser.NXActionRegLoad(_bits(mark), mark.register, _number(value))
        if field == "nw_ttl":
            return self._parser.OFPActionSetNwTtl(value)
        if field == "in_port":
            return self._parser.NXActionRegLoad(15, "in_port_nxm", value)  # bits 0 to 15
        return self._parser.OFPActionSetField(**{field: value})

    def _ct(self, ct: Ct) -> Any:
        actions = [self._set_field(name, value) for name, value in ct.load]
        actions += [self._nat(ct.nat)] if ct.nat else []  # last: the library forgets to pad it
        return self._parser.NXActionCT(
            flags=CT_COMMIT if ct.commit else 0,
            zone_src=MARKS[ct.zone].register,
            zone_ofs_nbits=_bits(MARKS[ct.zone]),
            recirc_table=ct.table.number if ct.table else NO_TABLE,
            alg=0,
            actions=actions,
        )

    def _nat(self, nat: Nat) -> Any:
        if nat.kind == "known":
            return self._parser.NXActionNAT(flags=0)
        return self._parser.NXActionNAT(
            flags=NAT_SOURCE if nat.kind == "src" else NAT_DESTINATION,
            range_ipv4_min=nat.address,
            range_proto_min=nat.port or None,
        )


def with_xid(message: bytes, xid: int) -> bytes:
    """The same message with a transaction id."""
    return message[:XID_OFFSET] + XID.pack(xid) + message[XID_OFFSET + XID.size :]


def _bits(mark: Mark) -> int:
    """A range of bits in Nicira's notation: first bit and how many."""
    return mark.first << 6 | (mark.bits - 1)


def _merge(fields: dict[str, Any], mark: Mark, value: int) -> None:
    """Marks of the same register are matched together."""
    old, mask = fields.get(mark.register, (0, 0))
    fields[mark.register] = (old | value << mark.first, mask | mark.mask)


def _field(name: str, value: Value) -> Any:
    if name == "ct_state":
        return _ct_state(str(value))
    if isinstance(value, str) and "/" in value:
        network = ipaddress.ip_network(value)
        return (str(network.network_address), str(network.netmask))
    return value


def _ct_state(text: str) -> tuple[int, int]:
    """`+trk-new` as value and mask."""
    value = mask = 0
    for sign, name in ((text[at], text[at + 1 : at + 4]) for at in range(0, len(text), 4)):
        mask |= CT_STATES[name]
        value |= CT_STATES[name] if sign == "+" else 0
    return value, mask


def _number(value: Value) -> int:
    return int(ipaddress.ip_address(value)) if isinstance(value, str) else int(value)
