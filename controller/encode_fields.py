"""Fields and marks as OpenFlow's libraries take them: matches, and the bits of registers that marks are."""

from __future__ import annotations

import ipaddress
from typing import Any

from .actions import Value
from .flows import Match
from .marks import MARKS, Mark

CT_STATES = {"new": 0x01, "est": 0x02, "rel": 0x04, "rpl": 0x08, "inv": 0x10, "trk": 0x20, "snat": 0x40, "dnat": 0x80}
WIDTHS = {"eth_type": 16, "eth_src": 48, "eth_dst": 48, "ipv4_src": 32, "ipv4_dst": 32, "arp_spa": 32, "arp_tpa": 32}


def match_fields(match: Match) -> list[tuple[str, Any]]:
    """In the order of the flow: what a field requires comes before it. The library would sort by number."""
    fields: dict[str, Any] = {}
    for name, value in match:
        if name in MARKS:
            _merge(fields, MARKS[name], number_of(value))
        else:
            fields[name] = _field(name, value)
    return list(fields.items())


def bits_of(mark: Mark) -> int:
    """A range of bits in Nicira's notation: first bit and how many."""
    return mark.first << 6 | (mark.bits - 1)


def place_of(name: str) -> tuple[tuple[str, int], int]:
    """A mark's or a whole field's register, first bit and width."""
    mark = MARKS.get(name)
    return ((mark.register, mark.first), mark.bits) if mark else ((name, 0), WIDTHS[name])


def _merge(fields: dict[str, Any], mark: Mark, value: int) -> None:
    """Marks of the same register are matched together."""
    old, mask = fields.get(mark.register, (0, 0))
    fields[mark.register] = (old | value << mark.first, mask | mark.mask)


def _field(name: str, value: Value) -> Any:
    if name == "ct_state":
        return _ct_state(str(value))
    if isinstance(value, str) and value.startswith("0x"):
        number, mask = value.split("/")
        return int(number, 16), int(mask, 16)
    if isinstance(value, str) and "/" in value:
        network = ipaddress.ip_network(value)
        return (str(network.network_address), str(network.netmask))
    return value


def _ct_state(text: str) -> tuple[int, int]:
    """`+trk-new` as value and mask."""
    value = mask = 0
    for sign, name in ((text[at], text[at + 1 : at + 4]) for at in range(0, len(text), 4)):
        mask |= CT_STATES[name]
        value |= CT_STATES[name] if sign == "+" else 0
    return value, mask


def number_of(value: Value) -> int:
    return int(ipaddress.ip_address(value)) if isinstance(value, str) else int(value)
