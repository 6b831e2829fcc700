"""The flows of policies, bridge by bridge: what an object changes of them, and all that one bridge shall hold. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from k8sshim.objects import Key, Node, Pod
from k8sshim.policies import Namespace, Policy

from . import features
from .addresses import is_ipv4
from .diff import Change
from .flows import Flow, FlowId
from .policy.engine import Delta, Policies
from .policy.entries import PolicyEntry, subject_of
from .policy.members import Member

BridgeOf = Callable[[str], int | None]  # the datapath id of a node's bridge


class PolicyFlows:
    """What policies, and the pods, namespaces and nodes that they speak of, come to in flows."""

    def __init__(self, number_of: Callable[[str], int]) -> None:
        self.policies = Policies(number_of)
        self._flows: dict[int, dict[FlowId, Flow]] = defaultdict(dict)

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
        for entry in delta.gone:
            for flow in _flows(entry):
                changes[entry.dpid].put(flow.id, None, flow)
                self._flows[entry.dpid].pop(flow.id, None)
        for entry in delta.come:
            for flow in _flows(entry):
                changes[entry.dpid].put(flow.id, flow)
                self._flows[entry.dpid][flow.id] = flow
        return dict(changes)


def _flows(entry: PolicyEntry) -> list[Flow]:
    return [flow for flow in features.write(entry, subject_of(entry)) if isinstance(flow, Flow)]


def member_of(pod: Pod, bridge_of: BridgeOf) -> Member | None:
    """A pod as policies see it."""
    dpid = bridge_of(pod.node)
    if dpid is None or pod.network is None or pod.host_network or pod.finished:
        return None
    ports = tuple((port.protocol, port.name, port.number) for port in pod.ports if port.name)
    return Member(pod.key, pod.labels, tuple(filter(is_ipv4, pod.network.addresses)), dpid, ports)
