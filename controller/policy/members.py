"""Which pods each selector of a policy means, kept as pods and namespaces change. Pure.

Rules that ask for the same pods share a group. A pod is looked at by the groups of its namespace and by those that pick
namespaces, a namespace by the latter alone; what comes back is who has to be worked out again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from k8sshim.objects import Key, Labels
from k8sshim.policies import Namespace, PodGroup

from .ports import Named

Unit = tuple[str, Key]  # kind and key of a policy
Place = tuple[int, str, str]  # datapath id of a pod's bridge, `Pod namespace/name`, address
Pods = Mapping[int, frozenset[str]]  # addresses by the datapath id of the bridge they are at


@dataclass(frozen=True)
class Member:
    """A pod as policies see it."""

    key: Key
    labels: Labels
    addresses: tuple[str, ...]  # IPv4
    dpid: int  # of its node's bridge
    ports: Named


class Group:
    """The pods that a selector means now."""

    def __init__(self, wanted: PodGroup, members: Iterable[Member]) -> None:
        self.wanted = wanted
        self.members = {one.key: one for one in members}
        self.users: dict[Unit, None] = {}
        self._addresses: frozenset[str] | None = None
        self._at_bridges: Pods | None = None
        self._places: frozenset[Place] | None = None

    @property
    def addresses(self) -> frozenset[str]:
        if self._addresses is None:
            self._addresses = addresses_of(self.members.values())
        return self._addresses

    @property
    def at_bridges(self) -> Pods:
        if self._at_bridges is None:
            self._at_bridges = at_bridges(self.members.values())
        return self._at_bridges

    @property
    def places(self) -> frozenset[Place]:
        if self._places is None:
            members = self.members.values()
            self._places = frozenset(
                (one.dpid, f"Pod {one.key}", address) for one in members for address in one.addresses
            )
        return self._places

    def put(self, key: Key, member: Member | None) -> bool:
        """Take a pod in, or out (None); whether the group is another now."""
        if self.members.get(key) == member:
            return False
        if member is None:
            del self.members[key]
        else:
            self.members[key] = member
        self._addresses = self._at_bridges = self._places = None
        return True


def addresses_of(members: Iterable[Member]) -> frozenset[str]:
    """Where the pods can be reached."""
    return frozenset(address for one in members for address in one.addresses)


def at_bridges(members: Iterable[Member]) -> Pods:
    """Addresses of pods by the bridge that they are at."""
    found: dict[int, set[str]] = defaultdict(set)
    for one in members:
        found[one.dpid].update(one.addresses)
    return {dpid: frozenset(addresses) for dpid, addresses in found.items()}


class Groups:
    """The groups that policies ask for, and who is in them."""

    def __init__(self) -> None:
        self._pods: dict[str, dict[Key, Member]] = defaultdict(dict)  # by namespace
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._groups: dict[PodGroup, Group] = {}
        self._of_namespace: dict[str, dict[PodGroup, Group]] = defaultdict(dict)
        self._picking: dict[PodGroup, Group] = {}  # groups that pick namespaces

    def __getitem__(self, group: PodGroup) -> Group:
        """A group that somebody has asked for."""
        return self._groups[group]

    def ask(self, user: Unit, group: PodGroup) -> None:
        """A policy speaks of a group from now on."""
        if group not in self._groups:
            made = Group(group, (one for one in self._candidates(group) if self._fits(group, one)))
            self._groups[group] = made
            (self._of_namespace[group.namespace] if group.namespace else self._picking)[group] = made
        self._groups[group].users[user] = None

    def leave(self, user: Unit, group: PodGroup) -> None:
        """A policy does not speak of it any more."""
        users = self._groups[group].users
        users.pop(user, None)
        if not users:
            del self._groups[group]
            del (self._of_namespace[group.namespace] if group.namespace else self._picking)[group]

    def put_pod(self, key: Key, member: Member | None) -> set[Unit]:
        """A pod is now like this, or gone. Whom that concerns."""
        before = self._pods[key.namespace].pop(key, None)
        if member is not None:
            self._pods[key.namespace][key] = member
        if before == member:
            return set()
        groups = self._speaking_of(key.namespace)
        return {user for group in groups if self._judge(group, key, member) for user in group.users}

    def put_namespace(self, name: str, namespace: Namespace | None) -> set[Unit]:
        """A namespace is now like this, or gone. Whom that concerns."""
        if namespace is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = dict(namespace.labels)
        pods = list(self._pods.get(name, {}).items())
        changed = (group for group in self._picking.values() for key, pod in pods if self._judge(group, key, pod))
        return {user for group in changed for user in group.users}

    def having(self, pod: Key) -> Iterator[Group]:
        """The groups that a pod is in."""
        return (group for group in self._speaking_of(pod.namespace) if pod in group.members)

    def _speaking_of(self, namespace: str) -> Iterator[Group]:
        """The groups that a pod of a namespace may be in."""
        yield from self._of_namespace.get(namespace, {}).values()
        yield from self._picking.values()

    def _judge(self, group: Group, key: Key, member: Member | None) -> bool:
        """Take a pod in, or out; whether the group is another now."""
        fits = member is not None and self._fits(group.wanted, member)
        return group.put(key, member if fits else None)

    def _candidates(self, group: PodGroup) -> Iterator[Member]:
        if group.namespace:
            yield from self._pods.get(group.namespace, {}).values()
            return
        for pods in self._pods.values():
            yield from pods.values()

    def _fits(self, group: PodGroup, pod: Member) -> bool:
        if group.namespaces is None:
            return pod.key.namespace == group.namespace and group.pods.matches(pod.labels)
        labels = self._namespaces.get(pod.key.namespace)
        return labels is not None and group.namespaces.matches(labels) and group.pods.matches(pod.labels)
