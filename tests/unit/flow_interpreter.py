"""Follows packets through flows: stages, marks, groups, conntrack with translation, and from bridge to bridge.

It reads flows as values and shares no code with what makes or sends them, so it judges both. Two flows of one priority
that match one packet are an error: which of them a switch would take is not defined.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from controller import actions as act
from controller.diff import Change, Rules
from controller.flows import Flow, Group
from k8sshim.cluster import Cluster

Fields = dict[str, Any]
Tuple = tuple[int, str, int, str, int]  # protocol, source, its port, destination, its port
ICMP, PORTS = 1, {6: ("tcp_src", "tcp_dst"), 17: ("udp_src", "udp_dst"), 132: ("sctp_src", "sctp_dst")}
ECHO_REQUEST, ECHO_REPLY = 8, 0
LONGEST_WAY = 200


class FakeSwitch:
    """Holds what it is sent as a switch does: by match and priority, groups before the flows that use them."""

    def __init__(self) -> None:
        self.flows: dict[tuple[int, int, Any], Flow] = {}
        self.groups: dict[int, Group] = {}
        self.messages = 0

    def apply(self, change: Change) -> None:
        """A bundle, in the order that Open vSwitch is sent it."""
        self.messages += len(change.flows) + len(change.groups)
        self.groups |= {number: group for number, group in change.groups.items() if group}
        for number in [number for number, flow in change.flows.items() if flow is None]:
            self.flows = {place: flow for place, flow in self.flows.items() if flow.id != number}
        for flow in filter(None, change.flows.values()):
            assert all(one.id in self.groups for one in flow.actions if isinstance(one, act.ToGroup)), flow.text
            self.flows[(flow.table.number, flow.priority, flow.match)] = flow
        for number in [number for number, group in change.groups.items() if group is None]:
            assert not any(act.ToGroup(number) in flow.actions for flow in self.flows.values()), number
            del self.groups[number]

    def holds(self) -> Rules:
        return Rules.of([*self.flows.values(), *self.groups.values()])


@dataclass
class Connection:
    """A connection of one zone: how its packets look before, and how replies to them look."""

    there: Tuple
    back: Tuple
    replied: bool = False


@dataclass(frozen=True)
class Arrival:
    """Where a packet came out, and how it looked; `switch` 0 and `port` 0 for the controller."""

    dpid: int
    port: int
    fields: Fields = field(hash=False)
    to_controller: Flow | None = None


@dataclass
class Walk:
    """A packet on its way through one bridge."""

    dpid: int
    in_port: int
    fields: Fields
    marks: Fields = field(default_factory=dict)
    ct_state: frozenset[str] = frozenset()
    entered: int = 0  # the port it came in by, for the rule against going back


class Fabric:
    """Every switch of a cluster, joined by its links; `choose` picks one of a number of buckets."""

    def __init__(self, cluster: Cluster, choose: Callable[[int], int] = lambda buckets: 0) -> None:
        self.switches = {switch.dpid: FakeSwitch() for switch in cluster.switches}
        self._choose = choose
        numbers = {switch.name: switch.dpid for switch in cluster.switches}
        self._links: dict[tuple[int, int], tuple[int, int]] = {}
        for link in cluster.links:
            a, b = ((numbers[end.switch], end.port) for end in (link.a, link.b))
            self._links |= {a: b, b: a}
        self.connections: dict[int, list[Connection]] = {}  # by zone

    def send(self, dpid: int, port: int, fields: Fields) -> list[Arrival]:
        """Put a packet into a port; where it comes out in the end."""
        found: list[Arrival] = []
        waiting = [(dpid, port, fields)]
        for _ in range(LONGEST_WAY):
            if not waiting:
                return found
            here, entry, packet = waiting.pop()
            for arrival in self._through(Walk(here, entry, dict(packet), entered=entry)):
                beyond = self._links.get((arrival.dpid, arrival.port))
                if beyond is None or arrival.to_controller:
                    found.append(arrival)
                else:
                    waiting.append((*beyond, arrival.fields))
        raise AssertionError("a packet goes round and round")

    def _through(self, walk: Walk) -> list[Arrival]:
        found: list[Arrival] = []
        table: int | None = 0
        while table is not None:
            flow = self._lookup(walk, table)
            table = self._run(walk, flow.actions, flow, found) if flow else None
        return found

    def _lookup(self, walk: Walk, table: int) -> Flow | None:
        flows = [f for f in self.switches[walk.dpid].flows.values() if f.table.number == table and _matches(walk, f)]
        best = max((flow.priority for flow in flows), default=None)
        chosen = [flow for flow in flows if flow.priority == best]
        assert len(chosen) < 2, "ambiguous:\n" + "\n".join(flow.text for flow in chosen)
        return chosen[0] if chosen else None

    def _run(self, walk: Walk, actions: act.Actions, flow: Flow, found: list[Arrival]) -> int | None:
        """Do the actions; the table to go on in."""
        for action in actions:
            match action:
                case act.SetField("in_port", int(value)):
                    walk.entered = value
                case act.SetField(name, value):
                    (walk.fields if name in walk.fields else walk.marks)[name] = value
                case act.Move(source, target):
                    walk.fields[target] = walk.fields[source]
                case act.DecTtl():
                    if walk.fields["nw_ttl"] <= 1:
                        return None
                    walk.fields["nw_ttl"] -= 1
                case act.Output(port):
                    found.append(Arrival(walk.dpid, walk.in_port if port == act.IN_PORT else port, dict(walk.fields)))
                case act.OutputMark(mark):
                    if walk.marks[mark] != walk.entered:
                        found.append(Arrival(walk.dpid, walk.marks[mark], dict(walk.fields)))
                case act.ToController():
                    found.append(Arrival(walk.dpid, 0, dict(walk.fields), flow))
                case act.ToGroup(number):
                    buckets = self.switches[walk.dpid].groups[number].buckets
                    return self._run(walk, buckets[self._choose(len(buckets))], flow, found)
                case act.Goto(table) | act.Resubmit(table):
                    return table.number
                case act.Ct():
                    self._conntrack(walk, action)
                    if action.table:
                        return action.table.number
        return None

    def _conntrack(self, walk: Walk, ct: act.Ct) -> None:
        connections = self.connections.setdefault(walk.marks[ct.zone], [])
        seen = _tuple_of(walk.fields)
        known = next((one for one in connections if seen in (one.there, one.back)), None)
        if known is None and ct.commit:
            back = _reverse(_translated(seen, ct.nat))
            assert all(back not in (one.back, one.there) for one in connections), f"two connections look like {back}"
            known = Connection(seen, back)
            connections.append(known)
        if known is None:
            walk.ct_state = frozenset({"trk", "new"})
            return
        reply = seen == known.back and seen != known.there
        known.replied |= reply
        walk.ct_state = frozenset({"trk", "est" if known.replied else "new"} | ({"rpl"} if reply else set()))
        if ct.nat:
            _rewrite(walk.fields, _reverse(known.there if reply else known.back))


def _matches(walk: Walk, flow: Flow) -> bool:
    return all(_field_matches(walk, name, value) for name, value in flow.match)


def _field_matches(walk: Walk, name: str, wanted: Any) -> bool:
    if name == "in_port":
        return bool(walk.entered == wanted)
    if name == "ct_state":
        signs = [(wanted[at], wanted[at + 1 : at + 4]) for at in range(0, len(wanted), 4)]
        return all((state in walk.ct_state) == (sign == "+") for sign, state in signs)
    if name in walk.fields:
        actual = walk.fields[name]
        if isinstance(wanted, str) and "." in wanted:
            return ipaddress.ip_address(actual) in ipaddress.ip_network(wanted)
        return bool(actual == wanted)
    is_packet_field = name.startswith(("eth_", "ipv4_", "ip_", "arp_", "tcp_", "udp_", "sctp_", "icmp", "nw_"))
    return False if is_packet_field else walk.marks.get(name, 0) == wanted


def _tuple_of(fields: Fields) -> Tuple:
    protocol = fields["ip_proto"]
    names = PORTS.get(protocol)
    source_port, port = (fields[names[0]], fields[names[1]]) if names else (fields["icmp_id"], fields["icmp_id"])
    return (protocol, fields["ipv4_src"], source_port, fields["ipv4_dst"], port)


def _reverse(one: Tuple) -> Tuple:
    return (one[0], one[3], one[4], one[1], one[2])


def _translated(one: Tuple, nat: act.Nat | None) -> Tuple:
    protocol, source, source_port, destination, port = one
    if nat is None or nat.kind == "known":
        return one
    if nat.kind == "src":
        return (protocol, nat.address, nat.port or source_port, destination, port)
    return (protocol, source, source_port, nat.address, nat.port or port)


def _rewrite(fields: Fields, seen: Tuple) -> None:
    names = PORTS.get(seen[0])
    fields["ipv4_src"], fields["ipv4_dst"] = seen[1], seen[3]
    if names:
        fields[names[0]], fields[names[1]] = seen[2], seen[4]


def reply_to(arrival: Arrival, mac: str, gateway_mac: str) -> Fields:
    """The packet that the receiver of a packet answers with."""
    fields = dict(arrival.fields)
    fields["eth_src"], fields["eth_dst"] = mac, gateway_mac
    fields["ipv4_src"], fields["ipv4_dst"] = fields["ipv4_dst"], fields["ipv4_src"]
    for source, destination in PORTS.values():
        if source in fields:
            fields[source], fields[destination] = fields[destination], fields[source]
    if fields.get("icmpv4_type") == ECHO_REQUEST:
        fields["icmpv4_type"] = ECHO_REPLY
    return fields | {"nw_ttl": 64}


def apply_twice(switch: FakeSwitch, change: Change) -> None:
    """A batch changes nothing when it is applied again."""
    switch.apply(change)
    before = (dict(switch.flows), dict(switch.groups))
    groups = {number: group for number, group in change.groups.items() if group}
    switch.apply(replace(change, groups=groups))
    assert before == (switch.flows, switch.groups)
