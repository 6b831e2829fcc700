"""What the controller asks of addresses and ranges. Pure."""

from __future__ import annotations

import ipaddress


def first_address(network: str) -> str:
    """The gateway of a range: its first address."""
    return str(ipaddress.ip_network(network).network_address + 1)


def is_ipv4(text: str) -> bool:
    return ":" not in text
