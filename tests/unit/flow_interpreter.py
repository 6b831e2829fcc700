"""Follows packets through flows: stages, marks, groups, conntrack with translation, and from bridge to bridge.

It reads flows as values and shares no code with what makes or sends them, so it judges both. Two flows of one priority
that match one packet are an error: which of them a switch would take is not defined.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from controller import actions as act
from controller.diff import Change, Rules
from controller.flows import Flow, FlowId, Group, Owner, Watch
from controller.marks import Priority
from k8sshim.cluster import Cluster

Fields = dict[str, Any]
Tuple = tuple[int, str, int, str, int]  # protocol, source, its port, destination, its port
ICMP, PORTS = 1, {6: ("tcp_src", "tcp_dst"), 17: ("udp_src", "udp_dst"), 132: ("sctp_src", "sctp_dst")}
ECHO_REQUEST, ECHO_REPLY = 8, 0
LONGEST_WAY = 200
HASHED = {
    act.SOURCE_ADDRESS: ("ipv4_src",),
    act.CONNECTION: ("ipv4_src", "ipv4_dst", "ip_proto", *(name for names in PORTS.values() for name in names)),
}


@dataclass
class Learned:
    """A flow that a switch wrote by itself, and when it was last used."""

    flow: Flow
    id: FlowId
    idle_s: int
    used: float


class FakeSwitch:
    """Holds what it is sent as a switch does: by match and priority, groups before the flows that use them."""

    def __init__(self) -> None:
        self.flows: dict[tuple[int, int, Any], Flow] = {}
        self.learned: dict[tuple[int, int, Any], Learned] = {}
        self._tables: dict[int, list[Flow]] = {}  # the flows, by table
        self.groups: dict[int, Group] = {}
        self.messages = 0

    def apply(self, change: Change) -> None:
        """A bundle, in the order that Open vSwitch is sent it."""
        self.messages += len(change.flows) + len(change.groups)
        self.groups |= {number: group for number, group in change.groups.items() if group}
        gone = {number for number, flow in change.flows.items() if flow is None}
        self.flows = {place: flow for place, flow in self.flows.items() if flow.id not in gone}
        self.learned = {place: one for place, one in self.learned.items() if one.id not in gone}
        for flow in filter(None, change.flows.values()):
            assert all(one.id in self.groups for one in flow.actions if isinstance(one, act.ToGroup)), flow.text
            self.flows[(flow.table.number, flow.priority, flow.match)] = flow
        self._tables = {}
        for flow in self.flows.values():
            self._tables.setdefault(flow.table.number, []).append(flow)
        for number in [number for number, group in change.groups.items() if group is None]:
            assert not any(act.ToGroup(number) in flow.actions for flow in self.flows.values()), number
            del self.groups[number]

    def learn(self, learn: act.Learn, owner: Owner, fields: Fields, now: float) -> None:
        """Write a flow for packets like this one, or overwrite it."""
        match = tuple(sorted({**dict(learn.match), **{name: fields[name] for name in learn.same}}.items()))
        flow = Flow(learn.table, Priority(learn.priority), match, learn.load, owner)
        place = (learn.table.number, learn.priority, match)
        self.learned[place] = Learned(flow, (learn.table.number, learn.cookie), learn.idle_s, now)

    def in_table(self, table: int, now: float) -> Iterator[tuple[Flow, Learned | None]]:
        """The flows of a table; a learned one that was not used for long is forgotten."""
        self.learned = {place: one for place, one in self.learned.items() if now <= one.used + one.idle_s}
        yield from ((flow, None) for flow in self._tables.get(table, ()))
        yield from ((one.flow, one) for one in self.learned.values() if one.flow.table.number == table)

    def holds(self) -> Rules:
        return Rules.of([*self.flows.values(), *self.groups.values()])


@dataclass
class Connection:
    """A connection of one zone: how its packets look before, and how replies to them look."""

    there: Tuple
    back: Tuple
    marks: Fields = field(default_factory=dict)
    replied: bool = False


@dataclass(frozen=True)
class Arrival:
    """Where a packet came out, and how it looked; `switch` 0 and `port` 0 for the controller."""

    dpid: int
    port: int
    fields: Fields = field(hash=False)
    to_controller: Flow | None = None
    marks: Fields = field(hash=False, default_factory=dict)  # of what goes to the controller


@dataclass
class Walk:
    """A packet on its way through one bridge."""

    dpid: int
    in_port: int
    fields: Fields
    marks: Fields = field(default_factory=dict)
    ct_state: frozenset[str] = frozenset()
    ct_marks: Fields = field(default_factory=dict)
    connection: tuple[int, Connection] | None = None  # that was looked up, and its zone
    entered: int = 0  # the port it came in by, for the rule against going back
    conj_id: int = 0  # while the verdict of a conjunctive match is looked up


class Fabric:
    """Every switch of a cluster, joined by its links; `choose` picks one of a number of buckets.

    The kernel's conntrack translates what follows a first packet before its answer only where it is committed again.
    """

    in_kernel = False

    def __init__(self, cluster: Cluster, choose: Callable[[int], int] = lambda buckets: 0) -> None:
        self.switches = {switch.dpid: FakeSwitch() for switch in cluster.switches}
        self._choose = choose
        numbers = {switch.name: switch.dpid for switch in cluster.switches}
        self._links: dict[tuple[int, int], tuple[int, int]] = {}
        for link in cluster.links:
            a, b = ((numbers[end.switch], end.port) for end in (link.a, link.b))
            self._links |= {a: b, b: a}
        self.dead_ports: set[tuple[int, int]] = set()  # switch and port: what is sent there is lost
        self.connections: dict[int, list[Connection]] = {}  # by zone
        self.now = 0.0

    def send(
        self, dpid: int, port: int, fields: Fields, marks: Fields | None = None, *, first: int = 0
    ) -> list[Arrival]:
        """Put a packet into a port, or a later table, with marks where the controller does it; where it comes out."""
        found: list[Arrival] = []
        waiting = [(dpid, port, fields)]
        given = marks or {}
        for _ in range(LONGEST_WAY):
            if not waiting:
                return found
            here, entry, packet = waiting.pop()
            walk, given = Walk(here, entry, dict(packet), dict(given), entered=entry), {}
            table, first = first, 0
            for arrival in self._through(walk, table):
                beyond = self._links.get((arrival.dpid, arrival.port))
                if (arrival.dpid, arrival.port) in self.dead_ports:
                    continue
                if beyond is None or arrival.to_controller:
                    found.append(arrival)
                else:
                    waiting.append((*beyond, arrival.fields))
        raise AssertionError("a packet goes round and round")

    def _through(self, walk: Walk, table: int) -> list[Arrival]:
        found: list[Arrival] = []
        self._go(walk, table, found)
        return found

    def _go(self, walk: Walk, table: int | None, found: list[Arrival]) -> None:
        """From a table on, to the end."""
        while table is not None:
            flow = self._lookup(walk, table)
            table = self._run(walk, flow.actions, flow, found) if flow else None

    def _lookup(self, walk: Walk, table: int) -> Flow | None:
        held = self.switches[walk.dpid].in_table(table, self.now)
        found = [(flow, learned) for flow, learned in held if _matches(walk, flow)]
        clauses = [flow for flow, _ in found if _is_clause(flow)]
        flows = [(flow, learned) for flow, learned in found if not _is_clause(flow)]
        best = max((flow.priority for flow, _ in flows), default=-1)
        if not walk.conj_id and (number := _met(clauses, best)):
            walk.conj_id = number
            verdict = self._lookup(walk, table)
            walk.conj_id = 0
            return verdict
        chosen = [(flow, learned) for flow, learned in flows if flow.priority == best]
        assert len(chosen) < 2, "ambiguous:\n" + "\n".join(flow.text for flow, _ in chosen)
        for flow, learned in chosen:
            if learned:
                learned.used = self.now
            return flow
        return None

    def _run(self, walk: Walk, actions: act.Actions, flow: Flow, found: list[Arrival]) -> int | None:
        """Do the actions; the table to go on in."""
        for place, action in enumerate(actions, 1):
            match action:
                case act.SetField("in_port", int(value)):
                    walk.entered = value
                case act.SetField(name, value):
                    _set(walk, name, value)
                case act.Move(source, target):
                    _set(walk, target, walk.fields[source] if source in walk.fields else _mark(walk, source))
                case act.CtClear():
                    walk.ct_state, walk.ct_marks, walk.connection = frozenset(), {}, None
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
                    found.append(Arrival(walk.dpid, 0, dict(walk.fields), flow, dict(walk.marks)))
                case act.CheckLarger(mtu, mark):
                    walk.marks[mark] = int(walk.fields.get("bytes", 0) > mtu)
                case act.Multipath(names, basis, links, mark):
                    walk.marks[mark] = hashed(walk.fields, names, basis) % links
                case act.Learn():
                    self.switches[walk.dpid].learn(action, flow.owner, walk.fields, self.now)
                case act.Resubmit(table) if place < len(actions):
                    self._go(walk, table.number, found)
                case act.ToGroup(number):
                    buckets = self._alive(walk.dpid, number)
                    return self._run(walk, buckets[self._choose(len(buckets))], flow, found) if buckets else None
                case act.Goto(table) | act.Resubmit(table):
                    forward = isinstance(action, act.Resubmit) or table.number > flow.table.number
                    assert forward, f"switches refuse to go back: {flow.text}"
                    return table.number
                case act.Ct():
                    self._conntrack(walk, action)
                    if action.table:
                        return action.table.number
        return None

    def _alive(self, dpid: int, number: int) -> list[act.Actions]:
        """The buckets of a group that may be taken: all that live, or the first of them."""
        group = self.switches[dpid].groups[number]
        watches = group.watches or (None,) * len(group.buckets)
        alive = [bucket for bucket, watch in zip(group.buckets, watches, strict=True) if self._lives(dpid, watch)]
        return alive[:1] if group.first else alive

    def _lives(self, dpid: int, watch: Watch | None) -> bool:
        if watch is None:
            return True
        return bool(self._alive(dpid, watch.group)) if watch.group else (dpid, watch.port) not in self.dead_ports

    def _conntrack(self, walk: Walk, ct: act.Ct) -> None:
        connections = self.connections.setdefault(walk.marks[ct.zone], [])
        seen = _tuple_of(walk.fields)
        known = next((one for one in connections if seen in (one.there, one.back)), None)
        if known is None and ct.commit and walk.connection and walk.connection[0] == walk.marks[ct.zone]:
            known = walk.connection[1]  # a translated packet stays one of the connection that it was found to be of
        if known is None and ct.commit:
            taken = {one for known in connections for one in (known.there, known.back)}
            free = next((back for back in map(_reverse, _translated(seen, ct.nat)) if back not in taken), None)
            assert free, f"two connections look like {_reverse(next(_translated(seen, ct.nat)))}"
            known = Connection(seen, free)
            connections.append(known)
        if known is None:
            walk.ct_state, walk.ct_marks, walk.connection = frozenset({"trk", "new"}), {}, None
            return
        if ct.commit:
            known.marks |= {**dict(ct.load), **{move.target: _mark(walk, move.source) for move in ct.move}}
        walk.connection = (walk.marks[ct.zone], known)
        if not ct.table:
            return
        walk.ct_marks = known.marks
        reply = seen == known.back and seen != known.there
        known.replied |= reply
        walk.ct_state = frozenset({"trk", "est" if known.replied else "new"} | ({"rpl"} if reply else set()))
        if ct.nat and not (self.in_kernel and ct.nat.kind == "known" and not known.replied):
            _rewrite(walk.fields, _reverse(known.there if reply else known.back))


def hashed(fields: Fields, names: str, basis: int) -> int:
    """A hash of some of a packet's fields, the same in every run."""
    text = f"{basis} {[fields.get(name) for name in HASHED[names]]}"
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big")


