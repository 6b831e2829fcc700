"""Scheduling: on which node a pod runs, or, in Kubernetes' words, why on none.

`schedule` filters the nodes, then takes the best of those that are left. The filters and their messages are those of
kube-scheduler (plugins NodeUnschedulable, TaintToleration, NodeAffinity, NodePorts; a node is counted under the first
that turns it down): https://kubernetes.io/docs/concepts/scheduling-eviction/. What a lab has no use for is left out:
resources, volumes, pod affinity.

A node that is not Ready, or cordoned, is treated as having the taint that Kubernetes' node lifecycle controller would
give it: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from k8sshim.objects import Key, Labels, Node, Raw, Taint, labels_of

_T = TypeVar("_T")

NOT_READY = Taint("node.kubernetes.io/not-ready", "", "NoSchedule")
UNSCHEDULABLE = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
AFFINITY = "node(s) didn't match Pod's node affinity/selector"
PORTS = "node(s) didn't have free ports for the requested pod ports"
_EVERY_ADDRESS = "0.0.0.0"  # a hostPort's without a hostIP


@dataclass(frozen=True)
class Toleration:
    """What a pod puts up with. An empty key with Exists tolerates every taint, an empty effect every effect."""

    key: str
    operator: str
    value: str
    effect: str

    def tolerates(self, taint: Taint) -> bool:
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        if self.operator == "Exists":
            return True
        return bool(self.key) and self.value == taint.value


@dataclass(frozen=True)
class NodeRequirement:
    """One expression of a node selector term: a label's, or (`matchFields`) the node's name."""

    key: str
    operator: str  # In, NotIn, Exists, DoesNotExist, Gt, Lt
    values: tuple[str, ...]
    of_field: bool = False

    def matches(self, node: Node) -> bool:
        found = (
            (node.name if self.key == "metadata.name" else None) if self.of_field else dict(node.labels).get(self.key)
        )
        if self.operator in ("In", "NotIn"):
            return (found in self.values) == (self.operator == "In")
        if self.operator in ("Exists", "DoesNotExist"):
            return (found is not None) == (self.operator == "Exists")
        return _compares(found, self.operator, self.values)


def _compares(found: str | None, operator: str, values: tuple[str, ...]) -> bool:
    try:
        left, right = int(found or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return left > right if operator == "Gt" else operator == "Lt" and left < right


Term = tuple[NodeRequirement, ...]  # all must hold; a term without any matches no node, says the API


@dataclass(frozen=True)
class Constraints:
    """What a pod asks of its node. Pods of one template have equal constraints."""

    node_selector: Labels = ()
    terms: tuple[Term, ...] | None = None  # required node affinity: one term must match; None where there is none
    preferred: tuple[tuple[int, Term], ...] = ()  # weight and term
    tolerations: tuple[Toleration, ...] = ()

    @classmethod
    def parse(cls, spec: Raw) -> Constraints:
        """The constraints of a pod's spec, or of a pod template's."""
        affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
        preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        return cls(
            node_selector=labels_of(spec.get("nodeSelector")),
            terms=None if required is None else tuple(_term(term) for term in required.get("nodeSelectorTerms") or ()),
            preferred=tuple((int(each.get("weight") or 0), _term(each.get("preference") or {})) for each in preferred),
            tolerations=tuple(
                Toleration(
                    t.get("key") or "", t.get("operator") or "Equal", t.get("value") or "", t.get("effect") or ""
                )
                for t in spec.get("tolerations") or ()
            ),
        )

    def selects(self, node: Node) -> bool:
        """Whether nodeSelector and required node affinity allow the node."""
        labels = dict(node.labels)
        if any(labels.get(key) != value for key, value in self.node_selector):
            return False
        return self.terms is None or any(_holds(term, node) for term in self.terms)

    def untolerated(self, taints: Iterable[Taint], effects: Collection[str]) -> Taint | None:
        """The first taint of one of the effects that no toleration covers."""
        for taint in taints:
            if taint.effect in effects and not any(each.tolerates(taint) for each in self.tolerations):
                return taint
        return None


def _term(raw: Raw) -> Term:
    notations = (("matchExpressions", False), ("matchFields", True))
    return tuple(
        NodeRequirement(each.get("key") or "", each.get("operator") or "", tuple(each.get("values") or ()), of_field)
        for name, of_field in notations
        for each in raw.get(name) or ()
    )


def _holds(term: Term, node: Node) -> bool:
    return bool(term) and all(requirement.matches(node) for requirement in term)


def taints_of(node: Node) -> tuple[Taint, ...]:
    """A node's taints, with those that its conditions amount to."""
    implied = ((UNSCHEDULABLE, node.unschedulable), (NOT_READY, not node.ready))
    present = {(taint.key, taint.effect) for taint in node.taints}
    return node.taints + tuple(taint for taint, holds in implied if holds and (taint.key, taint.effect) not in present)


@dataclass(frozen=True)
class HostPort:
    """A port of a node that a pod wants or has."""

    address: str
    protocol: str
    port: int

    def collides(self, other: HostPort) -> bool:
        if (self.protocol, self.port) != (other.protocol, other.port):
            return False
        return self.address == other.address or _EVERY_ADDRESS in (self.address, other.address)


