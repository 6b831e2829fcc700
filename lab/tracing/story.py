"""A traced packet's way in words: every stage, the object that decided, what became of the packet. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from controller.actions import SetField
from controller.flows import Flow
from controller.marks import ENDPOINT_IPV4, ENDPOINT_PORT, REFUSED_PORT, SERVICE_PORT
from k8sshim.objects import Raw

from .judging import SAID, Judgement, judgements
from .network import Network, Rule
from .packet import Packet
from .transcript import Visit
from .words import Choice, Translation, Words, table_of

DELIVERED, REFUSED, REJECTED, DROPPED = "delivered", "refused", "rejected", "dropped"
DENIED = "denied"  # by a policy
_FEW = 8  # endpoints that a sentence names
HELD = "held"  # until the controller has chosen an endpoint
_REASONS = {"border": "administratively prohibited"}  # of an ICMP error, where the feature's name does not tell
_PORTS = re.compile(r"nat\(src=[^:)]+:(\d+-\d+)")
_ADDRESSES = (("nw_src", "tp_src", "source"), ("nw_dst", "tp_dst", "destination"))


@dataclass(frozen=True)
class Step:
    """A stage that the packet passed."""

    switch: str
    stage: str
    feature: str
    subject: str  # the object that the flow belongs to
    match: str
    actions: tuple[str, ...]
    words: str  # what happened; "" for a stage that only hands on


@dataclass(frozen=True)
class Story:
    """The whole way."""

    packet: Packet
    steps: tuple[Step, ...]
    switches: tuple[str, ...]
    choice: Choice | None
    translations: tuple[Translation, ...]
    judged: tuple[Judgement, ...]  # what policies said, egress first
    outcome: str
    verdict: str  # the outcome in words
    decided_by: str  # the object

    def raw(self) -> Raw:
        """As JSON."""
        one, two = self.packet.sender, self.packet.target
        told: dict[str, Any] = {
            "from": {"name": one.name, "address": one.address, "port": self.packet.source_port if two.port else None},
            "to": {"name": two.name, "address": two.address, "port": two.port or None},
            "protocol": two.protocol,
            "outcome": self.outcome,
            "verdict": self.verdict,
            "decided_by": self.decided_by,
            "switches": list(self.switches),
            "service": None,
            "policies": [one.raw for one in self.judged],
            "translations": [vars(translation) for translation in self.translations],
            "steps": [{**vars(step), "actions": list(step.actions)} for step in self.steps],
        }
        if self.choice:
            group = f"{self.choice.group:#x}" if self.choice.group is not None else None
            told["service"] = {**vars(self.choice), "group": group, "candidates": list(self.choice.candidates)}
        return told


def tell(network: Network, packet: Packet, visits: Sequence[Visit]) -> Story:
    """The story of the flows that a packet met."""
    rules = [network.rule(visit.switch, visit.table, visit.cookie) for visit in visits]
    translations = tuple(_translations(visits))
    choice = _choice(network, visits, rules)
    words = Words(network, choice, translations)
    steps = tuple(_step(network, visit, rule, words) for visit, rule in zip(visits, rules, strict=True))
    judged = judgements(network, visits, rules)
    denial = next((one for one in judged if one.denies), None)
    if denial and rules[-1] and rules[-1].feature == "denial":
        outcome, verdict, decider = DENIED, denial.verdict, ", ".join(denial.policies)
    else:
        outcome, verdict = _outcome(network, packet, visits, rules, choice)
        decider = _decider(rules, choice, outcome)
    switches = tuple(dict.fromkeys(visit.switch for visit in visits))
    return Story(packet, steps, switches, choice, translations, judged, outcome, verdict, decider)


def _decider(rules: Sequence[Rule | None], choice: Choice | None, outcome: str) -> str:
    """The object that decided: the Service, or whose flow ended the packet's way, or whose route it took."""
    if choice and outcome in (DELIVERED, REFUSED):
        return f"Service {choice.service}"
    subjects = [rule.subject for rule in rules if rule and rule.feature not in SAID]
    if outcome == DELIVERED:
        subjects = [subject for subject in subjects if not subject.startswith("Cluster ")] or subjects
    return subjects[-1] if subjects else ""


def _step(network: Network, visit: Visit, rule: Rule | None, words: Words) -> Step:
    table = table_of(network, visit)
    return Step(
        visit.switch,
        table.name if table else f"table {visit.table}",
        rule.feature if rule else "",
        rule.subject if rule else "",
        visit.match,
        visit.actions,
        words.of(visit, rule),
    )


