"""The flows of policies, bridge by bridge: what an object changes of them, and all that one bridge shall hold. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from k8sshim.objects import Key, Node, Pod
from k8sshim.policies import Namespace, Policy

from . import features
from .actions import Conjunction
from .addresses import is_ipv4
from .diff import Change
from .flows import Flow, FlowId
from .policy.engine import Delta, Policies
from .policy.entries import PolicyEntry, subject_of
from .policy.members import Member

BridgeOf = Callable[[str], int | None]  # the datapath id of a node's bridge
Place = tuple[int, Flow]  # a bridge's datapath id, and the bare flow that rules share there


class PolicyFlows:
    """What policies, and the pods, namespaces and nodes that they speak of, come to in flows."""

    def __init__(self, number_of: Callable[[str], int]) -> None:
        self.policies = Policies(number_of)
        self._flows: dict[int, dict[FlowId, Flow]] = defaultdict(dict)
        self._clauses: dict[Place, frozenset[Conjunction]] = {}

    def of(self, dpid: int) -> Mapping[FlowId, Flow]:
        """All that one node bridge shall hold."""
        return self._flows.get(dpid, {})

    def put_policy(self, kind: str, key: Key, view: Policy | None) -> dict[int, Change]:
        """A policy is now like this, or gone."""
        return self._changes(self.policies.put_policy((kind, key), view))

    def put_namespace(self, key: Key, view: Namespace | None) -> dict[int, Change]:
        """A namespace is now like this, or gone."""
        return self._changes(self.policies.put_namespace(key.name, view))

    def put_node(self, key: Key, view: Node | None) -> dict[int, Change]:
        """A node is now like this, or gone."""
        addresses = tuple(filter(is_ipv4, view.addresses)) if view else ()
        return self._changes(self.policies.put_node(key.name, view.labels if view else (), addresses))

    def put_pod(self, key: Key, view: Pod | None, bridge_of: BridgeOf) -> dict[int, Change]:
        """A pod is now like this, or gone. Those that have no port at a bridge of their own are none to policies."""
        return self._changes(self.policies.put_pod(key, member_of(view, bridge_of) if view else None))

    def _changes(self, delta: Delta) -> dict[int, Change]:
        changes: dict[int, Change] = defaultdict(Change)
        touched: dict[Place, set[Conjunction]] = {}
        for entries, comes in ((delta.gone, False), (delta.come, True)):
            for entry in entries:
                for flow in _flows(entry):
                    if flow.clauses:
                        place = (entry.dpid, flow.bare)
                        clauses = touched.setdefault(place, set(self._clauses.get(place, ())))
                        (clauses.update if comes else clauses.difference_update)(flow.clauses)
                    else:
                        self._put(entry.dpid, flow, changes[entry.dpid], comes=comes)
        for place, clauses in touched.items():
            self._share(place, frozenset(clauses), changes[place[0]])
        return {dpid: change for dpid, change in changes.items() if change}

    def _share(self, place: Place, clauses: frozenset[Conjunction], change: Change) -> None:
        """One flow for all rules that have an alternative in common."""
        dpid, bare = place
        before = self._clauses.pop(place, frozenset())
        if clauses:
            self._clauses[place] = clauses
        if before and before != clauses:
            self._put(dpid, bare.with_clauses(before), change, comes=False)
        if clauses and before != clauses:
            self._put(dpid, bare.with_clauses(clauses), change, comes=True)

    def _put(self, dpid: int, flow: Flow, change: Change, *, comes: bool) -> None:
        change.put(flow.id, flow if comes else None, None if comes else flow)
        if comes:
            self._flows[dpid][flow.id] = flow
        else:
            self._flows[dpid].pop(flow.id, None)


def _flows(entry: PolicyEntry) -> list[Flow]:
    return [flow for flow in features.write(entry, subject_of(entry)) if isinstance(flow, Flow)]


def member_of(pod: Pod, bridge_of: BridgeOf) -> Member | None:
    """A pod as policies see it."""
    dpid = bridge_of(pod.node)
    if dpid is None or pod.network is None or pod.host_network or pod.finished:
        return None
    ports = tuple((port.protocol, port.name, port.number) for port in pod.ports if port.name)
    return Member(pod.key, pod.labels, tuple(filter(is_ipv4, pod.network.addresses)), dpid, ports)
