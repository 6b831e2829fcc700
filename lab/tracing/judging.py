"""What policies said of a traced packet, side by side: which rule of which policy, or whose isolation. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.marks import SOURCE, Side, Source
from controller.tables import (
    EGRESS_ADMIN,
    EGRESS_BASELINE,
    EGRESS_DEFAULT,
    EGRESS_POLICY,
    INGRESS_ADMIN,
    INGRESS_BASELINE,
    INGRESS_DEFAULT,
    INGRESS_POLICY,
    NODE_TABLES,
    Table,
)
from k8sshim.errors import some
from k8sshim.objects import Raw
from lab.inventory import pod_key

from .network import Network, Rule
from .transcript import Visit

ALLOWED, DENIED, PASSED, ISOLATED, EXEMPT = "allowed", "denied", "passed", "isolated", "exempt"
SAID = {
    "policy_allow": ALLOWED,
    "policy_deny": DENIED,
    "policy_pass": PASSED,
    "isolation": ISOLATED,
    "exemptions": EXEMPT,
}
_EGRESS = (EGRESS_ADMIN, EGRESS_POLICY, EGRESS_DEFAULT, EGRESS_BASELINE)
_INGRESS = (INGRESS_ADMIN, INGRESS_POLICY, INGRESS_DEFAULT, INGRESS_BASELINE)
SIDES: dict[Table, Side] = dict.fromkeys(_EGRESS, Side.EGRESS) | dict.fromkeys(_INGRESS, Side.INGRESS)
_BY_NUMBER = {table.number: table for table in NODE_TABLES}
_NO_MORE = (EGRESS_BASELINE, INGRESS_BASELINE)  # after which nothing is left to pass on to
_NODE_SENDS = "sent by a node, of which no policy speaks: not judged"
_ITSELF = "a pod always reaches itself: not judged"
_OWN_NODE = "a pod and its own node always reach each other: not judged"


@dataclass(frozen=True)
class Judgement:
    """What a stage of policies did with the packet."""

    switch: str
    side: Side
    said: str  # ALLOWED, DENIED, PASSED, ISOLATED or EXEMPT
    policies: tuple[str, ...]  # `Kind namespace/name`: whose rule it is, or all that isolate the pod
    rule: str  # `ingress[0]`; "" where no rule decided
    name: str  # as the policy's author called the rule
    words: str

    @property
    def denies(self) -> bool:
        return self.said in (DENIED, ISOLATED)

    @property
    def verdict(self) -> str:
        """A denial in words."""
        return f"denied: {self.words}" if self.said == ISOLATED else f"denied by {self.words.rpartition(':')[0]}"

    @property
    def raw(self) -> Raw:
        return {
            "switch": self.switch,
            "side": self.side.name.lower(),
            "said": self.said,
            "policies": list(self.policies),
            "rule": self.rule or None,
            "name": self.name or None,
        }


def judgements(network: Network, visits: Sequence[Visit], rules: Sequence[Rule | None]) -> tuple[Judgement, ...]:
    """What policies said, in the order in which the packet met them."""
    last = visits[-1].switch if visits else ""
    found = (judge(network, visit, rule) for visit, rule in zip(visits, rules, strict=True))
    return tuple(one for one in found if one and not (one.side is Side.INGRESS and one.switch != last))


def judge(network: Network, visit: Visit, rule: Rule | None) -> Judgement | None:
    """What policies said in a stage; None where they said nothing."""
    table = _BY_NUMBER.get(visit.table)
    side = SIDES.get(table) if table else None
    if rule is None or table is None or side is None or rule.feature not in SAID:
        return None
    said = SAID[rule.feature]
    if said == EXEMPT:
        return Judgement(visit.switch, side, said, (), "", "", _exempt(table, rule))
    if said == ISOLATED:
        return _isolated(network, visit.switch, side, rule)
    policy, _, place = rule.subject.rpartition(" ")
    name = network.rule_name(policy, place)
    words = f"{rule.subject}{f' ({name})' if name else ''}: {_deed(said, table)}"
    return Judgement(visit.switch, side, said, (policy,), place, name, words)


def _deed(said: str, table: Table) -> str:
    if said == PASSED and table in _NO_MORE:
        return "allows it, before the other rules of its tier"
    return {ALLOWED: "allows it", DENIED: "denies it", PASSED: "passes it on to NetworkPolicies"}[said]


def _isolated(network: Network, switch: str, side: Side, rule: Rule) -> Judgement:
    pod = rule.subject.removeprefix("Pod ")
    isolating = network.desired.policies.isolating(pod_key(pod), side) if pod else []
    names = tuple(sorted(map(str, isolating)))
    by = f" by {some(names)}, of which" if names else ":"
    words = f"pod {pod} is isolated at {side.name.lower()}{by} no rule allows it"
    return Judgement(switch, side, ISOLATED, names, "", "", words)


def _exempt(table: Table, rule: Rule) -> str:
    """Which of the cases that policies have no say in."""
    match = dict(rule.flow.match) if rule.flow else {}
    if table is INGRESS_ADMIN:
        return "not judged here, since its egress was not"
    if match.get(SOURCE.name) == Source.NODE:
        return _NODE_SENDS
    return _ITSELF if "ipv4_src" in match else _OWN_NODE
