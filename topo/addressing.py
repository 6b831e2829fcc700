"""Ranges and addresses of a cluster: reading them, splitting them, and the numbers derived from them. Pure.

Address families are data: whatever is said of a range here holds for both, and what a family lacks is refused in one
place (`parse_network`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

POD_MAC_PREFIX = "0a:58"  # of pods and nodes, followed by the four bytes of the address
HOP_MAC_PREFIX = "0a:68"  # of the hops beside nodes, followed by the four bytes of the node's address
SWITCH_MAC_PREFIX = "0a:77"  # of switches, followed by the four bytes of the datapath id
RESERVED = {
    "loopback": "127.0.0.0/8",
    "multicast and reserved": "224.0.0.0/3",
    "link-local": "169.254.0.0/16",
    "this-network": "0.0.0.0/8",
}


def parse_network(text: str) -> IPNetwork:
    """A range in CIDR notation.

    Raises ValueError with a message for a person: no prefix length, host bits set, a range that no host may use, IPv6.
    """
    if "/" not in text:
        raise ValueError(f"{text!r} has no prefix length: write it as in 10.244.0.0/16")
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a range in CIDR notation, such as 10.244.0.0/16") from None
    if interface.version == 6:
        raise ValueError("IPv6 ranges are not supported yet")
    network: IPNetwork = interface.network
    if interface.ip != network.network_address:
        raise ValueError(f"{text} has host bits set; the range is {network}")
    for name, block in RESERVED.items():
        if network.overlaps(ipaddress.ip_network(block)):
            raise ValueError(f"{text} overlaps the {name} range {block}")
    return network


def capacity(network: IPNetwork) -> int:
    """How many addresses hosts can have: all but the network's own and the broadcast address."""
    return max(0, network.num_addresses - 2)


def subnets_in(network: IPNetwork, prefix_length: int) -> int:
    """How many ranges of this prefix length a range holds."""
    return 0 if prefix_length < network.prefixlen else 1 << (prefix_length - network.prefixlen)


def covered(network: IPNetwork, prefix_length: int) -> Iterator[IPNetwork]:
    """The ranges of this prefix length that a range has a part in."""
    if prefix_length <= network.prefixlen:
        yield network.supernet(new_prefix=prefix_length)
    else:
        yield from network.subnets(new_prefix=prefix_length)


def free_subnets(network: IPNetwork, prefix_length: int, taken: Iterable[IPNetwork]) -> Iterator[IPNetwork]:
    """The range's parts of this prefix length, in order, without those that overlap what is taken."""
    used = {part for other in taken for part in covered(other, prefix_length)}
    if prefix_length >= network.prefixlen:
        yield from (part for part in network.subnets(new_prefix=prefix_length) if part not in used)


def address(network: IPNetwork, number: int) -> IPAddress:
    """The number-th address of a range, counted from 1."""
    return network.network_address + number


def last_address(network: IPNetwork) -> IPAddress:
    """The last address that a host can have."""
    return network[-2]


def with_prefix(one: IPAddress, network: IPNetwork) -> str:
    """An address with its range's prefix length, as an interface is given it."""
    return f"{one}/{network.prefixlen}"


def host_mac(one: IPAddress) -> str:
    """The MAC address of the pod or node with this (primary) address: its last four bytes say which."""
    return _mac(POD_MAC_PREFIX, one.packed[-4:])


def hop_mac(one: IPAddress) -> str:
    """The MAC address, towards the bridge, of the hop beside the node with this (primary) address."""
    return _mac(HOP_MAC_PREFIX, one.packed[-4:])


def switch_mac(dpid: int) -> str:
    """The MAC address that a switch routes with."""
    return _mac(SWITCH_MAC_PREFIX, dpid.to_bytes(4, "big"))


def _mac(prefix: str, tail: bytes) -> str:
    return ":".join([prefix, *(f"{byte:02x}" for byte in tail)])
