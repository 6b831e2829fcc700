"""DaemonSets: a pod on every node that the pod may run on.

As in Kubernetes the controller decides on which nodes, and leaves the binding to the scheduler by a required node
affinity for that one node. https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/ and
`pkg/controller/daemon` of kubernetes/kubernetes. Templates are told apart by the label controller-revision-hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from k8sshim.client import DAEMON_SETS, NODES
from k8sshim.controllers import history
from k8sshim.controllers import pods as podlib
from k8sshim.controllers.loop import Surroundings
from k8sshim.controllers.replicas import concerned, selector_of
from k8sshim.controllers.rollout import scaled
from k8sshim.controllers.world import Change, World
from k8sshim.controllers.writes import NOTHING, Plan, Write, with_status
from k8sshim.endpoints import is_ready
from k8sshim.objects import Key, Node, Raw
from k8sshim.scheduling import Constraints, taints_of

REVISION_LABEL = "controller-revision-hash"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_TOLERATED = (  # https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#taints-and-tolerations
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_NETWORK_UNAVAILABLE = ("node.kubernetes.io/network-unavailable", "NoSchedule")  # tolerated by hostNetwork pods


@dataclass(frozen=True)
class Daemons:
    """The controller."""

    name: str = "daemonset"
    delay_s: float = 0.05

    def affected(self, change: Change, world: World) -> Iterable[Key]:
        if change.resource != NODES:
            yield from concerned(DAEMON_SETS, change, world)
        elif len({Node.parse(raw) for raw in change.present}) != 1 or len(change.present) == 1:
            yield from map(Key.of, world.all(DAEMON_SETS))

    def plan(self, key: Key, world: World, around: Surroundings) -> Plan:
        owner = world.get(DAEMON_SETS, key)
        if owner is None or owner["metadata"].get("deletionTimestamp"):
            return NOTHING
        pods, claims = podlib.claim(owner, selector_of(owner), world)
        daemons = _Placement.of(owner, [Node.parse(raw) for raw in world.all(NODES)], pods)
        placing = _place(daemons, around)
        replacing = [] if placing else _replace(daemons, around)
        min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
        status = with_status(DAEMON_SETS, owner, _status(daemons, around))
        return Plan.of(
            [*status, *claims, *placing, *replacing, *_history(daemons, world)],
            again_after_s=podlib.soonest_available_s(pods, min_ready_s, around.now) if min_ready_s else None,
        )


def _history(daemons: _Placement, world: World) -> list[Write]:
    name = daemons.owner["metadata"]["name"]
    digests = (
        (pod["metadata"].get("labels") or {}).get(REVISION_LABEL) for pods in daemons.pods.values() for pod in pods
    )
    used = {f"{name}-{digest}" for digest in digests}
    return history.record(daemons.owner, f"{name}-{daemons.revision}", daemons.revision, used, world)


@dataclass(frozen=True)
class _Placement:
    """A DaemonSet's pods, by node, and the nodes that should have one."""

    owner: Raw
    spec: Raw  # the template's, with what every daemon tolerates
    revision: str
    wanted: frozenset[str]  # nodes that get a pod
    kept: frozenset[str]  # nodes that may keep the pod they have
    pods: dict[str, list[Raw]]  # the oldest first

    @classmethod
    def of(cls, owner: Raw, nodes: list[Node], pods: list[Raw]) -> _Placement:
        template = owner["spec"].get("template") or {}
        spec = _tolerant(template.get("spec") or {})
        constraints = Constraints.parse(spec)
        named = spec.get("nodeName")
        fit = [node for node in nodes if constraints.selects(node) and named in (None, "", node.name)]
        by_node: dict[str, list[Raw]] = {}
        for pod in sorted(pods, key=_age):
            by_node.setdefault(node_of(pod), []).append(pod)
        effects = ("NoSchedule", "NoExecute")
        return cls(
            owner=owner,
            spec=spec,
            revision=podlib.hash_of(template),
            wanted=frozenset(n.name for n in fit if not constraints.untolerated(taints_of(n), effects)),
            kept=frozenset(n.name for n in fit if not constraints.untolerated(n.taints, ("NoExecute",))),
            pods=by_node,
        )

    def is_current(self, pod: Raw) -> bool:
        return (pod["metadata"].get("labels") or {}).get(REVISION_LABEL) == self.revision

    def available(self, pod: Raw, around: Surroundings) -> bool:
        min_ready_s = int(self.owner["spec"].get("minReadySeconds") or 0)
        return not podlib.is_terminating(pod) and podlib.is_available(pod, min_ready_s, around.now)

    def at(self, node: str) -> list[Raw]:
        return self.pods.get(node, [])