def _is_clause(flow: Flow) -> bool:
    return any(isinstance(action, act.Conjunction) for action in flow.actions)


def _met(clauses: list[Flow], better_than: int) -> int:
    """The number of the conjunction of highest priority whose clauses are all met; 0 for none (ovs-fields(7))."""
    met: dict[tuple[int, int, int], set[int]] = {}
    for flow in clauses:
        for one in flow.actions:
            assert isinstance(one, act.Conjunction), f"a clause does nothing else: {flow.text}"
            met.setdefault((flow.priority, one.id, one.clauses), set()).add(one.clause)
    whole = [key for key, some in met.items() if len(some) == key[2] and key[0] > better_than]
    return max(whole)[1] if whole else 0


def _matches(walk: Walk, flow: Flow) -> bool:
    return all(_field_matches(walk, name, value) for name, value in flow.match)


def _field_matches(walk: Walk, name: str, wanted: Any) -> bool:
    if name == "in_port":
        return bool(walk.entered == wanted)
    if name == "conj_id":
        return bool(walk.conj_id == wanted)
    if name == "ct_state":
        signs = [(wanted[at], wanted[at + 1 : at + 4]) for at in range(0, len(wanted), 4)]
        return all((state in walk.ct_state) == (sign == "+") for sign, state in signs)
    if name in walk.fields:
        actual = walk.fields[name]
        if isinstance(wanted, str) and wanted.startswith("0x"):
            value, mask = (int(part, 16) for part in wanted.split("/"))
            return bool(actual & mask == value)
        if isinstance(wanted, str) and "." in wanted:
            return ipaddress.ip_address(actual) in ipaddress.ip_network(wanted)
        return bool(actual == wanted)
    is_packet_field = name.startswith(("eth_", "ipv4_", "ip_", "arp_", "tcp_", "udp_", "sctp_", "icmp", "nw_"))
    return False if is_packet_field else _mark(walk, name) == wanted


