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

    def lives(end: LinkEnd) -> bool:
        return live.get(end.switch, {}).get(end.port, False)

    return {(link.a.switch, link.b.switch) for link in links if not (lives(link.a) and lives(link.b))}
