"""The peer of policies: a Linux router with the rules and sets that kube-router would write, loaded by its programs."""

from __future__ import annotations

import time
from contextlib import ExitStack

from experiments.inside import Sandbox
from experiments.passing import CLOSED, OPEN
from experiments.policy_scaling import kube_router
from experiments.policy_scaling.kube_router import AddressSet
from experiments.policy_scaling.parameters import KUBE_ROUTER
from experiments.policy_scaling.policies import (
    CLIENT,
    GUARDED,
    LET_IN,
    NEWCOMER,
    POD_NAME,
    STRANGER,
    Label,
    PlannedPolicy,
    Workload,
)
from experiments.policy_scaling.systems import Came, Site, watching
from experiments.scaling import router
from experiments.scaling.places import Place
from experiments.scaling.services import Endpoint

PROGRAMS = ("iptables-restore", "ipset")
_OTHERS = (("peer-client", CLIENT), ("peer-stranger", STRANGER), ("peer-guarded", GUARDED), ("peer-newcomer", NEWCOMER))


def build(sandbox: Sandbox, names: list[str], label: str, mtu: int, undo: ExitStack) -> Peer:
    """Pods of these names and those that the readings need, around a router, until the stack is undone."""
    netns = [f"peer-{name}" for name in names]
    addresses = router.build(sandbox, [*(other for other, _ in _OTHERS), *netns], mtu, undo)
    others, own = addresses[: len(_OTHERS)], addresses[len(_OTHERS) :]
    servers: list[tuple[Label, ...]] = [(("app", label), (POD_NAME, name)) for name in names]
    pods = [Workload(name, to, (is_,)) for (name, is_), to in zip(_OTHERS, others, strict=True)]
    pods += [Workload(name, to, labels) for name, to, labels in zip(names, own, servers, strict=True)]
    place = Place(sandbox, _OTHERS[0][0], tuple(map(Endpoint, names, own)), tuple(netns))
    return Peer(Site(place, _OTHERS[1][0], others[2]), pods)


class Peer:
    """The router, and what it holds."""

    name = KUBE_ROUTER

    def __init__(self, site: Site, pods: list[Workload]) -> None:
        self.site = site
        self._newcomer = next(pod for pod in pods if NEWCOMER in pod.labels)
        self._pods = [pod for pod in pods if pod != self._newcomer]
        self._made = dict[str, PlannedPolicy]()
        self._sets = tuple[AddressSet, ...]()
        self._entries = 0

    @property
    def answering(self) -> list[str]:
        """Namespaces that want a server beside those of the place."""
        return [_OTHERS[2][0], _OTHERS[3][0]]

    def add(self, *policies: PlannedPolicy) -> float:
        self._made |= {one.name: one for one in policies}
        begin = time.monotonic()
        self._write()
        return begin

    def remove(self, *policies: PlannedPolicy) -> None:
        for one in policies:
            self._made.pop(one.name, None)
        self._write()

    def clear(self) -> None:
        """No rules and no sets any more."""
        self._made.clear()
        self._load(["iptables-restore"], kube_router.EMPTY)
        self._destroy(self._sets)
        self._sets = ()

    def newcomer(self) -> Came:
        """The pod is there and answers; from the writing of its rules until they hold."""
        self.add(LET_IN)
        try:
            with ExitStack() as undo:
                watcher = watching(self.site, (self.site.place.client, self.site.stranger), undo)
                watcher.aim(self._newcomer.address)
                watcher.until(1, OPEN)
                begin = time.monotonic()
                self._pods.append(self._newcomer)
                self._write()
                return Came(watcher.until(1, CLOSED, begin) - begin, leaked=True)
        finally:
            if self._newcomer in self._pods:
                self._pods.remove(self._newcomer)
            self.remove(LET_IN)

    def entries(self) -> int:
        return self._entries

    def memory_mib(self) -> tuple[tuple[str, float], ...]:
        return ()

    def forget_cached(self) -> None:
        """Netfilter has no cache of decisions."""

    def _write(self) -> None:
        """Everything anew, as each of kube-router's syncs does: sets, then rules, then sets that are not needed."""
        new = kube_router.firewall(list(self._made.values()), self._pods)
        self._load(["ipset", "restore", "-exist"], new.restore)
        self._load(["iptables-restore"], new.rules)
        kept = {one.name for one in new.sets}
        self._destroy([one for one in self._sets if one.name not in kept])
        self._sets, self._entries = new.sets, new.entries

    def _destroy(self, sets: tuple[AddressSet, ...] | list[AddressSet]) -> None:
        self._load(["ipset", "restore"], "".join(f"destroy {one.name}\n" for one in sets))

    def _load(self, argv: list[str], text: str) -> None:
        router.load(self.site.place.sandbox, argv, text)
