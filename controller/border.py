"""The border switch as intents: the hosts that hang on it, and the addresses that it has itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from k8sshim.cluster import OUTSIDE, Cluster, Host, Switch

from .addresses import is_ipv4


@dataclass(frozen=True)
class BorderPort:
    """An address of a host at its port of the border switch."""

    dpid: int
    port: int
    mac: str
    address: str
    network: str  # the range in which it asks for neighbours by ARP
    bridge_mac: str
    refused: tuple[str, ...]  # ranges that it may not send to


@dataclass(frozen=True)
class BorderGateway:
    """An address that the border switch itself has, in the network of a host."""

    dpid: int
    mac: str
    address: str


BorderIntent = BorderPort | BorderGateway


def of_hosts(cluster: Cluster) -> Iterator[BorderIntent]:
    """The hosts' ports, with what each may send, and their gateways."""
    switches = {switch.name: switch for switch in cluster.switches}
    for host in cluster.hosts:
        if host.switch in switches and is_ipv4(host.gateway):
            yield from _of_host(host, switches[host.switch], cluster)


def destinations(host: Host, cluster: Cluster) -> tuple[str, ...]:
    """The ranges and addresses for which every switch has a route to this host's switch."""
    ranges = cluster.outside_cidrs if host.name == OUTSIDE else host.addresses
    return tuple(filter(is_ipv4, ranges))


def _of_host(host: Host, border: Switch, cluster: Cluster) -> Iterator[BorderIntent]:
    yield BorderGateway(border.dpid, border.mac, host.gateway)
    inside = (*cluster.pod_cidrs, *cluster.service_cidrs) if host.name == OUTSIDE else ()
    refused = tuple(filter(is_ipv4, inside))
    for address in filter(is_ipv4, host.addresses):
        yield BorderPort(border.dpid, host.port, host.mac, address, host.network, border.mac, refused)