def host_ports(spec: Raw) -> tuple[HostPort, ...]:
    """The host ports of a pod's spec: of its containers, and of the initContainers that stay."""
    staying = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    return tuple(
        HostPort(port.get("hostIP") or _EVERY_ADDRESS, port.get("protocol") or "TCP", int(port["hostPort"]))
        for container in (*(spec.get("containers") or ()), *staying)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


@dataclass(frozen=True)
class Candidate:
    """A pod that wants a node."""

    key: Key
    group: str  # pods of one group are spread first: their controller's UID, or their labels
    constraints: Constraints
    ports: tuple[HostPort, ...] = ()

    @classmethod
    def parse(cls, raw: Raw) -> Candidate:
        spec = raw.get("spec") or {}
        return cls(Key.of(raw), group_of(raw), Constraints.parse(spec), host_ports(spec))


def group_of(raw: Raw) -> str:
    """Which pods a pod is spread with: those of its controller, else those of its namespace with the same labels."""
    metadata = raw["metadata"]
    owner = next((o.get("uid") for o in metadata.get("ownerReferences") or () if o.get("controller")), None)
    return str(owner or (metadata.get("namespace"), labels_of(metadata.get("labels"))))


@dataclass
class Load:
    """How many pods run where, and on which ports; kept by the caller, who counts each placement in."""

    pods: Counter[str] = field(default_factory=Counter)  # by node
    peers: Counter[tuple[str, str]] = field(default_factory=Counter)  # by group and node
    ports: Counter[tuple[str, HostPort]] = field(default_factory=Counter)  # by node

    def copy(self) -> Load:
        return Load(self.pods.copy(), self.peers.copy(), self.ports.copy())

    def add(self, group: str, node: str, count: int = 1, ports: Iterable[HostPort] = ()) -> None:
        """Count a pod in (or out, with -1)."""
        _count(self.pods, node, count)
        _count(self.peers, (group, node), count)
        for port in ports:
            _count(self.ports, (node, port), count)

    def taken(self, wanted: Collection[HostPort]) -> set[str]:
        """The nodes on which one of these ports is taken."""
        if not wanted:
            return set()
        return {node for node, held in self.ports if any(held.collides(each) for each in wanted)}


def _count(counter: Counter[_T], key: _T, count: int) -> None:
    counter[key] += count
    if not counter[key]:
        del counter[key]


@dataclass(frozen=True)
class Decision:
    """The node for a pod, or "" and the reasons."""

    node: str
    message: str = ""  # "0/3 nodes are available: ..."


@dataclass(frozen=True)
class Filtered:
    """The nodes that constraints allow, and how often each reason turned one down. It holds for all pods of a
    template."""

    allowed: tuple[Node, ...]
    reasons: Mapping[str, int]
    total: int


def filter_nodes(constraints: Constraints, nodes: Sequence[Node]) -> Filtered:
    """The nodes on which a pod with these constraints may run."""
    reasons: Counter[str] = Counter()
    allowed = []
    for node in nodes:
        reason = _refusal(constraints, node)
        if reason:
            reasons[reason] += 1
        else:
            allowed.append(node)
    return Filtered(tuple(allowed), reasons, len(nodes))


def _refusal(constraints: Constraints, node: Node) -> str:
    if node.unschedulable and constraints.untolerated((UNSCHEDULABLE,), ("NoSchedule",)):
        return "node(s) were unschedulable"
    taint = constraints.untolerated(taints_of(node), ("NoSchedule", "NoExecute"))
    if taint:
        return f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"
    return "" if constraints.selects(node) else AFFINITY


def choose(pod: Candidate, filtered: Filtered, load: Load, full: Mapping[str, str]) -> Decision:
    """The best of the allowed nodes. `full` names nodes without a free address, each with its podCIDR."""
    taken = load.taken(pod.ports)
    free = [node for node in filtered.allowed if node.name not in taken and node.name not in full]
    if free:
        return Decision(min(free, key=lambda node: _rank(pod, node, load)).name)
    reasons = Counter(filtered.reasons)
    for node in filtered.allowed:
        reasons[PORTS if node.name in taken else f"node(s) had no free address in podCIDR {full[node.name]}"] += 1
    return Decision("", message(filtered.total, reasons))


def schedule(pod: Candidate, nodes: Sequence[Node], load: Load, full: Mapping[str, str] | None = None) -> Decision:
    """Where the pod goes: the fewest taints that would rather not, then the most preferred, the fewest pods of its own
    group, the fewest pods, the first name."""
    return choose(pod, filter_nodes(pod.constraints, nodes), load, full or {})


def _rank(pod: Candidate, node: Node, load: Load) -> tuple[int, int, int, int, tuple[tuple[int, str], ...]]:
    constraints = pod.constraints
    unwelcome = sum(1 for taint in node.taints if constraints.untolerated((taint,), ("PreferNoSchedule",)))
    preferred = sum(weight for weight, term in constraints.preferred if _holds(term, node))
    return unwelcome, -preferred, load.peers[pod.group, node.name], load.pods[node.name], natural(node.name)


@lru_cache(maxsize=4096)
def natural(name: str) -> tuple[tuple[int, str], ...]:
    """A name's place in an order in which n2 comes before n10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part)


def message(total: int, reasons: Mapping[str, int]) -> str:
    """kube-scheduler's sentence: the reasons with how many nodes each turned down, sorted as text."""
    if not total:
        return "no nodes available to schedule pods"
    parts = sorted(f"{count} {reason}" for reason, count in reasons.items())
    return f"0/{total} nodes are available: {', '.join(parts)}."
