"""The ranges of a cluster description: each valid, large enough for the nodes, and apart from the others. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

from k8sshim.cluster import DNS_NUMBER
from k8sshim.objects import Raw

from .addressing import IPAddress, IPNetwork, capacity, free_subnets, last_address, parse_network, subnets_in
from .fields import Fields
from .nodes import NodeSpec
from .outside import Outside, check_addresses, parse_outside

POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/12"
LOAD_BALANCER_CIDR = "198.51.100.0/24"  # RFC 5737: for documentation
NODE_NETWORK = "172.30.0.0"
BESIDE_NODES = 2  # addresses in the node network that are no node's: the gateway's and the control plane's
LONGEST, SHORTEST = 30, 17  # of a node's podCIDR: a gateway and a pod; a port number for every pod
Chosen = tuple[int, IPNetwork]  # the index of a node, and the podCIDR that it asks for


@dataclass(frozen=True)
class Ranges:
    """The ranges of a cluster, one an address family each."""

    pods: tuple[IPNetwork, ...]
    node_pod_prefix_lengths: tuple[int, ...]  # of the podCIDRs that the plan cuts out of `pods`
    services: tuple[IPNetwork, ...]
    nodes: tuple[IPNetwork, ...]
    load_balancers: tuple[IPNetwork, ...]
    outside: Outside

    @property
    def control_plane(self) -> tuple[IPAddress, ...]:
        """The control plane's addresses: the last ones of the node networks."""
        return tuple(last_address(network) for network in self.nodes)

    def to_raw(self) -> Raw:
        return {
            "podCIDR": str(self.pods[0]),
            "nodePodPrefixLength": self.node_pod_prefix_lengths[0],
            "serviceCIDR": str(self.services[0]),
            "nodeCIDR": str(self.nodes[0]),
            "loadBalancerCIDR": str(self.load_balancers[0]),
            "outside": self.outside.to_raw(),
        }


def default_ranges(nodes: Sequence[NodeSpec]) -> Ranges:
    """Kubernetes' usual ranges; room is made for every node."""
    pods = parse_network(POD_CIDR)
    return Ranges(
        (pods,),
        (_default_prefix_length(pods, len(nodes)),),
        (parse_network(SERVICE_CIDR),),
        (_node_network(nodes),),
        (parse_network(LOAD_BALANCER_CIDR),),
        Outside(),
    )


def parse_ranges(spec: Fields, nodes: Sequence[NodeSpec]) -> Ranges:
    """The ranges of a description, checked against each other and the nodes."""
    usual = default_ranges(nodes)
    networks = {
        "podCIDR": spec.network("podCIDR", usual.pods[0]),
        "serviceCIDR": spec.network("serviceCIDR", usual.services[0]),
        "nodeCIDR": spec.network("nodeCIDR", usual.nodes[0]),
        "loadBalancerCIDR": spec.network("loadBalancerCIDR", usual.load_balancers[0]),
    }
    usual_length = usual.node_pod_prefix_lengths[0] if spec.raw.get("podCIDR") is None else 24
    length = spec.integer("nodePodPrefixLength", usual_length, SHORTEST, LONGEST)
    outside, addresses, names = parse_outside(spec)
    known = [(name, network) for name, network in networks.items() if network is not None]
    _check_overlaps(spec, [*known, ("outside.cidr", outside)])
    check_addresses(spec, outside, addresses, known)
    pods, services, node_network, load_balancers = networks.values()
    if pods is not None:
        _check_pods(spec, pods, length, nodes)
    if services is not None and services.num_addresses <= DNS_NUMBER:
        needed = f"the cluster's DNS server has the address of number {DNS_NUMBER}"
        spec.wrong("serviceCIDR", f"{services} has {services.num_addresses} addresses; {needed}")
    if node_network is not None and capacity(node_network) < len(nodes) + BESIDE_NODES:
        needed = f"{len(nodes)} nodes, their gateway and the control plane need {len(nodes) + BESIDE_NODES}"
        spec.wrong("nodeCIDR", f"{node_network} has {capacity(node_network)} addresses; {needed}")
    return Ranges(
        (pods or usual.pods[0],),
        (length,),
        (services or usual.services[0],),
        (node_network or usual.nodes[0],),
        (load_balancers or usual.load_balancers[0],),
        Outside((outside,), tuple(addresses.values()), tuple(names.items())),
    )


def _default_prefix_length(pods: IPNetwork, nodes: int) -> int:
    """24, or longer where more nodes want a part of the range."""
    return next(length for length in range(24, LONGEST + 1) if subnets_in(pods, length) >= nodes)


def _node_network(nodes: Sequence[NodeSpec]) -> IPNetwork:
    """A /24, or larger where more nodes want an address."""
    candidates = (parse_network(f"{NODE_NETWORK}/{length}") for length in range(24, 15, -1))
    return next(network for network in candidates if capacity(network) >= len(nodes) + BESIDE_NODES)


def _check_overlaps(spec: Fields, networks: Sequence[tuple[str, IPNetwork]]) -> None:
    for (one, first), (other, second) in combinations(networks, 2):
        if first.overlaps(second):
            spec.wrong(other, f"{second} overlaps {spec.at(one)} {first}")


def _check_pods(spec: Fields, pods: IPNetwork, length: int, nodes: Sequence[NodeSpec]) -> None:
    chosen = [(index, cidr) for index, node in enumerate(nodes) for cidr in node.pod_cidrs]
    for index, cidr in chosen:
        _check_node_cidr(spec, f"nodes[{index}].podCIDR", cidr, pods)
    for (first, one), (second, other) in _overlapping(chosen):
        spec.wrong(f"nodes[{second}].podCIDR", f"{other} overlaps {spec.at(f'nodes[{first}].podCIDR')} {one}")
    needed = sum(1 for node in nodes if not node.pod_cidrs)
    taken = [cidr for _, cidr in chosen if _within(cidr, pods) and cidr.prefixlen >= SHORTEST]
    free = sum(1 for _ in islice(free_subnets(pods, length, taken), needed))
    if free < needed:
        spec.wrong("podCIDR", f"{pods} has room for {free} x /{length}; {needed} are needed, one a node")


def _overlapping(chosen: Sequence[Chosen]) -> Iterator[tuple[Chosen, Chosen]]:
    """Ranges that overlap one before them, in the order of addresses: a widest range comes before what is inside it."""
    before: Chosen | None = None
    for item in sorted(chosen, key=lambda item: (item[1].version, int(item[1].network_address), item[1].prefixlen)):
        if before is not None and item[1].overlaps(before[1]):
            yield (before, item) if before[0] < item[0] else (item, before)
        else:
            before = item


def _check_node_cidr(spec: Fields, field: str, cidr: IPNetwork, pods: IPNetwork) -> None:
    if not _within(cidr, pods):
        spec.wrong(field, f"{cidr} is outside {spec.at('podCIDR')} {pods}")
    if not SHORTEST <= cidr.prefixlen <= LONGEST:
        spec.wrong(field, f"the prefix length must be from {SHORTEST} to {LONGEST}, not {cidr.prefixlen}")


def _within(inner: IPNetwork, outer: IPNetwork) -> bool:
    return inner.version == outer.version and inner.network_address in outer and inner.prefixlen >= outer.prefixlen
