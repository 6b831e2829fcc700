"""A lab's network as its API tells it: what each switch should hold, and who is at which port."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from controller.desired import Desired, View
from controller.flows import Flow
from controller.marks import FAULT_COOKIE, Feature, explain
from controller.watch import KINDS
from k8sshim.client import Client
from k8sshim.cluster import OUTSIDE as OUTSIDE_HOST
from k8sshim.cluster import Cluster, Host, Link, Switch, SwitchPort
from k8sshim.errors import PodwireError
from k8sshim.objects import EndpointSlice, Key, Node, Pod, Service
from k8sshim.policies import DIRECTIONS, Policy
from lab.inventory import OUTSIDE


@dataclass(frozen=True)
class Rule:
    """A flow of a switch, explained: the flow as we wrote it where it is ours, and the object that it is there for."""

    feature: str
    subject: str  # `Kind namespace/name`
    flow: Flow | None  # None for what the switch has learned by itself


class Network:
    """The desired state of a lab, worked out here from the same objects as the controller has."""

    def __init__(self, objects: Iterable[tuple[str, Key, View]]) -> None:
        self.desired = Desired()
        self.pods: dict[Key, Pod] = {}
        self.nodes: dict[str, Node] = {}
        self.services: dict[Key, Service] = {}
        self.slices: list[EndpointSlice] = []
        self.policies: dict[str, Policy] = {}  # by `Kind namespace/name`
        for kind, key, view in objects:
            self.desired.put(kind, key, view)
            match view:
                case Pod():
                    self.pods[key] = view
                case Node():
                    self.nodes[view.name] = view
                case Service():
                    self.services[key] = view
                case EndpointSlice():
                    self.slices.append(view)
                case Policy():
                    self.policies[str(view)] = view
        if self.desired.cluster is None:
            raise PodwireError("the lab's API has no Cluster object")
        self.cluster: Cluster = self.desired.cluster
        self._switches = {switch.name: switch for switch in self.cluster.switches}
        self._links = {end: other for link in self.cluster.links for end, other in _both(link.a, link.b)}
        self._flows: dict[str, dict[tuple[int, int], Flow]] = {}
        self._subjects = self.desired.subjects()
        self.links_down: Callable[[], frozenset[Link]] = frozenset  # asked where routes are not those of a whole fabric
        self._rerouted = False

    @classmethod
    def of(cls, client: Client) -> Network:
        """What a lab's API holds now."""
        return cls(
            (kind, Key.of(raw), parse(raw))
            for kind, (resource, parse) in KINDS.items()
            for raw in client.list(resource)[0]
        )

    def switch(self, name: str) -> Switch:
        return self._switches[name]

    def bridge_of(self, node: str) -> Switch:
        """The node bridge of a node."""
        return next(switch for switch in self.cluster.switches if switch.node == node)

    def beyond(self, switch: str, port: int) -> SwitchPort | None:
        """The other end of the link at a switch's port, where there is one."""
        return self._links.get(SwitchPort(switch, port))

    def beyond_overlay(self, switch: str, port: int, address: str) -> Switch | None:
        """The node bridge where the overlay ends for an address, if a switch's port is where it begins."""
        if port != self.switch(switch).overlay_port or self.cluster.overlay is None:
            return None
        one = ipaddress.ip_address(address)
        for node in self.nodes.values():
            if address in node.addresses or any(one in ipaddress.ip_network(cidr) for cidr in node.pod_cidrs):
                return self.bridge_of(node.name)
        return None

    def rule(self, switch: str, table: int, cookie: int) -> Rule | None:
        """The flow of a switch with that cookie; None for one that is not podwire's."""
        if switch not in self._flows:
            self._flows[switch] = dict(self.desired.wanted(self.switch(switch).dpid).flows)
        flow = self._flows[switch].get((table, cookie))
        if flow is not None:
            return Rule(flow.owner.feature.name.lower(), flow.owner.subject, flow)
        if cookie == FAULT_COOKIE:
            return Rule("fault", "a partition between groups of nodes", None)
        found = explain(cookie, self._subjects)
        if found and found.feature in (Feature.FABRIC, Feature.ROUTING) and not self._rerouted:
            self._rerouted = True
            self.desired.lose(self.links_down())
            self._flows.clear()
            return self.rule(switch, table, cookie)
        return Rule(found.feature.name.lower(), " or ".join(found.subjects), None) if found else None

    def rule_name(self, policy: str, place: str) -> str:
        """What the author of a policy (`Kind namespace/name`) calls the rule at a place (`ingress[0]`); "" for none."""
        known = self.policies.get(policy)
        for direction in DIRECTIONS if known else ():
            for number, rule in enumerate((known.rules(direction) if known else None) or ()):
                if place == f"{direction.lower()}[{number}]":
                    return rule.name
        return ""

    def pod_at(self, switch: str, port: int) -> Pod | None:
        """The pod at a port of a node bridge."""
        node = self.switch(switch).node
        here = (pod for pod in self.pods.values() if pod.node == node and not pod.finished)
        return next((pod for pod in here if node and pod.network and pod.network.port == port), None)

    def host_at(self, switch: str, port: int) -> Host | None:
        """The host at a port of the border."""
        return next((host for host in self.cluster.hosts if (host.switch, host.port) == (switch, port)), None)

    def who_is_at(self, switch: str, port: int) -> str:
        """What a port leads to, in words."""
        here = self.switch(switch)
        if here.node and port == here.node_port:
            return f"node {here.node}"
        if pod := self.pod_at(switch, port):
            return f"pod {pod.key}"
        if host := self.host_at(switch, port):
            return OUTSIDE if host.name == OUTSIDE_HOST else host.name
        if self.cluster.overlay and port == here.overlay_port:
            return f"the {self.cluster.overlay.mode} overlay"
        other = self.beyond(switch, port)
        return self.name_of(other.switch) if other else f"port {port}"

    def name_of(self, switch: str) -> str:
        """A switch in words."""
        node = self.switch(switch).node
        return f"{switch} (node {node})" if node else switch

    def who_has(self, address: str) -> str:
        """Whose address that is, in words; "" for nobody's."""
        for pod in self.pods.values():
            if pod.network and address in pod.network.addresses and not pod.finished:
                return f"pod {pod.key} on {pod.node}"
        for node in self.nodes.values():
            if address in node.addresses:
                return f"node {node.name}"
        for host in self.cluster.hosts:
            if address in host.addresses:
                return OUTSIDE if host.name == OUTSIDE_HOST else host.name
        return ""


def _both(a: SwitchPort, b: SwitchPort) -> tuple[tuple[SwitchPort, SwitchPort], tuple[SwitchPort, SwitchPort]]:
    return (a, b), (b, a)
