"""What lets more through and what lets less, so that the latter is everywhere before the former is anywhere. Pure.

A connection passes two bridges, which take changes in at different times. Where one set of policies forbids it on one
bridge and the next set on the other, it would get through while the one has the new set and the other still the old.
So what opens waits until every bridge has taken in what closes. A flow's cookie tells which of both it does. Rules that
pass may do either: they wait for what closes, and what opens waits for them. Two that pass do not wait for each other.

Isolation is an exception, since a pod that is not isolated is allowed everything. What rules allow a pod comes together
with its isolation, and goes together with it, so that what stays allowed is not held up. Unless the administrator has a
baseline: that is asked only about pods that are not isolated.

What a new pod sends comes in when what rules allow it is open elsewhere, too: its first packet would be denied there.
And the way to a pod comes when its own packets may: whoever is delivered to before would ask for its neighbours in
vain. In both cases Linux tries again only after a second.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

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
    return any(opens(number, comes=flow is not None) and not enters(number) for number, flow in change.flows.items())


def closes_anything(change: Change) -> bool:
    """Whether a change takes anything away from what gets through."""
    return any(closes(number, comes=flow is not None) for number, flow in change.flows.items())


def closing_objects(change: Change) -> set[int]:
    """The objects that take something away from what gets through: a rule that becomes another one."""
    return {object_of(number) for number, flow in change.flows.items() if closes(number, comes=flow is not None)}


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
    free, kept = (set(), set()) if baseline else (set(_of_isolated(come)), set(_of_isolated(gone)))
    delivered = set(_delivered(come))
    opening = {
        number: flow
        for number, flow in change.flows.items()
        if number in kept or number in delivered or (number not in free and opens(number, comes=flow is not None))
    }
    rest = {number: flow for number, flow in change.flows.items() if number not in opening}
    return Change(rest, change.groups, change.stale), Change(opening, gone=change.gone)


def _delivered(flows: Collection[Flow]) -> Iterator[FlowId]:
    """What leads to a port from which packets do not come in yet: who is there could not even ask whom to answer by."""
    entering = {flow.owner.subject for flow in flows if flow.owner.feature is Feature.CLASSIFIER}
    for flow in flows:
        if flow.owner.feature is Feature.ROUTING and flow.owner.subject in entering:
            yield flow.id


def _of_isolated(flows: Collection[Flow]) -> Iterator[FlowId]:
    """Rules' flows that mean nothing without the isolation that comes, or goes, with them."""
    isolated = {(_SIDES[flow.table.number], _pod(flow)) for flow in flows if flow.table.number in _SIDES}
    allowing = [flow for flow in flows if flow.table.number in _ALLOWING]
    whole = {fields["conj_id"] for flow in allowing if "conj_id" in (fields := dict(flow.match))}
    for flow in allowing:
        clause = next((one for one in flow.actions if isinstance(one, Conjunction)), None)
        if clause is not None and clause.clause == POD:
            meaningless = (flow.table.number, _pod(flow)) in isolated
        else:
            meaningless = clause is None or clause.id in whole
        if meaningless:
            yield flow.id


def _pod(flow: Flow) -> object:
    """The address of the pod that a flow is about."""
    fields = dict(flow.match)
    return fields.get("ipv4_src" if flow.table in (EGRESS_POLICY, EGRESS_DEFAULT) else "ipv4_dst")
