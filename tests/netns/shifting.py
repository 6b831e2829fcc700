"""Policy sets that change while somebody knocks: random ones, and such that move a denial to the other end.

What opens on one bridge while it closes on another is what an engine gets wrong. So pairs of pods are kept apart by
guards: at the client, or at the server, never neither. A guard changes sides in one go, in the ways in which people do.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

from handmade import Host, host_mac
from hypothesis import HealthCheck, Phase, given, settings
from random_policies import API, NAMESPACES, World, named, worlds

from k8sshim.objects import Raw

CLIENT, SERVER = "client", "server"
Objects = dict[tuple[str, str, str], Raw]  # by kind, namespace and name
Guard = Callable[["Shifting", str, str, str], list[Raw]]  # the objects that keep one from the other, at which end


def drawn(count: int, pods: int) -> list[World]:
    """Random worlds, the same in every run."""
    found: list[World] = []

    @settings(max_examples=count, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)
    @given(world=worlds(fewest=pods, most=pods, kinds=("usual",)))
    def draw(world: World) -> None:
        found.append(world)

    draw()
    return found


def by_spec(_: Shifting, client: str, server: str, end: str) -> list[Raw]:
    """One policy that is about the one pod's egress, or about the other's ingress."""
    return [_policy(f"spec-{client}-{server}", client if end == CLIENT else server, end)]


def by_two(_: Shifting, client: str, server: str, end: str) -> list[Raw]:
    """One policy goes and the other comes."""
    return [_policy(f"two-{end}-{client}-{server}", client if end == CLIENT else server, end)]


def by_labels(_: Shifting, client: str, server: str, end: str) -> list[Raw]:
    """The policies stay; labels move."""
    return []


def by_administrator(_: Shifting, client: str, server: str, end: str) -> list[Raw]:
    """The administrator's policy has another subject."""
    own, other = (client, server) if end == CLIENT else (server, client)
    return [_admin(f"admin-{client}-{server}", 20, {"podSelector": _named(own), "namespaceSelector": {}}, other, end)]


def by_namespace(_: Shifting, client: str, server: str, end: str) -> list[Raw]:
    """Both of the administrator's policies stay; a label of the namespace says which is meant."""
    return [
        _admin(f"of-{own}-{at}", 30 + number,
               {"podSelector": _named(own), "namespaceSelector": {"matchLabels": {"guard": at}}}, other, at)
        for number, (own, other, at) in enumerate(((client, server, CLIENT), (server, client, SERVER)))
    ]  # fmt: skip


GUARDS: tuple[tuple[Guard, str, str], ...] = (  # pods with even numbers are at one node, with odd ones at the other
    (by_spec, "pod-0", "pod-1"),
    (by_two, "pod-1", "pod-2"),
    (by_labels, "pod-0", "pod-3"),
    (by_administrator, "pod-3", "pod-4"),
    (by_namespace, "pod-4", "pod-1"),
    (by_two, "pod-2", "pod-4"),  # at the same node
)
NAMESPACE = NAMESPACES[0]  # of all pods but the last, which random worlds move around


def _named(pod: str) -> Raw:
    return {"matchLabels": {"pod": pod}}


def _policy(name: str, pod: str, end: str) -> Raw:
    direction = "Egress" if end == CLIENT else "Ingress"
    spec = {"podSelector": _named(pod), "policyTypes": [direction]}
    return named("NetworkPolicy", "networking.k8s.io/v1", name, namespace=NAMESPACE) | {"spec": spec}


def _admin(name: str, priority: int, subject: Raw, other: str, end: str) -> Raw:
    peers = [{"pods": {"namespaceSelector": {}, "podSelector": _named(other)}}]
    rule = {"action": "Deny", "to" if end == CLIENT else "from": peers}
    spec = {"priority": priority, "subject": {"pods": subject}, "egress" if end == CLIENT else "ingress": [rule]}
    return named("AdminNetworkPolicy", f"{API}/v1alpha1", name) | {"spec": spec}


