"""By which way a node's own traffic reaches ports of its own addresses. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from topo.agent.podspec import PodSpec
from topo.ports import OwnPorts

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_EVERY_ADDRESS = ("", "0.0.0.0", "::")


def own_ports(
    addresses: Iterable[str], node_ports: tuple[int, int], health_check_ports: Iterable[int], pods: Iterable[PodSpec]
) -> frozenset[OwnPorts]:
    """By the bridge: the node ports, and the host ports of the node's pods (at their `hostIP`, if they have one).

    Kept on loopback is what the node itself serves among its node ports: health checks, and hostNetwork pods.
    """
    own = tuple(addresses)
    wanted = {OwnPorts(address, protocol, *node_ports) for address in own for protocol in _PROTOCOLS}
    wanted |= {OwnPorts(address, "TCP", port, port, kept=True) for address in own for port in health_check_ports}
    for pod in pods:
        for port in (port for container in pod.containers for port in container.ports):
            if pod.host_network and node_ports[0] <= port.number <= node_ports[1]:
                wanted |= {OwnPorts(address, port.protocol, port.number, port.number, kept=True) for address in own}
            elif port.host_port and not pod.host_network:
                at = own if port.host_ip in _EVERY_ADDRESS else (str(ip_address(port.host_ip)),)
                wanted |= {OwnPorts(address, port.protocol, port.host_port, port.host_port) for address in at}
    return frozenset(wanted)