def _translations(visits: Sequence[Visit]) -> Iterator[Translation]:
    for before, after in pairwise(visits):
        for address, port, what in _ADDRESSES:
            old, new = _socket(before, address, port), _socket(after, address, port)
            if old != new:
                yield Translation(before.switch, what, old, _among(new, before))


def _among(socket: str, visit: Visit) -> str:
    """Where conntrack is to choose among ports, a trace does not know which: it tells the range."""
    ranges = (_PORTS.search(action) for action in visit.actions)
    ports = next((found[1] for found in ranges if found), "")
    return f"{socket.partition(':')[0]}:{ports}" if ports else socket


def _socket(visit: Visit, address: str, port: str) -> str:
    """`address:port` of a packet, or the address alone where it has no ports."""
    number = visit.packet.get(port)
    return visit.packet.get(address, "") + (f":{number}" if number else "")


def _choice(network: Network, visits: Sequence[Visit], rules: Sequence[Rule | None]) -> Choice | None:
    """The first Service whose flow decided."""
    served = [
        (visit, rule)
        for visit, rule in zip(visits, rules, strict=True)
        if rule and rule.subject.startswith("Service ") and network.switch(visit.switch).node
    ]
    if not served:
        return None
    subject = served[0][1].subject
    flows = [rule.flow for _, rule in served if rule.flow and rule.subject == subject]
    dpid = network.switch(served[0][0].switch).dpid
    number = next((value for flow in flows if (value := _service_port(flow)) is not None), None)
    group = network.desired.wanted(dpid).groups.get(number) if number is not None else None
    candidates = tuple(dict.fromkeys(_candidates(network, dpid, number))) if number is not None else ()
    endpoint = next(filter(None, map(_endpoint, flows)), "")
    return Choice(
        subject.removeprefix("Service "),
        group.number if group else None,
        candidates,
        endpoint,
        network.who_has(endpoint.partition(":")[0]) if endpoint else "",
    )


def _service_port(flow: Flow) -> int | None:
    """The Service port that a flow names, by loading or matching it."""
    loaded = [one.value for one in flow.actions if isinstance(one, SetField) and one.field == SERVICE_PORT.name]
    matched = [value for name, value in flow.match if name == SERVICE_PORT.name]
    return next((int(value) for value in (*loaded, *matched)), None)


def _candidates(network: Network, dpid: int, number: int) -> Iterator[str]:
    """The endpoints that a Service port translates to."""
    for flow in network.desired.wanted(dpid).flows.values():
        if dict(flow.match).get(SERVICE_PORT.name) == number and (endpoint := _endpoint(flow)):
            yield endpoint


def _endpoint(flow: Flow) -> str:
    """The endpoint that a flow translates to: an address and port that stay the same are no change in the packet."""
    match = dict(flow.match)
    return f"{match[ENDPOINT_IPV4.name]}:{match[ENDPOINT_PORT.name]}" if ENDPOINT_IPV4.name in match else ""


def _outcome(
    network: Network,
    packet: Packet,
    visits: Sequence[Visit],
    rules: Sequence[Rule | None],
    choice: Choice | None,
) -> tuple[str, str]:
    last, rule = visits[-1], rules[-1]
    if last.to_controller and choice and rule and rule.feature == "balancing":
        few = len(choice.candidates) <= _FEW
        whom = " or ".join(choice.candidates) if few else f"one of {len(choice.candidates)} endpoints"
        return HELD, f"held until the controller has chosen: {whom}"
    if last.to_controller:
        why = _REASONS.get(rule.feature, rule.feature.replace("_", " ")) if rule else "unknown"
        return REJECTED, f"the controller answers {packet.sender.name} with an ICMP error ({why})"
    if last.muted is not None:
        beyond = network.who_is_at(last.switch, last.muted)
        return DROPPED, f"dropped by {network.name_of(last.switch)}: its link to {beyond} is silent"
    if last.output is None:
        stage = table_of(network, last)
        owner = f" by {rule.subject}" if rule and rule.subject else ""
        return DROPPED, f"dropped in {stage.name if stage else last.table} of {network.name_of(last.switch)}{owner}"
    where = network.who_is_at(last.switch, last.output)
    if choice and not choice.endpoint and last.packet.get("tp_dst") == str(REFUSED_PORT):
        answer = "a TCP reset" if packet.target.protocol == "TCP" else "ICMP port unreachable"
        return REFUSED, f"refused: the kernel of {where} answers with {answer}, as if from {packet.target.address}"
    return DELIVERED, f"delivered to {where}"
