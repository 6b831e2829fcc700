"""Ways to the external addresses of Services: load balancers' and externalIPs. Pure.

Every node that serves an address is an end of its own, as if each announced it by BGP: a switch sends to those that are
nearest, spread over equally short ways. Under policy Cluster all nodes serve; under policy Local those with a ready
endpoint, or where none is ready, with one that still serves while it ends. An address that no node serves has no way.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from k8sshim.cluster import Cluster
from k8sshim.objects import EndpointSlice, Service

from .addresses import is_ipv4
from .numbers import NumberOf, group_of
from .path_mtu import Limit, limit_of
from .topology import NextHop, Topology


@dataclass(frozen=True)
class ExternalRoute:
    """On a fabric switch or the border, the ways to the nodes that serve an external address."""

    dpid: int
    mac: str
    address: str
    next_hops: tuple[NextHop, ...]  # one a bucket
    group: int  # that spreads over them, where they are several
    own_group: bool  # not the one that all nodes share
    limit: Limit | None = None


def addresses_of(service: Service) -> tuple[str, ...]:
    """The external addresses of a Service, each once."""
    return () if service.headless else tuple(dict.fromkeys((*service.ingress_ips, *service.external_ips)))


def announcer(services: Iterable[Service]) -> Service:
    """Of Services that share an address, the one that says which nodes serve it: one that all do, if there is one."""
    return min(services, key=lambda service: (service.external_local, service.key))


def routes(
    service: Service,
    announced: Iterable[str],
    slices: Iterable[EndpointSlice],
    topology: Topology,
    number_of: NumberOf,
) -> Iterator[ExternalRoute]:
    """For each of the addresses announced by a Service that can be routed to a node."""
    addresses = [one for one in announced if _routed(one, topology.cluster)]
    if not addresses:
        return
    ways = topology.to_any(serving(slices)) if service.external_local else topology.to_all
    for switch in topology.cluster.switches:
        next_hops = () if switch.node else ways.get(switch.name, ())
        for address in addresses if next_hops else ():
            own = service.external_local
            group = number_of(f"external {address}") if own else group_of(next_hops, number_of)
            buckets = topology.spread(switch.name, next_hops)
            limit = limit_of(switch, next_hops, topology.cluster)
            yield ExternalRoute(switch.dpid, switch.mac, address, buckets, group, own, limit)


def serving(slices: Iterable[EndpointSlice]) -> frozenset[str]:
    """The nodes that answer for a Service of policy Local."""
    endpoints = [endpoint for one in slices if one.address_type == "IPv4" for endpoint in one.endpoints]
    ready = frozenset(endpoint.node for endpoint in endpoints if endpoint.ready)
    return ready or frozenset(one.node for one in endpoints if one.serving and one.terminating)


def _routed(address: str, cluster: Cluster) -> bool:
    """What the cluster or a host has itself keeps its way, whatever a Service says."""
    taken = (*cluster.pod_cidrs, *cluster.service_cidrs, *cluster.node_cidrs)
    hosts = {one for host in cluster.hosts for one in (host.gateway, *host.addresses)}
    if not hosts or not is_ipv4(address) or address in hosts:
        return False
    return not any(ipaddress.ip_address(address) in ipaddress.ip_network(cidr) for cidr in filter(is_ipv4, taken))
