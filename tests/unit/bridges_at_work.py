"""Two bridges as they are told of policies: answers come late and in any order, and connections are lost.

In the end the bridges hold what they shall. Until then nothing gets through that all sets of policies since the last
rest forbid; what a rule allows in all of them, by the same pods, peers and ports, it allows meanwhile, unless a bridge
is lost; and no rule is without its verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from heapq import heappop, heappush
from itertools import count, cycle
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from network_model import pod
from packet_sets import ALL, AT, BRIDGES, PLACES, Judged, Packets, either, judged, told

from controller.diff import Change, Rules
from controller.flows import Flow, FlowId
from controller.gate import Gate
from controller.marks import Side
from controller.numbers import Numbers
from controller.patience import Patience
from controller.policed import PolicyFlows
from controller.reconciler import CALM_S, LOOK_AGAIN_S
from controller.sync import Counters, State, SwitchSync
from k8sshim.objects import ContainerPort, Key
from k8sshim.policies import Action, Block, Namespace, Peer, PodGroup, Policy, PolicyPort, Rule, Tier
from k8sshim.selectors import Selector

QUESTION = b"?"
LONGEST_S = 60.0  # until everything is at rest
Message = tuple[str, Any]
Sets = dict[tuple[int, Side], Judged]  # of each bridge and side


class Messages:
    """An encoder that leaves flows as they are."""

    def add_flow(self, flow: Flow) -> Message:
        return ("add", flow)

    def delete_flow(self, number: FlowId) -> Message:
        return ("delete", number)

    def bundle(self, number: int, messages: list[Message], first_xid: int) -> list[Message]:
        return messages

    def ask_groups(self) -> bytes:
        """The last that is asked when a switch is read."""
        return bytes(8) + QUESTION

    def __getattr__(self, name: str) -> Callable[..., bytes]:
        return lambda *some: bytes(8)


class Bridge:
    """What a switch holds, one flow of a match and priority; and a connection to it, which may be lost."""

    def __init__(self, fabric: Fabric, flows: dict[object, Flow]) -> None:
        self._fabric, self.flows, self.lost = fabric, flows, False
        self.sync: SwitchSync

    def send(self, message: bytes | list[Message]) -> None:
        if isinstance(message, list):
            self._fabric.later(partial(self.take, message))
        elif message.endswith(QUESTION):
            self._fabric.later(self.answer)

    def take(self, messages: list[Message]) -> None:
        for kind, one in messages if not self.lost else ():
            if kind == "add":
                self.flows[one.place] = one
            for place in [at for at, flow in self.flows.items() if kind == "delete" and flow.id == one]:
                del self.flows[place]
        self._fabric.check()
        self._fabric.later(lambda: None if self.lost else self.sync.committed())

    def answer(self) -> None:
        """It tells what it holds."""
        if not self.lost:
            held = [SimpleNamespace(table_id=table, cookie=cookie) for table, cookie in self.held]
            self.sync.took_flows(SimpleNamespace(body=held), more=False)
            self.sync.took_groups(SimpleNamespace(body=[]), more=False)

    def forget(self, done: Callable[[], None]) -> None:
        """Its datapath needs a moment, too."""
        self._fabric.later(done)

    def forget_soon(self) -> None: ...

    @property
    def held(self) -> set[FlowId]:
        return {flow.id for flow in self.flows.values()}


class Fabric:
    """Two bridges, and what the controller does with them, on a clock of its own; `delays` (ms) are taken in turn."""

    def __init__(self, delays: Sequence[int]) -> None:
        self.now = 0.0
        self._delays, self._order = cycle(delays), count()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self.policed = PolicyFlows(Numbers().of)
        self.policed.put_namespace(Key("", "default"), Namespace("default", ()))
        kinds = ("closing_since", "passing_since", "opening_since")
        self._gates = [Gate(lambda: self.now, attrgetter(kind)) for kind in kinds[:2]]
        self._gates.append(Gate(lambda: self.now, attrgetter(kinds[2]), settle_s=0.0))
        self._bridges = {dpid: Bridge(self, {}) for dpid in BRIDGES}
        self._waking = self._was_lost = False
        self._sets = [self._wanted()]  # since all was at rest
        for dpid in BRIDGES:
            self._connect(dpid)
        self.rest()

    def later(self, event: Callable[[], None], times: int = 1) -> None:
        heappush(self._later, (self.now + times * next(self._delays) / 1000, next(self._order), event))

    def put(self, changes: dict[int, Change]) -> None:
        for dpid, change in changes.items():
            if not self._bridges[dpid].lost:
                self._bridges[dpid].sync.change(change)
        self._sets.append(self._wanted())

    def lose(self, dpid: int) -> None:
        """What was on its way to a bridge is lost, too. It comes again."""
        if not self._bridges[dpid].lost:
            self._bridges[dpid].lost = self._was_lost = True
            self.later(partial(self._connect, dpid), times=4)

    def _connect(self, dpid: int) -> None:
        bridge = self._bridges[dpid] = Bridge(self, self._bridges[dpid].flows)
        closed, passed, opened = (partial(gate.open_until, dpid) for gate in self._gates)
        patience = Patience(closed, passed, opened, lambda: self.policed.policies.baseline, CALM_S)
        encoder: Any = Messages()
        connection: Any = bridge
        bridge.sync = SwitchSync(
            dpid, connection, encoder, lambda: Rules(dict(self.policed.of(dpid)), {}), Counters(),
            patience=patience, memory=bridge, clock=lambda: self.now,
        )  # fmt: skip
        bridge.sync.read()

    def flush(self) -> None:
        there = {dpid: bridge.sync for dpid, bridge in self._bridges.items() if not bridge.lost}
        for gate in self._gates:
            gate.look(BRIDGES, there)
        for sync in there.values():
            sync.flush()
        for gate in self._gates:
            gate.look(BRIDGES, there)
        if any(sync.withholds for sync in there.values()) and not self._waking:
            self._waking = True
            heappush(self._later, (self.now + LOOK_AGAIN_S, next(self._order), self._wake))

    def _wake(self) -> None:
        self._waking = False

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self._later and self._later[0][0] <= until:
            self.now, _, event = heappop(self._later)
            event()
            self.flush()
        self.now = until

    def rest(self) -> None:
        """Until nothing happens any more: the bridges hold what they shall."""
        self.flush()
        self.run(LONGEST_S)
        for dpid, bridge in self._bridges.items():
            assert bridge.sync.state is State.IDLE and not bridge.sync.withholds
            assert bridge.held == set(self.policed.of(dpid))
        self._sets, self._was_lost = self._sets[-1:], False
        self.check()

    def _wanted(self) -> Sets:
        return sets_of({dpid: self.policed.of(dpid).values() for dpid in BRIDGES})

    def check(self) -> None:
        held = sets_of({dpid: bridge.flows.values() for dpid, bridge in self._bridges.items()})
        leaked = through(held) & ~either_of(map(through, self._sets))
        assert not leaked, f"gets through: {told(leaked)}"
        for place, one in held.items() if not self._was_lost else ():
            cut = kept([sets[place] for sets in self._sets]) & AT[place[1]][place[0]] & ~one.by_policies
            assert not cut, f"is interrupted at {place}: {told(cut)}"


def sets_of(flows: dict[int, Any]) -> Sets:
    return {(dpid, side): judged(list(flows[dpid]), side) for dpid in BRIDGES for side in AT}


def through(sets: Sets) -> Packets:
    """What both bridges of its way let through."""
    sent, got = (either_of(sets[dpid, side].allowed & AT[side][dpid] for dpid in BRIDGES) for side in AT)
    return sent & got


def either_of(parts: Any) -> Packets:
    some = 0
    for one in parts:
        some |= one
    return some


def kept(sides: Sequence[Judged]) -> Packets:
    """What a rule allows in each of these sets by the same pods, peers and ports."""
    found = 0
    for number in set.intersection(*(set(one.rules) for one in sides)):
        some = ALL
        for clause in (1, 2, 3):
            some &= either(set.intersection(*(one.rules[number][clause] for one in sides)))
        found |= some
    return found


# What comes

EVERYBODY, X, Y = Selector(), Selector.parse("a=x"), Selector.parse("a=y")
KINDS = {  # by the names of policies
    "p": ("NetworkPolicy", Tier.NAMESPACE),
    "q": ("NetworkPolicy", Tier.NAMESPACE),
    "first": ("AdminNetworkPolicy", Tier.ADMIN),
    "default": ("BaselineAdminNetworkPolicy", Tier.BASELINE),
}
START = tuple(("a", label, port) for label, port in zip("xyxy", (80, 80, 81, 81), strict=True))


def group(labels: Selector) -> PodGroup:
    return PodGroup("default", None, labels)


def peers(*some: Selector | Block) -> tuple[Peer, ...]:
    return tuple(Peer(block=one) if isinstance(one, Block) else Peer(pods=group(one)) for one in some)


def ports(*some: int | str, last: int = 0) -> tuple[PolicyPort, ...]:
    return tuple(PolicyPort("TCP", one, last) for one in some)


class World:
    """The objects there are, and what of their changes the controller is told."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._policies: dict[str, Policy] = {}
        self._pods: dict[int, str] = {}

    def happen(self, kind: str, *what: Any) -> None:
        does: dict[str, Callable[..., None]] = {
            "policy": self._put, "no policy": self._drop, "edit": self._edit, "pod": self._pod,
            "lose": self._fabric.lose,
        }  # fmt: skip
        does[kind](*what)

    def _put(self, name: str, subject: Selector, ingress: Any, egress: Any) -> None:
        kind, tier = KINDS[name]
        ingress, egress = (rules and tuple(replace(one, action=allowed(tier, one.action)) for one in rules)
                           for rules in (ingress, egress))  # fmt: skip
        key = Key("default" if tier is Tier.NAMESPACE else "", name)
        self._policies[name] = Policy(kind, key, "", tier, 0, group(subject), ingress, egress)
        self._fabric.put(self._fabric.policed.put_policy(kind, key, self._policies[name]))

    def _drop(self, name: str) -> None:
        policy = self._policies.pop(name, None)
        if policy:
            self._fabric.put(self._fabric.policed.put_policy(policy.kind, policy.key, None))

    def _edit(self, name: str, direction: str, how: str, place: int, rule: Rule) -> None:
        policy = self._policies.get(name)
        if policy is None:
            return
        rules = list(getattr(policy, direction) or ())
        at = slice(place, place + (how != "insert"))
        rules[at] = {"remove": [], "swap": rules[place + 1 : place + 2] + rules[at]}.get(how, [rule])
        if how == "swap":
            del rules[place + 2 : place + 3]
        both = {"ingress": policy.ingress, "egress": policy.egress, direction: tuple(rules[:4])}
        self._put(name, policy.subject.pods, both["ingress"], both["egress"])

    def _pod(self, place: int, who: tuple[str, str, int] | None) -> None:
        """Another, or none, has this address from now on; or the same has other labels."""
        before = self._pods.pop(place, None)
        if before and (who is None or who[0] != before):
            self._tell(Key("default", f"{before}{place}"), None)
        if who:
            name, label, port = who
            self._pods[place] = name
            one = replace(pod(f"{name}{place}", *PLACES[place]), labels=(("a", label),) if label else ())
            self._tell(one.key, replace(one, ports=(ContainerPort("web", port, "TCP", 0, ""),)))

    def _tell(self, key: Key, one: Any) -> None:
        self._fabric.put(self._fabric.policed.put_pod(key, one, lambda node: int(node.removeprefix("node"))))


def allowed(tier: Tier, action: Action) -> Action:
    """What rules of a tier may do."""
    if tier is Tier.NAMESPACE:
        return Action.ALLOW
    return Action.DENY if tier is Tier.BASELINE and action is Action.PASS else action


def lived(start: Sequence[Any], turns: Sequence[tuple[Sequence[Any], float]], delays: Sequence[int]) -> None:
    """The bridges are told of a world and how it changes, and are looked at all the time."""
    world = World(fabric := Fabric(delays))
    for place, who in enumerate(START):
        world.happen("pod", place, who)
    for policy in start:
        world.happen(*policy)
    fabric.rest()
    for events, pause in turns:
        for event in events:
            world.happen(*event)
        fabric.flush()
        fabric.run(pause) if pause < LONGEST_S else fabric.rest()
    fabric.rest()