def _age(pod: Raw) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"]


def node_of(pod: Raw) -> str:
    """The node that a daemon's pod runs on, or is meant for."""
    spec = pod.get("spec") or {}
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return ""


def _tolerant(spec: Raw) -> Raw:
    tolerated = (*_TOLERATED, *((_NETWORK_UNAVAILABLE,) if spec.get("hostNetwork") else ()))
    own = list(spec.get("tolerations") or ())
    added = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in tolerated]
    return {**spec, "tolerations": [*own, *(each for each in added if each not in own)]}


def _bound_to(spec: Raw, node: str) -> Raw:
    """The spec with a required node affinity for that node, in place of any other (which has been judged already)."""
    affinity = spec.get("affinity") or {}
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    node_affinity = {**(affinity.get("nodeAffinity") or {}), _REQUIRED: {"nodeSelectorTerms": [term]}}
    return {**spec, "affinity": {**affinity, "nodeAffinity": node_affinity}}


def _place(daemons: _Placement, around: Surroundings) -> list[Write]:
    """One pod where one is wanted and none is; none where none is wanted; not two; failed ones make room for others."""
    writes: list[Write] = []
    for node in sorted(daemons.wanted | set(daemons.pods)):
        alive = [pod for pod in daemons.at(node) if not podlib.is_terminating(pod)]
        failed = [pod for pod in alive if podlib.phase(pod) in ("Failed", "Succeeded")]
        running = [pod for pod in alive if pod not in failed]
        if node in daemons.wanted and not daemons.at(node):
            writes.append(_creation(daemons, node, around))
        stays = running[:1] if node in daemons.kept else []
        writes.extend(podlib.deletion(pod) for pod in alive if pod not in stays)
    return writes


def _creation(daemons: _Placement, node: str, around: Surroundings) -> Write:
    labels = {REVISION_LABEL: daemons.revision}
    template = daemons.owner["spec"].get("template") or {}
    name = podlib.generated(daemons.owner, around.suffix)
    spec = _bound_to(daemons.spec, node)
    return podlib.creation(podlib.pod_from(template, daemons.owner, name, labels=labels, spec=spec))


def _replace(daemons: _Placement, around: Surroundings) -> list[Write]:
    """RollingUpdate: delete pods of an old template, never more unavailable at a time than allowed. (maxSurge is not
    acted on: a node never has two of a daemon.)"""
    strategy = daemons.owner["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return []
    running = {node: pods[0] for node, pods in daemons.pods.items() if node in daemons.wanted}
    old = [pod for _, pod in sorted(running.items()) if not daemons.is_current(pod) and not podlib.is_terminating(pod)]
    useless = [pod for pod in old if not daemons.available(pod, around)]
    limit = (strategy.get("rollingUpdate") or {}).get("maxUnavailable")
    allowed = max(scaled(1 if limit is None else limit, len(daemons.wanted), up=True), 1)
    missing = len(daemons.wanted) - sum(daemons.available(pod, around) for pod in running.values())
    useful = [pod for pod in old if pod not in useless]
    return [podlib.deletion(pod) for pod in (*useless, *useful[: max(allowed - missing, 0)])]


def _status(daemons: _Placement, around: Surroundings) -> Raw:
    here = [daemons.at(node)[0] for node in sorted(daemons.wanted) if daemons.at(node)]
    available = sum(daemons.available(pod, around) for pod in here)
    generation = daemons.owner["metadata"].get("generation") or 0
    optional = {
        "updatedNumberScheduled": sum(daemons.is_current(pod) for pod in here),
        "numberAvailable": available,
        "numberUnavailable": len(daemons.wanted) - available,
    }
    return {
        "currentNumberScheduled": len(here),
        "numberMisscheduled": sum(bool(pods) and node not in daemons.wanted for node, pods in daemons.pods.items()),
        "desiredNumberScheduled": len(daemons.wanted),
        "numberReady": sum(is_ready(pod) for pod in here),
        "observedGeneration": generation,
        **{name: count for name, count in optional.items() if count},
    }
