"""Views of an administrator's policies, in the shape of `policies.Policy`.

AdminNetworkPolicy and BaselineAdminNetworkPolicy (`v1alpha1`) name ports in `ports`; ClusterNetworkPolicy (`v1alpha2`)
is both of them in one kind, with a tier, and names ports by protocol. Source: the API types of
https://github.com/kubernetes-sigs/network-policy-api. What comes in has passed validation. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from k8sshim.objects import Key, Raw
from k8sshim.policies import Action, Block, Peer, PodGroup, Policy, PolicyPort, Rule, Tier
from k8sshim.selectors import EVERYTHING, Selector

MAX_PRIORITY = 1000
AFTER_ALL = MAX_PRIORITY + 1  # of the BaselineAdminNetworkPolicy, which has no priority of its own
PROTOCOLS = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}  # as `v1alpha2` spells them

_ACTIONS = {"Accept": Action.ALLOW, "Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}
_Ports = Callable[[Raw], "tuple[PolicyPort, ...]"]


def admin_network_policy(raw: Raw) -> Policy:
    """A `policy.networking.k8s.io/v1alpha1` AdminNetworkPolicy."""
    return _policy(raw, Tier.ADMIN, int(raw["spec"]["priority"]), _ports)


def baseline_admin_network_policy(raw: Raw) -> Policy:
    """The `policy.networking.k8s.io/v1alpha1` BaselineAdminNetworkPolicy, asked after all that have a priority."""
    return _policy(raw, Tier.BASELINE, AFTER_ALL, _ports)


def cluster_network_policy(raw: Raw) -> Policy:
    """A `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy."""
    return _policy(raw, Tier(raw["spec"]["tier"]), int(raw["spec"]["priority"]), _protocols)


def _policy(raw: Raw, tier: Tier, priority: int, ports: _Ports) -> Policy:
    spec = raw["spec"]
    return Policy(
        kind=raw["kind"],
        key=Key.of(raw),
        created=raw["metadata"].get("creationTimestamp") or "",
        tier=tier,
        priority=priority,
        subject=_group(spec["subject"]),
        ingress=_rules(spec.get("ingress"), "from", ports),
        egress=_rules(spec.get("egress"), "to", ports),
    )


def _rules(raw: list[Raw] | None, peers: str, ports: _Ports) -> tuple[Rule, ...] | None:
    """Without rules such a policy says nothing of a direction: it isolates nobody."""
    rules = (
        Rule(
            action=_ACTIONS[rule["action"]],
            peers=tuple(peer for entry in rule[peers] for peer in _peers(entry)),
            ports=ports(rule) or None,
            name=rule.get("name") or "",
        )
        for rule in raw or ()
    )
    return tuple(rules) or None


def _peers(raw: Raw) -> Iterator[Peer]:
    """One entry: a peer, or one for each of its networks. `{}` selects all nodes, so absence is what is asked for."""
    if raw.get("nodes") is not None:
        yield Peer(nodes=Selector.from_raw(raw["nodes"]))
    elif raw.get("networks") is not None:
        yield from (Peer(block=Block.of(cidr)) for cidr in raw["networks"])
    else:
        yield Peer(pods=_group(raw))


def _group(raw: Raw) -> PodGroup:
    """All pods of some namespaces, or some of theirs; an absent namespaceSelector selects every namespace."""
    pods = raw.get("pods")
    if pods is None:
        return PodGroup("", Selector.from_raw(raw["namespaces"]), EVERYTHING)
    namespaces = Selector.from_raw(pods.get("namespaceSelector") or {})
    return PodGroup("", namespaces, Selector.from_raw(pods.get("podSelector") or {}))


def _ports(rule: Raw) -> tuple[PolicyPort, ...]:
    return tuple(map(_port, rule.get("ports") or ()))


def _port(raw: Raw) -> PolicyPort:
    """The alternatives of `v1alpha1`; a named port is meant whatever its protocol."""
    number, numbers = raw.get("portNumber"), raw.get("portRange")
    if number is not None:
        return PolicyPort(number.get("protocol") or "TCP", int(number["port"]))
    if numbers is not None:
        return PolicyPort(numbers.get("protocol") or "TCP", int(numbers["start"]), int(numbers["end"]))
    return PolicyPort("", raw["namedPort"])


def _protocols(rule: Raw) -> tuple[PolicyPort, ...]:
    return tuple(map(_protocol, rule.get("protocols") or ()))


def _protocol(raw: Raw) -> PolicyPort:
    """The alternatives of `v1alpha2`."""
    if raw.get("destinationNamedPort"):
        return PolicyPort("", raw["destinationNamedPort"])
    [field] = [name for name in PROTOCOLS if raw.get(name) is not None]
    port = raw[field]["destinationPort"]
    numbers = port.get("range")
    if numbers is not None:
        return PolicyPort(PROTOCOLS[field], int(numbers["start"]), int(numbers["end"]))
    return PolicyPort(PROTOCOLS[field], int(port["number"]))