def _mark(walk: Walk, name: str) -> Any:
    return walk.marks.get(name, walk.ct_marks.get(name, 0))


def _set(walk: Walk, name: str, value: Any) -> None:
    (walk.fields if name in walk.fields else walk.marks)[name] = value


def _tuple_of(fields: Fields) -> Tuple:
    protocol = fields["ip_proto"]
    names = PORTS.get(protocol)
    source_port, port = (fields[names[0]], fields[names[1]]) if names else (fields["icmp_id"], fields["icmp_id"])
    return (protocol, fields["ipv4_src"], source_port, fields["ipv4_dst"], port)


def _reverse(one: Tuple) -> Tuple:
    return (one[0], one[3], one[4], one[1], one[2])


def _translated(one: Tuple, nat: act.Nat | None) -> Iterator[Tuple]:
    """What a packet may look like when it is translated, the likeliest first."""
    protocol, source, source_port, destination, port = one
    if nat is None or nat.kind == "known":
        yield one
    elif nat.kind == "dst":
        found = (protocol, source, source_port, nat.address, nat.port or port)
        assert found != one, f"translated to itself, which Open vSwitch 3.1 does not survive: {one}"
        yield found
    elif not nat.last_port or protocol not in PORTS:  # an ICMP message keeps its identifier
        yield (protocol, nat.address, source_port, destination, port)
    else:
        if nat.port <= source_port <= nat.last_port:
            yield (protocol, nat.address, source_port, destination, port)
        yield from ((protocol, nat.address, number, destination, port) for number in range(nat.port, nat.last_port + 1))


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
