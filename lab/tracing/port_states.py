"""Which ports of switches are alive, as `ovs-ofctl dump-ports-desc` shows them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from topo.fabric import FabricLink, LinkEnd

_LINE = re.compile(r"switch (\S+)|\s*(\d+|LOCAL)\(.*|\s*(config|state): +(.*)")


def parse(text: str) -> dict[str, dict[int, bool]]:
    """What `Switches.port_states` prints: by switch and port, whether it has carrier and hears from its other end."""
    found: dict[str, dict[int, bool]] = {}
    switch, port = "", 0
    for line in text.splitlines():
        if not (match := _LINE.fullmatch(line)):
            continue
        name, number, field, value = match.groups()
        if name:
            switch, port = name, 0
            found[switch] = {}
        elif number:
            port = int(number) if number != "LOCAL" else 0
        elif field == "config" and port:
            found[switch][port] = "PORT_DOWN" not in value
        elif port:
            found[switch][port] &= "LIVE" in value and "LINK_DOWN" not in value
    return found


def down(links: Iterable[FabricLink], live: Mapping[str, Mapping[int, bool]]) -> set[tuple[str, str]]:
    """The links of which an end is not alive, or is not there, by their switches."""
    alive = {(switch, port) for switch, ports in live.items() for port, lives in ports.items() if lives}
    return {(a.switch, b.switch) for a, b in ((link.a, link.b) for link in links) if not {_end(a), _end(b)} <= alive}


def _end(of: LinkEnd) -> tuple[str, int]:
    return of.switch, of.port
