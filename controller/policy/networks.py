"""Ranges of addresses without parts of them, as ranges that flows can match. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, collapse_addresses

from controller.addresses import is_ipv4
from k8sshim.policies import Block

from .entries import EVERYWHERE


@lru_cache(maxsize=2**14)  # a rule is worked out with each of its pods' changes, its blocks once
def of_block(block: Block) -> frozenset[str]:
    """The largest ranges that lie in a block and in none of those excepted; none for another address family."""
    if not is_ipv4(block.cidr):
        return frozenset()
    parts = [_network(block.cidr)]
    for text in filter(is_ipv4, block.excepted):
        hole = _network(text)
        parts = [rest for part in parts for rest in _without(part, hole)]
    return frozenset(name for part in collapse_addresses(parts) for name in _names(part))


def lies_in(address: str, block: Block) -> bool:
    """Whether an IPv4 address is in a block, and in none of what is excepted."""
    return _in(address, block.cidr) and not any(_in(address, text) for text in block.excepted)


def _in(address: str, network: str) -> bool:
    return is_ipv4(network) and IPv4Address(address) in _network(network)


@lru_cache(maxsize=2**14)
def _network(text: str) -> IPv4Network:
    return IPv4Network(text, strict=False)


def _without(part: IPv4Network, hole: IPv4Network) -> Iterable[IPv4Network]:
    if part.subnet_of(hole):
        return ()
    return part.address_exclude(hole) if hole.subnet_of(part) else (part,)


def _names(part: IPv4Network) -> tuple[str, ...]:
    if part.prefixlen == 0:
        return EVERYWHERE
    return (str(part.network_address),) if part.prefixlen == part.max_prefixlen else (str(part),)
