"""What policies' flows let through, for all packets of a small world at once: a set of packets is a number, a bit each.

It reads flows as Open vSwitch does: the highest priority first, and there of conjunctive matches those whose clauses
are all met. Where one of these has no verdict, Open vSwitch leaves all others of its priority out, so that is an error.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from controller import tables
from controller.actions import Goto
from controller.flows import Flow, Match
from controller.marks import Side
from controller.tables import Table

BRIDGES = (1, 2)
PLACES = [(dpid, number) for dpid in BRIDGES for number in (2, 3)]  # of pods: bridge, and number of the address
ADDRESSES = [f"10.244.{dpid}.{number}" for dpid, number in PLACES]
PORTS = (80, 81)  # of TCP
PACKETS = [(a, b, port) for a in range(len(PLACES)) for b in range(len(PLACES)) if a != b for port in PORTS]
ALL = (1 << len(PACKETS)) - 1
Packets = int
Rule = dict[int, set[Match]]  # the alternatives of each clause


def packets(wanted: Callable[[int, int, int], bool]) -> Packets:
    """Those of a source, a destination (places) and a port."""
    return sum(1 << at for at, packet in enumerate(PACKETS) if wanted(*packet))


SENT = {dpid: packets(lambda source, _, __, dpid=dpid: PLACES[source][0] == dpid) for dpid in BRIDGES}  # type: ignore[misc]
GOT = {dpid: packets(lambda _, target, __, dpid=dpid: PLACES[target][0] == dpid) for dpid in BRIDGES}  # type: ignore[misc]
STAGES = {
    Side.EGRESS: (tables.EGRESS_ADMIN, tables.EGRESS_POLICY, tables.EGRESS_DEFAULT, tables.EGRESS_BASELINE),
    Side.INGRESS: (tables.INGRESS_ADMIN, tables.INGRESS_POLICY, tables.INGRESS_DEFAULT, tables.INGRESS_BASELINE),
}
ALLOWED = {Side.EGRESS: tables.ROUTING, Side.INGRESS: tables.CONNTRACK_COMMIT}
AT = {Side.EGRESS: SENT, Side.INGRESS: GOT}


def told(some: Packets) -> list[tuple[str, str, int]]:
    """A set as a person reads it."""
    return [(ADDRESSES[a], ADDRESSES[b], port) for at, (a, b, port) in enumerate(PACKETS) if some >> at & 1]


@cache
def matched(match: Match) -> Packets:
    """What meets a match, as far as that speaks of packets."""
    return packets(lambda a, b, port: all(_meets(ADDRESSES[a], ADDRESSES[b], port, name, one) for name, one in match))


def _meets(source: str, target: str, port: int, name: str, wanted: object) -> bool:
    if name in ("ipv4_src", "ipv4_dst"):
        address = source if name == "ipv4_src" else target
        return ipaddress.ip_address(address) in ipaddress.ip_network(str(wanted))
    if name == "tcp_dst" and isinstance(wanted, str):
        value, mask = (int(part, 16) for part in wanted.split("/"))
        return port & mask == value
    return port == wanted if name == "tcp_dst" else name != "ip_proto" or wanted == 6


@dataclass(frozen=True)
class Judged:
    """What one side of one bridge does."""

    allowed: Packets
    by_policies: Packets  # by NetworkPolicies' rules
    rules: dict[int, Rule]  # NetworkPolicies', by number


def judged(flows: Iterable[Flow], side: Side) -> Judged:
    by_table: dict[Table, list[Flow]] = defaultdict(list)
    for flow in flows:
        by_table[flow.table].append(flow)
    admin, policy, default, baseline = (stage(by_table[table]) for table in STAGES[side])
    there, further = ALLOWED[side].number, STAGES[side][1].number
    asked = admin.get(further, 0) | admin[0]  # passed on, or of no rule
    by_policies = policy.get(there, 0)
    free = asked & policy[0] & default[0]
    allowed = admin.get(there, 0) | asked & by_policies | free & (baseline[0] | baseline.get(there, 0))
    return Judged(allowed, by_policies, rules(by_table[STAGES[side][1]]))


def rules(flows: Iterable[Flow]) -> dict[int, Rule]:
    found: dict[int, Rule] = defaultdict(lambda: defaultdict(set))
    for flow in flows:
        for one in flow.clauses:
            found[one.id][one.clause].add(flow.match)
    return found


def stage(flows: Iterable[Flow]) -> dict[int, Packets]:
    """What goes on to which table; what no flow matches is under 0."""
    verdicts: dict[object, Flow] = {}
    steps: dict[int, list[Flow]] = defaultdict(list)
    for flow in flows:
        fields = dict(flow.match)
        if "conj_id" not in fields:
            steps[int(flow.priority)].append(flow)
        elif fields.get("ct_state") == "+trk+new":
            verdicts[fields["conj_id"]] = flow
    left, found = ALL, dict[int, Packets]()
    for priority in sorted(steps, reverse=True):
        met = {number: meets_all(one) for number, one in rules(steps[priority]).items()}
        decided = [(verdicts[number], some) for number, some in met.items() if some and number in verdicts]
        decided += [(flow, matched(flow.match)) for flow in steps[priority] if not flow.clauses]
        for number, some in met.items():
            assert number in verdicts or not some & left, f"rule {number} of priority {priority} has no verdict"
        for flow, some in decided:
            found[_next(flow)] = found.get(_next(flow), 0) | some & left
        for _, some in decided:
            left &= ~some
    return {**found, 0: left}


def meets_all(rule: Rule) -> Packets:
    """What meets one of the alternatives of each of the three clauses."""
    some = ALL
    for clause in (1, 2, 3):
        some &= either(rule.get(clause, set()))
    return some


def either(matches: Iterable[Match]) -> Packets:
    some = 0
    for match in matches:
        some |= matched(match)
    return some


def _next(flow: Flow) -> int:
    return next(one.table.number for one in flow.actions if isinstance(one, Goto))
