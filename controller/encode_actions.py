"""Actions as OpenFlow's libraries take them, Nicira's extensions included."""

from __future__ import annotations

import struct
from typing import Any

from .actions import (
    HASH_FIELDS,
    Action,
    CheckLarger,
    Conjunction,
    Ct,
    CtClear,
    DecTtl,
    Goto,
    Learn,
    Metered,
    Move,
    Multipath,
    Nat,
    Output,
    OutputMark,
    Resubmit,
    SetField,
    ToController,
    ToGroup,
    Value,
)
from .checksums import ETHERNET_BYTES
from .encode_fields import WIDTHS, bits_of, number_of, place_of
from .marks import MARKS

NO_TABLE = 0xFF
MODULO_N = 0  # Open vSwitch: NX_MP_ALG_MODULO_N
CHECK_LARGER = 49  # Open vSwitch: NXAST_CHECK_PKT_LARGER, which neither library has
NXM_REGISTER = 0x00010004  # Nicira's header of register 0; the number of others stands 9 bits higher
CT_COMMIT, NAT_SOURCE, NAT_DESTINATION = 1, 1, 2


class ActionEncoder:
    """Makes actions with a framework's OpenFlow modules (`ofproto`, `ofproto_parser`)."""

    def __init__(self, protocol: Any) -> None:
        self._parser, self._numbers = protocol.ofproto_parser, protocol.ofproto

    def of(self, action: Action) -> Any:
        """An action. Raises ValueError for what is an instruction."""
        parser, ofp = self._parser, self._numbers
        match action:
            case SetField(field, value):
                made = self._set_field(field, value)
            case Move(source, target):
                made = self._move(source, target)
            case Output(port):
                made = parser.OFPActionOutput(port)
            case OutputMark(mark):
                made = parser.NXActionOutputReg(bits_of(MARKS[mark]), MARKS[mark].register, 0)
            case ToController(max_bytes):
                made = parser.OFPActionOutput(ofp.OFPP_CONTROLLER, max_bytes)
            case ToGroup(number):
                made = parser.OFPActionGroup(number)
            case DecTtl() | CtClear():
                made = parser.OFPActionDecNwTtl() if isinstance(action, DecTtl) else parser.NXActionCTClear()
            case Resubmit(table):
                made = parser.NXActionResubmitTable(table_id=table.number)
            case Goto() | Metered():
                raise ValueError(f"{action} is an instruction: it stands last in a flow, and in no group")
            case _:
                made = self._extension(action)
        return made

    def _extension(self, action: Ct | Conjunction | Multipath | Learn | CheckLarger) -> Any:
        """Actions of Open vSwitch's own that take more words."""
        match action:
            case Ct():
                return self._ct(action)
            case Conjunction(number, clause, clauses):
                return self._parser.NXActionConjunction(clause=clause - 1, n_clauses=clauses, id_=number)
            case Multipath():
                return self._multipath(action)
            case Learn():
                return self._learn(action)
            case CheckLarger():
                return self._check_larger(action)

    def _check_larger(self, one: CheckLarger) -> Any:
        mark = MARKS[one.mark]
        header = NXM_REGISTER | int(mark.register.removeprefix("reg")) << 9
        return self._parser.NXActionUnknown(
            CHECK_LARGER, struct.pack("!HHI6x", one.mtu + ETHERNET_BYTES, mark.first, header)
        )

    def _move(self, source: str, target: str) -> Any:
        """Between marks, their bits; between fields, all of them."""
        if source not in MARKS:
            return self._parser.NXActionRegMove(src_field=source, dst_field=target, n_bits=WIDTHS[source])
        one, other = MARKS[source], MARKS[target]
        return self._parser.NXActionRegMove(
            src_field=one.register, dst_field=other.register, n_bits=one.bits, src_ofs=one.first, dst_ofs=other.first
        )

    def _set_field(self, field: str, value: Value) -> Any:
        if field in MARKS:
            mark = MARKS[field]
            return self._parser.NXActionRegLoad(bits_of(mark), mark.register, number_of(value))
        if field == "nw_ttl":
            return self._parser.OFPActionSetNwTtl(value)
        if field == "in_port":
            return self._parser.NXActionRegLoad(15, "in_port_nxm", value)  # bits 0 to 15
        return self._parser.OFPActionSetField(**{field: value})

    def _multipath(self, one: Multipath) -> Any:
        mark = MARKS[one.mark]
        return self._parser.NXActionMultipath(
            HASH_FIELDS[one.fields], one.basis, MODULO_N, one.links - 1, 0, bits_of(mark), mark.register
        )

    def _learn(self, one: Learn) -> Any:
        match, load = self._parser.NXFlowSpecMatch, self._parser.NXFlowSpecLoad
        specs = [match(number_of(value), *place_of(name)) for name, value in one.match]
        specs += [match(place_of(name)[0], *place_of(name)) for name in one.same]
        specs += [load(number_of(action.value), *place_of(action.field)) for action in one.load]
        return self._parser.NXActionLearn(
            one.table.number, specs, idle_timeout=one.idle_s, priority=one.priority, cookie=one.cookie
        )

    def _ct(self, ct: Ct) -> Any:
        actions = [self._set_field(name, value) for name, value in ct.load]
        actions += [self._move(move.source, move.target) for move in ct.move]
        actions += [self._nat(ct.nat)] if ct.nat else []  # last: the library forgets to pad it
        return self._parser.NXActionCT(
            flags=CT_COMMIT if ct.commit else 0,
            zone_src=MARKS[ct.zone].register,
            zone_ofs_nbits=bits_of(MARKS[ct.zone]),
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
            range_proto_max=nat.last_port or None,
        )
