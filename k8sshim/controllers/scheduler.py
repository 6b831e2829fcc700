"""Scheduling with address management: gives every pod that waits a node and an address, in one write.

A pass looks at all pods that wait, and at pods that stand on a node without a (valid) address: their nodeName was in
the manifest, or somebody wrote their annotation. The nodes' new last addresses are written before the pods are, and
what is promised of addresses (`k8sshim.ipam`) so holds across a restart in the middle of a pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from k8sshim.client import NODES, PODS
from k8sshim.controllers.ledger import Ledger
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.pods import format_time
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import Patch, Plan, Update, UpdateStatus, Write
from k8sshim.ipam import LAST_ADDRESS_ANNOTATION
from k8sshim.objects import POD_NETWORK_ANNOTATION, Key, PodNetwork, Raw
from k8sshim.scheduling import Candidate, Constraints, Filtered, choose, filter_nodes

_ALL = Key("", "")  # there is one key: a pass is about all pods
_SCHEDULED = "PodScheduled"


class Scheduler:
    """The controller. It keeps books of its own (`Ledger`), which it brings up to date as changes come by."""

    name = "scheduler"
    delay_s = 0.0

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._refused: dict[Key, str] = {}  # pods that fit nowhere as things are, and their UIDs

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource == NODES:
            better = self._ledger.node_changed(change)
        elif change.resource == PODS:
            better = self._ledger.pod_changed(change)
        else:
            return
        if better or _constraints_changed(change):
            self._refused.clear()
        if (
            better
            or not self._ledger.opened
            or any(key not in self._refused for key in self._ledger.waiting)
            or self._ledger.unaddressed
        ):
            yield _ALL

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        self._ledger.open()
        batch = _Pass(self._ledger, around.now)
        for pod_key, pod in list(self._ledger.waiting.items()):
            if self._refused.get(pod_key) != pod["metadata"]["uid"] and not batch.place(pod):
                self._refused[pod_key] = pod["metadata"]["uid"]
        for pod in list(self._ledger.unaddressed.values()):
            batch.readdress(pod)
        return Plan.of(batch.marked(), batch.writes, independent=True)


def _constraints_changed(change: Change) -> bool:
    """Whether a pod that waits was edited (tolerations may be added)."""
    if change.resource != PODS or change.old is None or change.new is None:
        return False
    specs = [Constraints.parse(raw.get("spec") or {}) for raw in change.present if not raw["spec"].get("nodeName")]
    return len(set(specs)) == 2


@dataclass
class _Pass:
    """One pass: the books, and on top of them what has been decided since."""

    ledger: Ledger
    now: datetime
    writes: list[Write] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)  # by node, those that must be written anew
    taken: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    filtered: dict[Constraints, Filtered] = field(default_factory=dict)
    full: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = self.ledger.sorted_nodes()
        self.load = self.ledger.load.copy()

    def place(self, pod: Raw) -> bool:
        """Give a pod a node, and an address where it wants one; or say in its status why not."""
        candidate = Candidate.parse(pod)
        if candidate.constraints not in self.filtered:
            self.filtered[candidate.constraints] = filter_nodes(candidate.constraints, self.nodes)
        on_host = bool(pod["spec"].get("hostNetwork"))
        while True:
            full = {} if on_host else self.full
            decision = choose(candidate, self.filtered[candidate.constraints], self.load, full)
            network = None if on_host or not decision.node else self._next_address(decision.node)
            if not decision.node or network or on_host:
                break
        if not decision.node:
            self._condition(pod, _SCHEDULED, "False", "Unschedulable", decision.message)
            return False
        self.load.add(candidate.group, decision.node, ports=candidate.ports)
        self.writes.append(Update(PODS, bound(pod, decision.node, network)))
        return True

    def readdress(self, pod: Raw) -> None:
        """Give a pod that has a node its address: the one it was given before, or a new one."""
        node = pod["spec"]["nodeName"]
        if node not in self.ledger.hosts:
            return
        network = self.ledger.grant(pod["metadata"]["uid"]) or self._next_address(node)
        if network:
            self.writes.append(Update(PODS, bound(pod, node, network)))
        else:
            message = f"node {node} has no free address in podCIDR {self.full[node]}"
            self._condition(pod, "PodReadyToStartContainers", "False", "NoFreeAddress", message)

    def marked(self) -> list[Write]:
        """The nodes' marks, where addresses are given out beyond them."""
        return [
            Patch(
                NODES, Key("", node), {"metadata": {"annotations": {LAST_ADDRESS_ANNOTATION: self._address(node, at)}}}
            )
            for node, at in self.marks.items()
        ]

    def _address(self, node: str, offset: int) -> str:
        return self.ledger.hosts[node].range.network(offset).addresses[0]

    def _next_address(self, node: str) -> PodNetwork | None:
        """The node's next address, or None, and then the node is known to be full."""
        host = self.ledger.hosts[node]
        used = _Union(self.ledger.used(node), self.taken[node])
        last = self.ledger.given.get(node, host.mark)
        offset = None if node in self.full else host.range.next_offset(last, used)
        if offset is None:
            self.full[node] = ",".join(host.range.cidrs) or "(none)"
            return None
        self.ledger.given[node] = offset
        if not host.range.covers(self.marks.get(node, host.mark), offset):
            self.marks[node] = host.range.mark(offset)
        self.taken[node].add(offset)
        return host.range.network(offset)

    def _condition(self, pod: Raw, kind: str, state: str, reason: str, message: str) -> None:
        wanted = {"type": kind, "status": state, "reason": reason, "message": message}
        status = pod.get("status") or {}
        conditions = status.get("conditions") or []
        if any(wanted.items() <= each.items() for each in conditions):
            return
        others = [each for each in conditions if each.get("type") != kind]
        changed = {**wanted, "lastTransitionTime": format_time(self.now)}
        self.writes.append(UpdateStatus(PODS, {**pod, "status": {**status, "conditions": [*others, changed]}}))


@dataclass(frozen=True)
class _Union:
    """Offsets that are in use by the books or by this pass."""

    books: Mapping[int, str]
    taken: set[int]

    def __contains__(self, offset: object) -> bool:
        return offset in self.books or offset in self.taken


def bound(pod: Raw, node: str, network: PodNetwork | None) -> Raw:
    """The pod with its node and its place in the network; an annotation that a hostNetwork pod brought along goes."""
    metadata = pod["metadata"]
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != POD_NETWORK_ANNOTATION}
    if network:
        annotations[POD_NETWORK_ANNOTATION] = network.to_json()
    return {**pod, "metadata": {**metadata, "annotations": annotations}, "spec": {**pod["spec"], "nodeName": node}}
