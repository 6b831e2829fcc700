"""From a pod's place in the network to the namespace, link and bridge port that realise it. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass

from topo.agent.podspec import PodSpec
from topo.plan import Plan
from topo.ports import BridgePort, NamespaceLink

_INTERFACE_DIGITS = 12  # "pod" and these: the 15 bytes that the kernel allows


@dataclass(frozen=True)
class PodWiring:
    """All that makes a pod part of the network."""

    link: NamespaceLink
    port: BridgePort

    @property
    def namespace(self) -> str:
        return self.link.namespace


def interface_name(uid: str) -> str:
    """The name of the bridge's end of a pod's link. Of the UID, not of the address: an address may have a successor."""
    return "pod" + hashlib.sha256(uid.encode()).hexdigest()[:_INTERFACE_DIGITS]


def wiring(plan: Plan, spec: PodSpec) -> PodWiring:
    """The wiring of a pod that has its PodNetwork. Raises KeyError for a node outside the plan."""
    if spec.network is None:
        raise ValueError(f"pod {spec.key} has no place in the network")
    node = plan.node(spec.node)
    peer = interface_name(spec.uid)
    link = NamespaceLink(
        namespace=spec.namespace,
        interface="eth0",
        mac=spec.network.mac,
        addresses=tuple(f"{one}/{ipaddress.ip_address(one).max_prefixlen}" for one in spec.network.addresses),
        gateways=tuple(str(gateway) for gateway in node.pod_gateways),
        mtu=plan.spec.pod_mtu,
        peer=peer,
        peer_namespace=plan.group_of[node.bridge.name].namespace,
        offload=plan.spec.offload,
    )
    return PodWiring(link, BridgePort(node.bridge.name, peer, spec.network.port))


def addresses(plan: Plan, spec: PodSpec) -> tuple[str, ...]:
    """The pod's addresses: its own, or its node's."""
    if spec.host_network:
        return tuple(str(one) for one in plan.node(spec.node).addresses)
    return spec.network.addresses if spec.network else ()
