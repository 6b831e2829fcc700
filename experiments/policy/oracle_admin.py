"""The policies of the cluster's administrator as rules in the order in which they are asked, tier by tier. Pure.

Source: the documentation of the types of kubernetes-sigs/network-policy-api: `apis/v1alpha1` (AdminNetworkPolicy,
BaselineAdminNetworkPolicy) and `apis/v1alpha2` (ClusterNetworkPolicy, whose spec says its tier).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from experiments.policy.oracle_rules import ANY, Peer, Port, Rule, block_peer, name_of
from experiments.policy.oracle_verdict import PodPlace
from experiments.policy.oracle_world import Raw, World

ADMIN, BASELINE = "Admin", "Baseline"
AFTER_ALL = 1001  # priorities end at 1000
ACTIONS = {"Allow": "Allow", "Accept": "Allow", "Deny": "Deny", "Pass": "Pass"}  # v1alpha2 says Accept
PROTOCOLS = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}
UNSUPPORTED = "domainNames"  # a packet has no names: a peer of these means nobody


@dataclass(frozen=True)
class OrderedRule:
    """A rule, and the pods that it is about."""

    subject: frozenset[PodPlace]
    rule: Rule


def tier_of(raw: Raw) -> str:
    """Which tier a policy belongs to; "" for what is no administrator's policy."""
    match raw["kind"]:
        case "AdminNetworkPolicy":
            return ADMIN
        case "BaselineAdminNetworkPolicy":
            return BASELINE
        case "ClusterNetworkPolicy":
            return str(raw["spec"]["tier"])
        case _:
            return ""


def ordered(world: World, policies: Iterable[Raw], tier: str, direction: str) -> list[OrderedRule]:
    """The rules of a tier for a direction: by the policies' priority, the lowest number first, then as written."""
    here = sorted((raw for raw in policies if tier_of(raw) == tier), key=_precedence)
    return [each for raw in here for each in _rules(world, raw, direction)]


def _precedence(raw: Raw) -> tuple[int, str, str]:
    """Which of two of one priority is asked first is left open by the API: here by kind and name. A
    BaselineAdminNetworkPolicy has no priority, and comes after those that have one."""
    return int(raw["spec"].get("priority", AFTER_ALL)), raw["kind"], raw["metadata"]["name"]


def _rules(world: World, raw: Raw, direction: str) -> Iterator[OrderedRule]:
    subject = frozenset(_pods(world, raw["spec"]["subject"]))
    peers = "from" if direction == "ingress" else "to"
    for index, entry in enumerate(raw["spec"].get(direction) or ()):
        action, named = ACTIONS[entry["action"]], entry.get(peers) or ()
        known = all(_is_known(peer) for peer in named)
        rule = Rule(
            policy=name_of(raw),
            direction=direction,
            index=index,
            action=action,
            peers=tuple(_peers(world, named, peers)),
            ports=tuple(_ports(entry)),
            never=not named,
        )
        yield OrderedRule(subject, rule if known else _failed_closed(rule))


def _failed_closed(rule: Rule) -> Rule:
    """A rule with a peer that nobody here knows: if it allows it matches nothing, otherwise it denies everything."""
    if rule.action == "Allow":
        return Rule(rule.policy, rule.direction, rule.index, rule.action, (), (), never=True)
    return Rule(rule.policy, rule.direction, rule.index, "Deny", (), ())


def _is_known(peer: Raw) -> bool:
    return any(peer.get(key) is not None for key in ("namespaces", "pods", "nodes", "networks", UNSUPPORTED))


def _pods(world: World, entry: Raw) -> set[PodPlace]:
    """Of a subject or a peer: the pods of some namespaces, or some pods of some namespaces."""
    if entry.get("namespaces") is not None:
        return world.pods({}, namespace_selector=entry["namespaces"])
    if entry.get("pods") is not None:
        named = entry["pods"]
        return world.pods(named.get("podSelector") or {}, namespace_selector=named.get("namespaceSelector") or {})
    return set()


def _peers(world: World, entries: Iterable[Raw], list_name: str) -> Iterator[Peer]:
    for index, entry in enumerate(entries):
        here = f"{list_name}[{index}]"
        if entry.get("networks") is not None:
            for number, cidr in enumerate(entry["networks"]):
                yield block_peer(index, f"{here}.networks[{number}]", cidr)
        elif entry.get("nodes") is not None:
            yield Peer(index, f"{here}.nodes", nodes=frozenset(world.nodes(entry["nodes"])))
        else:
            kind = next((key for key in ("namespaces", "pods", UNSUPPORTED) if entry.get(key) is not None), "")
            yield Peer(index, f"{here}.{kind}".rstrip("."), frozenset(_pods(world, entry)))


def _ports(rule: Raw) -> Iterator[Port]:
    for index, entry in enumerate(rule.get("ports") or ()):  # v1alpha1
        yield _numbered(index, f"ports[{index}]", entry)
    for index, entry in enumerate(rule.get("protocols") or ()):  # v1alpha2
        yield _of_protocol(index, f"protocols[{index}]", entry)


def _numbered(index: int, field: str, entry: Raw) -> Port:
    if entry.get("namedPort") is not None:
        return Port(index, f"{field}.namedPort", ANY, name=entry["namedPort"])
    if entry.get("portNumber") is not None:
        one = entry["portNumber"]
        return Port(index, f"{field}.portNumber", one.get("protocol") or "TCP", one["port"], one["port"])
    several = entry["portRange"]
    return Port(index, f"{field}.portRange", several.get("protocol") or "TCP", several["start"], several["end"])


def _of_protocol(index: int, field: str, entry: Raw) -> Port:
    if entry.get("destinationNamedPort"):
        return Port(index, f"{field}.destinationNamedPort", ANY, name=entry["destinationNamedPort"])
    key = next(key for key in PROTOCOLS if entry.get(key) is not None)
    port: dict[str, Any] | None = entry[key].get("destinationPort")
    if port is None:
        return Port(index, f"{field}.{key}", PROTOCOLS[key])
    if port.get("number"):
        return Port(index, f"{field}.{key}", PROTOCOLS[key], port["number"], port["number"])
    return Port(index, f"{field}.{key}", PROTOCOLS[key], port["range"]["start"], port["range"]["end"])
