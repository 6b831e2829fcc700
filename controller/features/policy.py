"""Rules of policies as conjunctive matches: a flow for each pod, peer and port of a rule, and a verdict for all three.

Whatever the rule is one of, its stage goes on with the verdict: past the rest of this side's policies where it allows,
to NetworkPolicies where it passes, to Denied where it denies. Verdicts tell new connections from known ones, so that
their counters tell connections and packets.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.actions import Actions, Conjunction, Goto, load
from controller.flows import IP, PORT_FIELDS, PROTOCOLS, Fields, Flow, Owner
from controller.marks import DENIED_SIDE, DENYING_RULE, SOURCE, Feature, Priority, Side, Source
from controller.policy.entries import RulePeer, RulePlace, RulePod, RulePort, RuleVerdict
from controller.tables import (
    CONNTRACK_COMMIT,
    DENIED,
    EGRESS_ADMIN,
    EGRESS_BASELINE,
    EGRESS_POLICY,
    INGRESS_ADMIN,
    INGRESS_BASELINE,
    INGRESS_POLICY,
    ROUTING,
)
from k8sshim.policies import Action, Tier

FEATURE = Feature.POLICY_ALLOW
FEATURES = {Action.ALLOW: FEATURE, Action.DENY: Feature.POLICY_DENY, Action.PASS: Feature.POLICY_PASS}
POD, PEER, PORT, CLAUSES = 1, 2, 3, 3
NEW = "+trk+new"
_STAGES = {
    (Side.EGRESS, Tier.ADMIN): EGRESS_ADMIN,
    (Side.EGRESS, Tier.NAMESPACE): EGRESS_POLICY,
    (Side.EGRESS, Tier.BASELINE): EGRESS_BASELINE,
    (Side.INGRESS, Tier.ADMIN): INGRESS_ADMIN,
    (Side.INGRESS, Tier.NAMESPACE): INGRESS_POLICY,
    (Side.INGRESS, Tier.BASELINE): INGRESS_BASELINE,
}
_ALLOWED = {Side.EGRESS: ROUTING, Side.INGRESS: CONNTRACK_COMMIT}
_PASSED = {Side.EGRESS: EGRESS_POLICY, Side.INGRESS: INGRESS_POLICY}


def rule_pod(one: RulePod, owner: Owner) -> Iterator[Flow]:
    """Sent, or to be got, by a pod that the rule is applied to."""
    own: Fields = {SOURCE.name: Source.POD, "ipv4_src": one.address}
    yield _clause(one.rule, POD, own if one.rule.side is Side.EGRESS else {"ipv4_dst": one.address}, owner)


def rule_peer(one: RulePeer, owner: Owner) -> Iterator[Flow]:
    """To, or from, one of its peers."""
    yield _clause(one.rule, PEER, {"ipv4_dst" if one.rule.side is Side.EGRESS else "ipv4_src": one.network}, owner)


def rule_port(one: RulePort, owner: Owner) -> Iterator[Flow]:
    """To one of its ports."""
    yield _clause(one.rule, PORT, _ports(one), owner)


def rule_verdict(one: RuleVerdict, owner: Owner) -> Iterator[Flow]:
    """What becomes of it."""
    fields: Fields = {"eth_type": IP, "conj_id": one.rule.number}
    stage, owner = _STAGES[one.rule.side, one.rule.tier], _owner(one.rule, owner)
    yield owner.flow(stage, Priority.SPECIFIC, {**fields, "ct_state": NEW}, *_verdict(one.rule))
    yield owner.flow(stage, Priority.NORMAL, fields, *_verdict(one.rule))


def _clause(rule: RulePlace, clause: int, fields: Fields, owner: Owner) -> Flow:
    meets = Conjunction(rule.number, clause, CLAUSES)
    return _owner(rule, owner).flow(_STAGES[rule.side, rule.tier], rule.priority, {"eth_type": IP, **fields}, meets)


def _owner(rule: RulePlace, owner: Owner) -> Owner:
    """What a rule does is told by its flows' cookies, so that what opens is told from what closes."""
    return Owner(FEATURES[rule.action], owner.subject)


def _ports(one: RulePort) -> Fields:
    if not one.ports.protocol:
        return {}
    protocol = PROTOCOLS[one.ports.protocol]
    if not one.ports.mask:
        return {"ip_proto": protocol}
    exact = one.ports.mask == 0xFFFF
    return {
        "ip_proto": protocol,
        PORT_FIELDS[protocol]: one.ports.value if exact else f"{one.ports.value:#x}/{one.ports.mask:#x}",
    }


def _verdict(rule: RulePlace) -> Actions:
    if rule.action is Action.DENY:
        return (load(DENIED_SIDE, rule.side), load(DENYING_RULE, rule.number), Goto(DENIED))
    passes = rule.action is Action.PASS and rule.tier is Tier.ADMIN  # after the baseline's rules there is nothing more
    return (Goto(_PASSED[rule.side] if passes else _ALLOWED[rule.side]),)