@dataclass
class Shifting:
    """A set of objects that changes; `hosts` are the pods' places, by their order."""

    hosts: Sequence[Host]
    dice: random.Random
    worlds: list[World]
    ends: list[str] = field(default_factory=lambda: [CLIENT] * len(GUARDS))
    world: World = field(init=False)
    heirs: int = 0  # how often the last pod's address has been given to another

    def __post_init__(self) -> None:
        self.world = self.worlds[0]

    def shift(self) -> None:
        """One change of something, in most cases of the end that guards are at."""
        kind = self.dice.random()
        if kind < 0.7:
            for number in self.dice.sample(range(len(GUARDS)), self.dice.choice((1, 1, 1, 2))):
                self.ends[number] = SERVER if self.ends[number] == CLIENT else CLIENT
        elif kind < 0.9:
            self.world = self.dice.choice(self.worlds)
        else:
            self.heirs += 1

    def objects(self) -> Objects:
        """All objects of the set, but for the cluster."""
        guards = [raw for (guard, *pair), end in zip(GUARDS, self.ends, strict=True) for raw in guard(self, *pair, end)]
        found = [
            *(self._namespace(raw) for raw in self.world.namespaces),
            *({**raw, "spec": {"podCIDR": f"10.244.{i}.0/24"}} for i, raw in enumerate(self.world.nodes, 1)),
            *(self._pod(number, raw) for number, raw in enumerate(self.world.pods)),
            *self.world.policies,
            *guards,
            *self._by_labels(),
        ]
        return {key_of(raw): raw for raw in found}

    def names(self) -> list[tuple[str, str]]:
        """Namespace and name of the pod at each place."""
        pods = [self._pod(number, raw) for number, raw in enumerate(self.world.pods)]
        return [(raw["metadata"]["namespace"], raw["metadata"]["name"]) for raw in pods]

    def _namespace(self, raw: Raw) -> Raw:
        place = next(number for number, one in enumerate(GUARDS) if one[0] is by_namespace)
        labels = {**raw["metadata"]["labels"], "guard": self.ends[place]}
        return {**raw, "metadata": {**raw["metadata"], "labels": labels}}

    def _pod(self, number: int, raw: Raw) -> Raw:
        host, last = self.hosts[number], number == len(self.hosts) - 1
        name = f"pod-{number}" + (f"-{self.heirs}" if last and self.heirs else "")
        network = {"addresses": [host.address], "mac": host_mac(host.address), "port": host.port}
        metadata = {
            "name": name,
            "namespace": raw["metadata"]["namespace"] if last else NAMESPACE,
            "uid": name,
            "labels": {**raw["metadata"]["labels"], "pod": name, **self._shut(name), "heir": str(self.heirs % 2)},
            "annotations": {"podwire.dev/pod-network": json.dumps(network)},
        }
        return {**raw, "metadata": metadata, "status": {"phase": "Running", "podIP": host.address,
                                                        "podIPs": [{"ip": host.address}]}}  # fmt: skip

    def _shut(self, name: str) -> dict[str, str]:
        for (guard, *pair), end in zip(GUARDS, self.ends, strict=True):
            if guard is by_labels and name == dict(zip((CLIENT, SERVER), pair, strict=True))[end]:
                return {"shut": end}
        return {}

    @staticmethod
    def _by_labels() -> list[Raw]:
        return [
            named("NetworkPolicy", "networking.k8s.io/v1", f"labels-{end}", namespace=NAMESPACE)
            | {"spec": {"podSelector": {"matchLabels": {"shut": end}}, "policyTypes": [direction]}}
            for end, direction in ((CLIENT, "Egress"), (SERVER, "Ingress"))
        ]


def key_of(raw: Raw) -> tuple[str, str, str]:
    return raw["kind"], raw["metadata"].get("namespace", ""), raw["metadata"]["name"]


def steps(before: Objects, after: Objects, dice: random.Random) -> list[tuple[tuple[str, str, str], Raw | None]]:
    """What is to be put, or deleted (None), in any order; a pod's address is free before another gets it."""
    gone = [(key, None) for key in before.keys() - after.keys()]
    come = [(key, raw) for key, raw in after.items() if before.get(key) != raw]
    mixed = [*gone, *come]
    dice.shuffle(mixed)
    return sorted(mixed, key=lambda one: one[0][0] == "Pod" and one[1] is not None and one[0] not in before)


def pairs(count: int) -> list[tuple[int, int]]:
    return [(one, other) for one, other in product(range(count), repeat=2) if one != other]


def guarded() -> list[tuple[int, int]]:
    """The pairs that guards keep apart, by their places."""
    return [(int(client[-1]), int(server[-1])) for _, client, server in GUARDS]
