"""What policies say of a connection, in words and as JSON, with the field of each rule, peer and port. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from experiments.policy.oracle import Address, Match, Miss, NodePlace, Place, PolicyName, Reason, Side
from k8sshim.errors import some
from k8sshim.objects import Raw
from k8sshim.policies import NAME_LABEL
from k8sshim.selectors import Selector
from lab.tracing.network import Network

PEERS = {"egress": "to", "ingress": "from"}
_MOST_MISSES = 20  # rules that do not match, a line each
_REASONS = {
    Reason.ITSELF: "a pod always reaches itself",
    Reason.OWN_NODE: "a pod and the node that it is on always reach each other",
    Reason.NO_POD: "no policy is about nodes, hostNetwork pods and the outside",
}


class Words:
    """How places, rules, peers and ports are called."""

    def __init__(self, network: Network, objects: Iterable[Raw]) -> None:
        self._network = network
        self._policies = {
            PolicyName(raw["kind"], raw["metadata"].get("namespace") or "", raw["metadata"]["name"]): raw
            for raw in objects
            if raw["kind"].endswith("NetworkPolicy")
        }

    def who(self, place: Place) -> str:
        """A place, by the name of who is there."""
        if isinstance(place, Address):
            return self._network.who_has(place.text) or place.text
        return f"node {place}" if isinstance(place, NodePlace) else f"pod {place}"

    def side(self, direction: str, side: Side, misses: tuple[Miss, ...]) -> Iterator[str]:
        """One side: a line with what is said, and a line for each rule that says it."""
        yield f"{direction}: {'allowed' if side.allowed else 'denied'}, {self._why(direction, side)}"
        if side.passed_by:
            yield f"  {self._match(side.passed_by)}: Pass"
        for match in side.matches:
            yield f"  {self._match(match)}: {match.action}"
        for miss in misses[:_MOST_MISSES]:
            yield f"  {miss.policy}: spec.{miss.direction}[{miss.rule}]: {_missed(miss)}"
        if len(misses) > _MOST_MISSES:
            yield f"  and {len(misses) - _MOST_MISSES} more rules that do not match: --json has all"

    def side_raw(self, side: Side, misses: tuple[Miss, ...]) -> dict[str, Any]:
        """One side as JSON."""
        return {
            "allowed": side.allowed,
            "why": side.why.value,
            "rules": [self._raw(match) for match in side.matches],
            "isolated_by": [str(name) for name in side.isolated_by],
            "passed_by": self._raw(side.passed_by) if side.passed_by else None,
            "missed": [
                {
                    "policy": str(miss.policy),
                    "rule": f"spec.{miss.direction}[{miss.rule}]",
                    "peer_matches": miss.peer,
                    "port_matches": miss.port,
                }
                for miss in misses
            ],
        }

    def _why(self, direction: str, side: Side) -> str:
        if side.why is Reason.NOT_ISOLATED:
            return f"not isolated: no policy selects the pod and decides its {direction}"
        if side.why is Reason.ISOLATED:
            return f"isolated by {_listed(side.isolated_by)}, of which no rule allows it"
        if side.why is not Reason.RULE:
            return _REASONS[side.why]
        isolated = f"isolated by {_listed(side.isolated_by)}, and " if side.isolated_by else ""
        return f"{isolated}by {'this rule' if len(side.matches) == 1 else 'these rules'}:"

    def _raw(self, match: Match) -> dict[str, Any]:
        rule = f"spec.{match.direction}[{match.rule}]"
        return {
            "policy": str(match.policy),
            "action": match.action,
            "rule": rule,
            "peer": f"{rule}.{match.peer_field}" if match.peer_field else None,
            "port": f"{rule}.{match.port_field}" if match.port_field else None,
            "words": f"{self._peer(match)}, {self._port(match)}",
        }

    def _match(self, match: Match) -> str:
        """`NetworkPolicy shop/db: spec.ingress[0].from[1].namespaceSelector (...), ports[0] (...)`"""
        fields = f"spec.{match.direction}[{match.rule}]"
        peer = f".{match.peer_field} ({self._peer(match)})" if match.peer_field else f" ({self._peer(match)})"
        port = f", {match.port_field} ({self._port(match)})" if match.port_field else f" ({self._port(match)})"
        return f"{match.policy}: {fields}{peer}{port}"

    def _rule(self, match: Match) -> Raw:
        rule: Raw = self._policies[match.policy]["spec"][match.direction][match.rule]
        return rule

    def _peer(self, match: Match) -> str:
        if match.peer is None:
            return "everybody"
        peer = self._rule(match)[PEERS[match.direction]][match.peer]
        if "networks" in peer:
            number = int(match.peer_field.rpartition("[")[2].rstrip("]"))
            return str(peer["networks"][number])
        return peer_words(peer, match.policy.namespace)

    def _port(self, match: Match) -> str:
        if match.port is None:
            return "all ports"
        rule = self._rule(match)
        entries = rule.get("ports") or rule.get("protocols") or ()
        return port_words(entries[match.port])


def _missed(miss: Miss) -> str:
    peers = PEERS[miss.direction]
    if miss.peer:
        return f"its {peers} matches, its ports do not"
    return f"its ports match, its {peers} does not" if miss.port else f"neither its {peers} nor its ports match"


def _listed(names: Iterable[PolicyName]) -> str:
    return some(map(str, names))


def peer_words(peer: Raw, namespace: str) -> str:
    """Whom an entry of `from` or `to` means, of a policy in that namespace."""
    if block := peer.get("ipBlock"):
        excepted = ", ".join(block.get("except") or ())
        return f"{block['cidr']} except {excepted}" if excepted else str(block["cidr"])
    if peer.get("nodes") is not None:
        return f"nodes {_selected(peer['nodes'])}"
    if peer.get("pods") is not None:
        return _pods(peer["pods"].get("podSelector") or {}, peer["pods"].get("namespaceSelector") or {})
    if peer.get("namespaces") is not None:
        return _pods({}, peer["namespaces"])
    selector = peer.get("namespaceSelector")
    if selector is None:
        return f"{_of(peer.get('podSelector') or {})} of namespace {namespace}"
    return _pods(peer.get("podSelector") or {}, selector)


def _pods(pods: Raw, namespaces: Raw) -> str:
    return f"{_of(pods)} of {_namespaces(namespaces)}"


def _of(pods: Raw) -> str:
    text = str(Selector.from_raw(pods))
    return f"pods {text}" if text else "all pods"


def _namespaces(raw: Raw) -> str:
    text = str(Selector.from_raw(raw))
    prefix = f"{NAME_LABEL}="
    if text.startswith(prefix) and "," not in text:
        return f"namespace {text.removeprefix(prefix)}"
    return f"namespaces {text}" if text else "all namespaces"


def _selected(raw: Raw) -> str:
    return str(Selector.from_raw(raw)) or "of all kinds"


def port_words(port: Raw) -> str:
    """What an entry of `ports` (or of `protocols`) means."""
    protocol, first, last = _numbers(port)
    if isinstance(first, str):
        return f"the {protocol} port named {first}" if protocol else f"the port named {first}"
    if first is None:
        return f"all {protocol} ports"
    return f"{protocol} {first}-{last}" if last else f"{protocol} {first}"


def _numbers(entry: Raw) -> tuple[str, int | str | None, int | None]:
    """Protocol ("" for any), port (None for all) and the last of a range, in whichever notation."""
    name = entry.get("namedPort") or entry.get("destinationNamedPort")
    if name:
        return "", name, None
    for key in ("tcp", "udp", "sctp"):
        if entry.get(key) is not None:
            return key.upper(), *_range(entry[key].get("destinationPort") or {})
    if entry.get("portNumber"):
        return entry["portNumber"].get("protocol") or "TCP", entry["portNumber"]["port"], None
    if entry.get("portRange"):
        return entry["portRange"].get("protocol") or "TCP", *_range({"range": entry["portRange"]})
    return entry.get("protocol") or "TCP", entry.get("port"), entry.get("endPort")


def _range(port: Raw) -> tuple[int | None, int | None]:
    numbers = port.get("range")
    return (numbers["start"], numbers["end"]) if numbers else (port.get("number"), None)
