"""What closes is everywhere before what opens is anywhere: what is held back, on which bridge, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter

import pytest
from test_switch_sync import BUNDLE_ADD, BUNDLE_CONTROL, ENCODER, WANTED, Wire, answer

from controller.diff import Change, Rules
from controller.features import write
from controller.flows import Flow, FlowId, Owner
from controller.gate import BUSY_S, PATIENCE_S, SETTLE_S, Gate
from controller.marks import Feature, Priority, Side
from controller.opening import closes, closes_anything, opens, without_openings
from controller.patience import ALWAYS, LONG_AGO, Patience
from controller.policy.entries import (
    EVERY_PORT,
    Isolation,
    PolicyEntry,
    RulePeer,
    RulePlace,
    RulePod,
    RulePort,
    RuleVerdict,
    subject_of,
)
from controller.stale import Stale
from controller.sync import Counters, State, SwitchSync
from controller.tables import INGRESS_POLICY
from k8sshim.policies import Action, Tier

pytestmark = pytest.mark.unit


def flow(feature: Feature, name: str = "p") -> Flow:
    return Owner(feature, name).flow(INGRESS_POLICY, Priority.NORMAL, {"eth_type": 0x0800})


ALLOW, DENY, PASS, ISOLATION = map(
    flow, (Feature.POLICY_ALLOW, Feature.POLICY_DENY, Feature.POLICY_PASS, Feature.ISOLATION)
)
PORT, ROUTE = flow(Feature.CLASSIFIER), flow(Feature.ROUTING)


@pytest.mark.parametrize(
    ("one", "comes", "goes"),
    [
        (ALLOW, "opens", "closes"),
        (PORT, "opens", "closes"),
        (DENY, "closes", "opens"),
        (ISOLATION, "closes", "opens"),
        (PASS, "opens", "opens"),
        (ROUTE, "", ""),
    ],
)
def test_what_opens_and_what_closes(one: Flow, comes: str, goes: str) -> None:
    for said, here in ((comes, True), (goes, False)):
        assert opens(one.id, comes=here) == (said == "opens")
        assert closes(one.id, comes=here) == (said == "closes")


def test_a_change_in_two_parts() -> None:
    stale, groups = {Stale("10.96.0.10", 53, None): None}, {7: None}
    change = Change(
        {ALLOW.id: ALLOW, DENY.id: None, ISOLATION.id: ISOLATION, ROUTE.id: ROUTE}, dict(groups), dict(stale)
    )
    rest, opening = without_openings(change)
    assert set(rest.flows) == {ISOLATION.id, ROUTE.id} and set(opening.flows) == {ALLOW.id, DENY.id}
    assert (rest.groups, rest.stale, opening.groups, opening.stale) == (groups, stale, {}, {})
    assert closes_anything(change) and closes_anything(rest) and not closes_anything(opening)
    assert closes_anything(Change({ALLOW.id: None})) and not closes_anything(Change({ALLOW.id: ALLOW, DENY.id: None}))


def test_nobody_is_delivered_to_before_what_they_send_comes_in() -> None:
    one, other = (flow(Feature.CLASSIFIER, "Pod x/a"), flow(Feature.CLASSIFIER, "Pod x/gone"))
    ways = [flow(Feature.ROUTING, name) for name in ("Pod x/a", "Pod x/gone", "Pod x/b")]
    to_it, to_who_goes, to_another = ways
    change = Change({one.id: one, other.id: None, **{way.id: way for way in ways}})
    rest, opening = without_openings(change)
    assert set(opening.flows) == {one.id, to_it.id}
    assert set(rest.flows) == {other.id, to_who_goes.id, to_another.id}


def rule(number: int, tier: Tier = Tier.NAMESPACE) -> RulePlace:
    subject = f"NetworkPolicy x/p ingress[{number}]"
    return RulePlace(subject, subject, tier, Side.INGRESS, Action.ALLOW, number, 1000 + number)


def flows_of(*entries: PolicyEntry) -> dict[FlowId, Flow | None]:
    return {one.id: one for entry in entries for one in write(entry, subject_of(entry)) if isinstance(one, Flow)}


X, Y = "10.244.1.2", "10.244.1.3"
ISOLATED = Isolation(1, "Pod x/x", Side.INGRESS, X)
CLAUSES = (RulePeer(1, rule(1), "10.244.2.2"), RulePort(1, rule(1), EVERY_PORT), RuleVerdict(1, rule(1)))


def test_what_a_pod_is_allowed_comes_with_its_isolation() -> None:
    """But not what a pod is allowed that was isolated before."""
    come = flows_of(ISOLATED, *CLAUSES, RulePod(1, rule(1), X), RulePod(1, rule(1), Y))
    _, opening = without_openings(Change(come), baseline=False)
    assert opening.flows == flows_of(RulePod(1, rule(1), Y))


def test_what_a_pod_is_allowed_goes_with_its_isolation() -> None:
    """But not what a pod is allowed that is isolated still."""
    gone = flows_of(ISOLATED, *CLAUSES, RulePod(1, rule(1), X), RulePod(1, rule(1), Y))
    change = Change()
    for number, one in gone.items():
        change.put(number, None, one)
    rest, _ = without_openings(change, baseline=False)
    assert rest.flows.keys() == flows_of(RulePod(1, rule(1), Y)).keys()
    rest, _ = without_openings(change, baseline=True)
    assert rest.flows.keys() == gone.keys() - flows_of(ISOLATED).keys()


@pytest.mark.parametrize(
    ("change", "baseline"),
    [
        (flows_of(ISOLATED, *CLAUSES, RulePod(1, rule(1), X)), True),
        (flows_of(ISOLATED, *CLAUSES[:2], RulePod(1, rule(1), Y)), False),  # a rule that there was
        (flows_of(Isolation(1, "Pod x/x", Side.EGRESS, X), RulePod(1, rule(1), X)), False),
        (flows_of(ISOLATED, RulePod(1, rule(1, Tier.ADMIN), X)), False),
        (flows_of(ISOLATED, *CLAUSES, RulePod(1, rule(1), X))
         | dict.fromkeys(flows_of(RuleVerdict(1, rule(2, Tier.BASELINE)))), False),
    ],
    ids=["a baseline", "a rule that there was", "the other side", "the administrator's", "a baseline that goes"],
)  # fmt: skip
def test_what_may_let_more_through_than_before_is_held_back(
    change: dict[FlowId, Flow | None], *, baseline: bool
) -> None:
    _, opening = without_openings(Change(change), baseline=baseline)
    verdicts = flows_of(RuleVerdict(1, rule(1)))  # they mean nothing by themselves
    held = change.keys() - verdicts.keys()
    assert opening.flows == {one: change[one] for one in held if opens(one, comes=change[one] is not None)}


def test_what_goes_and_comes_again_is_left_alone() -> None:
    """So a pod that was isolated, and is by another policy, is not taken for one that is isolated from now on."""
    change = Change({ISOLATION.id: None, ALLOW.id: ALLOW})
    change.add(Change({ISOLATION.id: ISOLATION, ALLOW.id: None}))
    assert change.flows == {}


# One switch


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


CALM_S = 0.02


def idle(
    open_until: list[float],
    clock: Clock,
    calm_s: float = 0.0,
    passed_until: Sequence[float] = (ALWAYS,),
    opened_until: Sequence[float] = (ALWAYS,),
) -> tuple[SwitchSync, Wire]:
    wire = Wire()
    patience = Patience(lambda: open_until[0], lambda: passed_until[0], lambda: opened_until[0], calm_s=calm_s)
    sync = SwitchSync(1, wire, ENCODER, lambda: WANTED, Counters(), patience=patience, clock=clock)
    assert sync.closing_since == sync.opening_since == LONG_AGO
    sync.read()
    assert sync.closing_since == sync.opening_since == LONG_AGO
    answer(sync, WANTED)
    wire.take()
    assert sync.closing_since is None and not sync.withholds
    return sync, wire


def bundled(wire: Wire) -> int:
    """How many messages one bundle has; nothing else was sent."""
    messages = wire.take()
    assert [kind for kind, _, _ in messages if kind != BUNDLE_ADD] in ([], [BUNDLE_CONTROL] * 2)
    return len([kind for kind, _, _ in messages if kind == BUNDLE_ADD])


def test_what_opens_is_held_back_until_it_may() -> None:
    open_until, clock = [LONG_AGO], Clock()
    sync, wire = idle(open_until, clock)
    sync.change(Change({ALLOW.id: ALLOW, ISOLATION.id: ISOLATION}))
    assert sync.closing_since == clock.now and sync.withholds
    sync.flush()
    assert bundled(wire) == 1
    assert sync.closing_since == clock.now and not sync.withholds  # it is under way
    sync.committed()
    assert sync.closing_since is None and sync.withholds
    sync.flush()
    assert bundled(wire) == 0
    open_until[0] = clock.now  # something that was to be closed as early as this came
    sync.flush()
    assert bundled(wire) == 0
    open_until[0] = clock.now + 0.001
    sync.flush()
    assert bundled(wire) == 1
    assert sync.closing_since is None and not sync.withholds
    sync.committed()
    assert sync.state is State.IDLE and sync.closing_since is None and not sync.withholds


def test_a_rule_becomes_another_in_one_bundle_where_nobody_has_to_wait() -> None:
    """What it allows before and after, it allows all the time."""
    sync, wire = idle([ALWAYS], Clock(), CALM_S)
    before = Owner(Feature.POLICY_ALLOW, "p").flow(INGRESS_POLICY, Priority.NORMAL, {"ipv4_src": "10.244.1.2"})
    sync.change(Change({ALLOW.id: ALLOW, before.id: None, ISOLATION.id: ISOLATION}))
    sync.flush()
    assert bundled(wire) == 3


def test_what_opens_alone_waits_for_what_else_may_come() -> None:
    """And for what is to be closed elsewhere because of that."""
    open_until, clock = [ALWAYS], Clock()
    sync, wire = idle(open_until, clock, CALM_S)
    sync.change(Change({ALLOW.id: ALLOW}))
    sync.flush()
    clock.now += CALM_S / 2
    sync.flush()
    assert bundled(wire) == 0 and sync.withholds
    open_until[0] = clock.now  # another bridge has something to close since now
    clock.now += CALM_S
    sync.flush()
    assert bundled(wire) == 0
    open_until[0] = clock.now  # what that has to close now came later
    sync.flush()
    assert bundled(wire) == 1


def test_what_came_earlier_does_not_wait_for_what_came_later() -> None:
    open_until, clock = [LONG_AGO], Clock()
    sync, wire = idle(open_until, clock)
    sync.change(Change({ALLOW.id: ALLOW}))
    sync.flush()
    clock.now += 1
    open_until[0] = clock.now
    sync.change(Change({DENY.id: None}))
    sync.flush()
    assert bundled(wire) == 1
    sync.committed()
    assert sync.withholds
    open_until[0] = ALWAYS
    sync.flush()
    assert bundled(wire) == 1 and not sync.withholds


def test_what_was_held_back_may_be_taken_back() -> None:
    open_until, clock = [LONG_AGO], Clock()
    sync, wire = idle(open_until, clock)
    sync.change(Change({ALLOW.id: ALLOW, DENY.id: None}, gone={DENY.id: DENY}))
    sync.flush()
    sync.change(Change({ALLOW.id: None, DENY.id: DENY}))
    open_until[0] = ALWAYS
    sync.flush()
    assert bundled(wire) == 0 and not sync.withholds


@pytest.mark.parametrize("one", [ISOLATION, PASS])
def test_nobody_waits_for_what_came_and_went_again(one: Flow) -> None:
    sync, wire = idle([LONG_AGO], Clock())
    sync.change(Change({one.id: one}))
    sync.change(Change({one.id: None}))
    sync.flush()
    assert bundled(wire) == 0 and sync.closing_since is None and sync.passing_since is None


def test_what_a_switch_lacks_when_it_is_read_opens_no_sooner() -> None:
    wire = Wire()
    wanted = Rules({one.id: one for one in (ALLOW, ISOLATION)}, {})
    sync = SwitchSync(1, wire, ENCODER, lambda: wanted, Counters(), patience=Patience(lambda: LONG_AGO))
    sync.read()
    wire.take()
    answer(sync, Rules({}, {}))
    assert sync.closing_since == LONG_AGO
    assert bundled(wire) == 1
    sync.committed()
    assert sync.closing_since is None and sync.withholds


def test_nothing_is_sent_before_all_that_came_together_is_known() -> None:
    """What opens is weighed by what the others have to close, which may be the next thing that is looked at."""
    sync, wire = idle([ALWAYS], Clock())
    sync.change(Change({ISOLATION.id: ISOLATION}))
    sync.flush()
    sync.change(Change({ALLOW.id: ALLOW}))
    assert bundled(wire) == 1
    sync.committed()
    assert bundled(wire) == 0


def test_what_passes_waits_for_what_closes_and_what_opens_for_both() -> None:
    closed, passed, clock = [LONG_AGO], [LONG_AGO], Clock()
    sync, wire = idle(closed, clock, passed_until=passed)
    sync.change(Change({ALLOW.id: ALLOW, PASS.id: PASS, ISOLATION.id: ISOLATION}))
    assert sync.closing_since == sync.passing_since == clock.now
    sync.flush()
    assert bundled(wire) == 1
    sync.committed()
    assert sync.closing_since is None and sync.passing_since == clock.now
    clock.now += 1
    closed[0] = ALWAYS
    sync.flush()
    assert bundled(wire) == 1 and sync.passing_since == clock.now - 1  # it is under way
    sync.committed()
    assert sync.passing_since is None and sync.withholds
    sync.flush()
    assert bundled(wire) == 0
    passed[0] = ALWAYS
    sync.flush()
    assert bundled(wire) == 1 and not sync.withholds


def test_who_is_let_in_waits_for_what_opens_for_it_elsewhere() -> None:
    closed, opened, clock = [LONG_AGO], [LONG_AGO], Clock()
    sync, wire = idle(closed, clock, opened_until=opened)
    sync.change(Change({one.id: one for one in (ALLOW, PORT, ROUTE)}))
    assert sync.opening_since == clock.now
    sync.flush()
    assert bundled(wire) == 0 and sync.opening_since == clock.now
    closed[0] = ALWAYS
    sync.flush()
    assert bundled(wire) == 1 and sync.opening_since == clock.now  # it is under way
    sync.committed()
    sync.flush()
    assert bundled(wire) == 0 and sync.opening_since is None and sync.withholds  # for who comes in nobody waits
    opened[0] = ALWAYS
    sync.flush()
    assert bundled(wire) == 2 and not sync.withholds


def test_what_opens_waits_for_what_closes_though_nothing_passes_any_more() -> None:
    closed, clock = [LONG_AGO], Clock()
    sync, wire = idle(closed, clock, passed_until=[ALWAYS])
    sync.change(Change({ALLOW.id: ALLOW}))
    sync.flush()
    assert bundled(wire) == 0 and sync.withholds


def test_a_switch_that_is_read_may_pass_anything_until_it_has_what_it_lacks() -> None:
    wire, closed = Wire(), [LONG_AGO]
    wanted = Rules({PASS.id: PASS}, {})
    sync = SwitchSync(1, wire, ENCODER, lambda: wanted, Counters(), patience=Patience(lambda: closed[0]))
    assert sync.passing_since == LONG_AGO
    sync.read()
    answer(sync, Rules({}, {}))
    assert sync.passing_since == LONG_AGO and sync.closing_since is None


# All of them

CLOSING = attrgetter("closing_since")


@dataclass
class Bridge:
    """As the gate sees a bridge."""

    closing_since: float | None = None


def test_a_bridge_waits_for_others_that_close_and_a_moment_longer() -> None:
    clock, one, other = Clock(), Bridge(), Bridge(99.0)
    gate, both = Gate(clock, CLOSING), {1: one, 2: other}
    gate.look([1, 2], both)  # type: ignore[arg-type]
    assert gate.open_until(1) == 99.0 and gate.open_until(2) == ALWAYS
    clock.now += SETTLE_S * 5  # it takes its time, and nothing happens meanwhile
    other.closing_since = None
    gate.look([1, 2], both)  # type: ignore[arg-type]
    clock.now += SETTLE_S * 0.9
    gate.look([1, 2], both)  # type: ignore[arg-type]
    assert gate.open_until(1) == 99.0
    clock.now += SETTLE_S * 0.2
    assert gate.open_until(1) == ALWAYS


def test_what_opens_is_open_at_once() -> None:
    clock, other = Clock(), Bridge(99.0)
    gate, both = Gate(clock, CLOSING, settle_s=0.0), {1: Bridge(), 2: other}
    gate.look([1, 2], both)  # type: ignore[arg-type]
    assert gate.open_until(1) == 99.0
    other.closing_since = None
    gate.look([1, 2], both)  # type: ignore[arg-type]
    assert gate.open_until(1) == ALWAYS


def test_a_bridge_that_closes_again_and_again_keeps_back_only_what_came_since() -> None:
    clock, one, other = Clock(), Bridge(), Bridge(100.0)
    gate, both = Gate(clock, CLOSING), {1: one, 2: other}
    for _ in range(5):
        gate.look([1, 2], both)  # type: ignore[arg-type]
        clock.now += SETTLE_S * 1.1
        other.closing_since = clock.now
    gate.look([1, 2], both)  # type: ignore[arg-type]
    assert gate.open_until(1) == clock.now - SETTLE_S * 1.1  # which has settled, but not yet for long
    clock.now += SETTLE_S * 1.1
    assert gate.open_until(1) == other.closing_since


def test_a_bridge_waits_for_those_that_are_away_but_not_for_long() -> None:
    clock, one = Clock(), Bridge()
    gate = Gate(clock, CLOSING)
    gate.look([1, 2], {1: one})  # type: ignore[dict-item]
    assert gate.open_until(1) == LONG_AGO
    clock.now += PATIENCE_S * 0.9
    gate.look([1, 2], {1: one})  # type: ignore[dict-item]
    assert gate.open_until(1) == LONG_AGO
    clock.now += PATIENCE_S * 0.2
    gate.look([1, 2], {1: one})  # type: ignore[dict-item]
    assert gate.open_until(1) == ALWAYS
    gate.look([1, 2], {1: one, 2: Bridge()})  # type: ignore[dict-item]
    gate.look([1, 2], {1: one})  # type: ignore[dict-item]
    assert gate.open_until(1) == LONG_AGO  # it had been back
    gate.look([1], {1: one})  # type: ignore[dict-item]
    assert gate.open_until(1) == ALWAYS  # a bridge that the cluster does not name any more


def test_switches_of_the_fabric_are_not_waited_for() -> None:
    gate = Gate(Clock(), CLOSING)
    gate.look([1, 2], {1: Bridge(), 2: Bridge(), 0x10001: Bridge(99.0)})  # type: ignore[dict-item]
    assert gate.open_until(1) == ALWAYS


def test_nobody_waits_for_ever() -> None:
    """For a bridge that does not take in what it was sent."""
    clock, one, other = Clock(), Bridge(), Bridge(99.0)
    gate = Gate(clock, CLOSING)
    for _ in range(9):
        gate.look([1, 2], {1: one, 2: other})  # type: ignore[dict-item]
        assert gate.open_until(1) == 99.0
        clock.now += BUSY_S / 9
    clock.now += 0.001
    gate.look([1, 2], {1: one, 2: other})  # type: ignore[dict-item]
    assert gate.open_until(1) == ALWAYS


def test_what_has_closed_everything_closes_nothing_any_more() -> None:
    sync, _ = idle([ALWAYS], Clock())
    sync.change(Change({ISOLATION.id: ISOLATION}))
    sync.flush()
    assert sync.closing_since is not None
    sync.committed()
    assert sync.closing_since is None


class Forgetful:
    """A datapath that forgets when it is told to."""

    def __init__(self) -> None:
        self.asked: list[Callable[[], None]] = []
        self.soon = 0

    def forget(self, done: Callable[[], None]) -> None:
        self.asked.append(done)

    def forget_soon(self) -> None:
        self.soon += 1


def test_what_closes_is_closed_once_the_datapath_has_forgotten_it() -> None:
    """Until then nothing more is sent, and others wait; what comes meanwhile is sent afterwards."""
    wire, memory = Wire(), Forgetful()
    sync = SwitchSync(1, wire, ENCODER, lambda: WANTED, Counters(), memory=memory, clock=lambda: 5.0)
    sync.read()
    answer(sync, WANTED)
    wire.take()
    sync.change(Change({DENY.id: DENY}))
    sync.flush()
    assert wire.take() and sync.closing_since == 5.0
    sync.committed()
    assert (sync.state, sync.closing_since) == (State.FORGETTING, 5.0)
    sync.change(Change({ROUTE.id: ROUTE}))
    sync.flush()
    assert wire.take() == []
    [forgotten] = memory.asked
    forgotten()
    assert sync.closing_since is None
    sync.flush()
    assert wire.take()
    sync.committed()
    assert (sync.state, memory.soon, len(memory.asked)) == (State.IDLE, 1, 1)  # a way closes nothing: nobody waits


def test_the_datapath_forgets_where_a_port_goes() -> None:
    memory = Forgetful()
    SwitchSync(1, Wire(), ENCODER, lambda: WANTED, Counters(), memory=memory).port_changed()
    assert memory.soon == 1


def test_a_switch_that_is_read_anew_is_not_told_what_it_has_forgotten_before() -> None:
    wire, memory = Wire(), Forgetful()
    sync = SwitchSync(1, wire, ENCODER, lambda: WANTED, Counters(), memory=memory, clock=lambda: 5.0)
    sync.read()
    answer(sync, WANTED)
    sync.change(Change({DENY.id: DENY}))
    sync.flush()
    sync.committed()
    sync.read()
    memory.asked[0]()
    assert sync.state is State.READING
