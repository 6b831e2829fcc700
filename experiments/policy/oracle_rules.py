"""What a rule matches: which ends its peers mean, and which ports of them. Pure.

Source: the documentation of the `networking.k8s.io/v1` types, of which the rules of the administrator's policies differ
in notation. A peer keeps the pods that it means, worked out once; blocks keep the ends that they were asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from experiments.policy.oracle_verdict import Match, Miss, PodPlace, PolicyName
from experiments.policy.oracle_world import End, Raw, World

IPNetwork = IPv4Network | IPv6Network
ANY = ""  # protocol
LAST_PORT = 65535


@dataclass(frozen=True)
class Asked:
    """A connection, as one side's rules are asked about it."""

    here: End  # the end whose policies are asked
    other: End
    target: End  # the one of the two that is connected to, and so has the port
    port: int  # 0 for ICMP
    protocol: str


@dataclass(frozen=True)
class Peer:
    """Who a peer means: some pods, some nodes, or a block of addresses, which pods and nodes may be in, too."""

    index: int
    path: str  # within the rule
    pods: frozenset[PodPlace] = frozenset()
    nodes: frozenset[str] = frozenset()
    block: IPNetwork | None = None
    excepted: tuple[IPNetwork, ...] = ()
    _asked: dict[End, bool] = field(default_factory=dict, compare=False)

    def means(self, end: End) -> bool:
        if self.block is None:
            return end.pod in self.pods if end.pod else end.node in self.nodes
        if end not in self._asked:
            self._asked[end] = self._has(end)
        return self._asked[end]

    def _has(self, end: End) -> bool:
        address = end.address
        inside = address is not None and self.block is not None and address in self.block
        return inside and not any(address in block for block in self.excepted)


@dataclass(frozen=True)
class Port:
    """Which ports one entry means: a range of numbers, or a name that each target has its own numbers for."""

    index: int
    path: str  # within the rule
    protocol: str  # ANY for a name of any protocol
    first: int = 0
    last: int = LAST_PORT
    name: str = ""

    def means(self, asked: Asked) -> bool:
        if self.protocol not in (ANY, asked.protocol):
            return False
        if self.name:
            return asked.port in asked.target.ports.get((self.name, asked.protocol), ())
        return self.first <= asked.port <= self.last


@dataclass(frozen=True)
class Rule:
    """Matches what both a peer and a port mean. No peers: all peers; no ports: all ports of all protocols."""

    policy: PolicyName
    direction: str
    index: int
    action: str
    peers: tuple[Peer, ...]
    ports: tuple[Port, ...]
    never: bool = False  # matches nothing, whatever its peers are

    def match(self, asked: Asked) -> Match | None:
        """Whether a connection matches, and by what of the rule."""
        if self.never:
            return None
        peer = next((peer for peer in self.peers if peer.means(asked.other)), None)
        if self.peers and peer is None:
            return None
        named = next((one for one in self.ports if one.means(asked)), None)
        if self.ports and named is None:
            return None
        return Match(
            self.policy,
            self.direction,
            self.action,
            self.index,
            peer.index if peer else None,
            named.index if named else None,
            peer.path if peer else "",
            named.path if named else "",
        )

    def miss(self, asked: Asked) -> Miss:
        """Why a connection does not match, for one that does not."""
        peer = not self.peers or any(peer.means(asked.other) for peer in self.peers)
        port = not self.ports or any(port.means(asked) for port in self.ports)
        return Miss(self.policy, self.direction, self.index, peer and not self.never, port)


def name_of(raw: Raw) -> PolicyName:
    """The name of a policy."""
    return PolicyName(raw["kind"], raw["metadata"].get("namespace") or "", raw["metadata"]["name"])


def network_policy_rules(world: World, raw: Raw, direction: str) -> tuple[Rule, ...]:
    """The rules of a NetworkPolicy in one direction (`ingress` or `egress`). An empty list of peers, or of ports, is
    the same as none: it restricts nothing."""
    name, peers = name_of(raw), "from" if direction == "ingress" else "to"
    return tuple(
        Rule(
            policy=name,
            direction=direction,
            index=index,
            action="Allow",
            peers=tuple(_peers(world, rule.get(peers) or (), peers, name.namespace)),
            ports=tuple(_ports(rule.get("ports") or ())),
        )
        for index, rule in enumerate((raw.get("spec") or {}).get(direction) or ())
    )


def _peers(world: World, entries: Iterable[Raw], list_name: str, namespace: str) -> Iterator[Peer]:
    for index, entry in enumerate(entries):
        path = f"{list_name}[{index}]"
        pods, namespaces, block = (entry.get(key) for key in ("podSelector", "namespaceSelector", "ipBlock"))
        if block is not None:
            yield block_peer(index, f"{path}.ipBlock", block["cidr"], block.get("except") or ())
        elif namespaces is None and pods is not None:  # pods of the policy's own namespace
            meant = world.pods(pods, namespace=namespace)
            yield Peer(index, f"{path}.podSelector", frozenset(meant))
        elif namespaces is not None and pods is None:  # all pods of those namespaces
            meant = world.pods({}, namespace_selector=namespaces)
            yield Peer(index, f"{path}.namespaceSelector", frozenset(meant))
        elif namespaces is not None and pods is not None:  # those pods of those namespaces
            yield Peer(index, path, frozenset(world.pods(pods, namespace_selector=namespaces)))
        else:
            yield Peer(index, path)  # names nobody, means nobody


def block_peer(index: int, path: str, cidr: str, excepted: Iterable[str] = ()) -> Peer:
    """A peer that is a block of addresses without some blocks in it."""
    return Peer(
        index,
        path,
        block=ip_network(cidr, strict=False),
        excepted=tuple(ip_network(each, strict=False) for each in excepted),
    )


def _ports(entries: Iterable[Raw]) -> Iterator[Port]:
    for index, entry in enumerate(entries):
        protocol, port = entry.get("protocol") or "TCP", entry.get("port")
        yield _port(index, protocol, port, entry.get("endPort"))


def _port(index: int, protocol: str, port: Any, last: int | None) -> Port:
    if port is None:
        return Port(index, f"ports[{index}]", protocol)
    if isinstance(port, str):
        return Port(index, f"ports[{index}]", protocol, name=port)
    return Port(index, f"ports[{index}]", protocol, port, last or port)
