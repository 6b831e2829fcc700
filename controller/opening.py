"""What lets more through and what lets less, so that the latter is everywhere before the former is anywhere. Pure.

A connection passes two bridges, which take changes in at different times. Where one set of policies forbids it on one
bridge and the next set on the other, it would get through while the one has the new set and the other still the old.
So what opens waits until every bridge has taken in what closes. A flow's cookie tells which of both it does. Rules that
pass may do either: they wait for what closes, and what opens waits for them. Two that pass do not wait for each other.

Isolation is an exception, since a pod that is not isolated is allowed everything. What rules allow a pod comes together
with its isolation, and goes together with it, so that what stays allowed is not held up. Unless the administrator has a
baseline: that is asked only about pods that are not isolated.

Rules of one policy share flows. Such a flow becomes another by way of what both have in common: without what closes at
once, with what opens when it may. So what a rule allows before and after is allowed meanwhile.

What a new pod sends comes in when what rules allow it is open elsewhere, too: its first packet would be denied there.
And the way to a pod comes when its own packets may: whoever is delivered to before would ask for its neighbours in
vain. In both cases Linux tries again only after a second.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol

from .actions import Conjunction
from .diff import Change
from .features.policy import POD
from .flows import Flow, FlowId
from .marks import CONTENT_BITS, Feature, feature_of
from .tables import (
    EGRESS_BASELINE,
    EGRESS_DEFAULT,
    EGRESS_POLICY,
    INGRESS_BASELINE,
    INGRESS_DEFAULT,
    INGRESS_POLICY,
)

OPENING = frozenset({Feature.POLICY_ALLOW, Feature.CLASSIFIER})  # rules that allow; ports that packets come in by
CLOSING = frozenset({Feature.POLICY_DENY, Feature.ISOLATION})
ENTERING = frozenset({Feature.CLASSIFIER, Feature.ROUTING})
EITHER = frozenset({Feature.POLICY_PASS})  # opens or closes, as what it passes on to has it

_SIDES = {EGRESS_DEFAULT.number: EGRESS_POLICY.number, INGRESS_DEFAULT.number: INGRESS_POLICY.number}
_BASELINE = frozenset({EGRESS_BASELINE.number, INGRESS_BASELINE.number})
_ALLOWING = frozenset(_SIDES.values())


class Does(Protocol):
    """Whether a flow does something as it comes, or goes."""

    def __call__(self, flow: FlowId, *, comes: bool) -> bool: ...


def opens(flow: FlowId, *, comes: bool) -> bool:
    """Whether more may get through once the flow has come, or gone."""
    feature = feature_of(flow[1])
    return feature in EITHER or feature in (OPENING if comes else CLOSING)


def closes(flow: FlowId, *, comes: bool) -> bool:
    """Whether less gets through once the flow has come, or gone."""
    return feature_of(flow[1]) in (CLOSING if comes else OPENING)


def passes(flow: FlowId) -> bool:
    """Whether it depends on other flows if the flow lets more through or less, or now the one and now the other."""
    return feature_of(flow[1]) in EITHER


def passes_anything(change: Change) -> bool:
    """Whether a change may as well take away from what gets through as add to it."""
    return any(map(passes, change.flows))


def enters(flow: FlowId) -> bool:
    """Of what is held back: whether it lets somebody in, and allows nothing by itself."""
    return feature_of(flow[1]) in ENTERING


def opens_anything(change: Change) -> bool:
    """Whether a change allows anything that was not allowed before."""
    return any(_doing(change, _allows))


def closes_anything(change: Change) -> bool:
    """Whether a change takes anything away from what gets through."""
    return any(_doing(change, closes))


def closing_objects(change: Change) -> set[int]:
    """The objects that take something away from what gets through: a rule that becomes another one."""
    return {object_of(number) for number in _doing(change, closes)}


def _allows(flow: FlowId, *, comes: bool) -> bool:
    return opens(flow, comes=comes) and not enters(flow)


def _doing(change: Change, does: Does) -> Iterator[FlowId]:
    """The flows that do something as they come or go, or as others that share them come or go."""
    alone, replaced = _apart(change)
    yield from (number for number, flow in alone.items() if does(number, comes=flow is not None))
    for before, after in replaced:
        if before.clauses - after.clauses and does(before.id, comes=False):
            yield before.id
        if after.clauses - before.clauses and does(after.id, comes=True):
            yield after.id


def replacements(change: Change) -> dict[FlowId, FlowId]:
    """Flows that others take the place of, by which: of rules that share them."""
    return {before.id: after.id for before, after in _apart(change)[1]}


def _apart(change: Change) -> tuple[dict[FlowId, Flow | None], list[tuple[Flow, Flow]]]:
    """The flows of a change that come or go, and those that become others."""
    gone = {
        flow.bare: flow
        for number, flow in change.gone.items()
        if flow.clauses and number in change.flows and change.flows[number] is None
    }
    come = [flow for flow in change.flows.values() if gone and flow and flow.clauses]
    replaced = [(gone[flow.bare], flow) for flow in come if flow.bare in gone]
    both = {flow.id for pair in replaced for flow in pair}
    return {number: flow for number, flow in change.flows.items() if number not in both}, replaced


def object_of(flow: FlowId) -> int:
    """Feature and object that a flow was written for, as its cookie has them."""
    return flow[1] >> CONTENT_BITS


def without_openings(change: Change, *, baseline: bool = True) -> tuple[Change, Change]:
    """A change without what opens, and what opens by itself.

    `baseline` tells whether there may be rules of the administrator's about pods that no NetworkPolicy isolates.
    """
    baseline = baseline or any(table in _BASELINE for table, _ in change.flows)
    come = [flow for flow in change.flows.values() if flow]
    gone = [change.gone[number] for number, flow in change.flows.items() if flow is None and number in change.gone]
    coming, going = (_Isolated([] if baseline else flows, others) for flows, others in ((come, gone), (gone, come)))
    delivered = set(_delivered(come))
    rest, opening = Change({}, change.groups, change.stale), Change()
    alone, replaced = _apart(change)
    shared: list[tuple[Flow | None, Flow | None]] = [*replaced]
    for number, flow in alone.items():
        was = None if flow else change.gone.get(number)
        one = flow or was
        if one and one.clauses:
            shared.append((was, flow))
            continue
        kept, free = going.has_verdict(was), flow is not None and _is_verdict(flow)
        held = kept or number in delivered or (not free and opens(number, comes=flow is not None))
        (opening if held else rest).put(number, flow, was)
    for before, after in shared:
        at_once = _at_once(before, after, coming, going)
        _become(before, at_once, rest)
        _become(at_once, after, opening)
    return rest, opening


def _become(before: Flow | None, after: Flow | None, change: Change) -> None:
    """A flow that others share becomes another, as part of a change."""
    if before == after:
        return
    if before:
        change.put(before.id, None, before)
    if after:
        change.put(after.id, after)


def _at_once(before: Flow | None, after: Flow | None, coming: _Isolated, going: _Isolated) -> Flow | None:
    """What a flow shall be for as long as what opens is held back; None: not there."""
    old, new = (one.clauses if one else frozenset() for one in (before, after))
    clauses = old & new
    if after:
        opening = opens(after.id, comes=True)
        clauses |= {clause for clause in new - old if not opening or coming.has(after, clause)}
    if before:
        opening = opens(before.id, comes=False)
        clauses |= {clause for clause in old - new if opening or going.has(before, clause)}
    for one in (before, after):
        if one and one.clauses == clauses:
            return one
    one = after or before
    return one.with_clauses(clauses) if one and clauses else None


def _delivered(flows: Collection[Flow]) -> Iterator[FlowId]:
    """What leads to a port from which packets do not come in yet: who is there could not even ask whom to answer by."""
    entering = {flow.owner.subject for flow in flows if flow.owner.feature is Feature.CLASSIFIER}
    for flow in flows:
        if flow.owner.feature is Feature.ROUTING and flow.owner.subject in entering:
            yield flow.id


class _Isolated:
    """The isolation that comes, or goes, with some flows, and which of them mean nothing without it.

    Not where others of the same change have it go, or come: an address that was another pod's.
    """

    def __init__(self, flows: Collection[Flow], others: Collection[Flow]) -> None:
        self._pods = _isolated(flows) - _isolated(others)
        self._rules = {dict(flow.match)["conj_id"] for flow in flows if _is_verdict(flow)}

    def has_verdict(self, flow: Flow | None) -> bool:
        """Of a flow: it is one of these, to which no way leads but by its clauses."""
        return flow is not None and _is_verdict(flow) and dict(flow.match)["conj_id"] in self._rules

    def has(self, flow: Flow, clause: Conjunction) -> bool:
        """Of a rule's clause: the pod is isolated, or let go, with it; or the rule comes, or goes, as a whole."""
        if flow.table.number not in _ALLOWING:
            return False
        if clause.clause == POD:
            return (flow.table.number, _pod(flow)) in self._pods
        return clause.id in self._rules


def _isolated(flows: Collection[Flow]) -> set[tuple[int, object]]:
    """The pods that some flows isolate, by the stage that tells what they are allowed nevertheless."""
    return {(_SIDES[flow.table.number], _pod(flow)) for flow in flows if flow.table.number in _SIDES}


def _is_verdict(flow: Flow) -> bool:
    """What becomes of what meets all clauses of a NetworkPolicy's rule.

    It means nothing without those, and comes before any of them: a rule without its verdict would be one in the way of
    others that share its priority.
    """
    return flow.table.number in _ALLOWING and "conj_id" in dict(flow.match)


def _pod(flow: Flow) -> object:
    """The address of the pod that a flow is about."""
    fields = dict(flow.match)
    return fields.get("ipv4_src" if flow.table in (EGRESS_POLICY, EGRESS_DEFAULT) else "ipv4_dst")
