"""The kernel's own counters of a network namespace: packets, fragments, segments and retransmissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.inside import Sandbox

_FILES = ("/proc/net/snmp", "/proc/net/dev")


@dataclass(frozen=True)
class Counts:
    """What was counted so far."""

    of: Mapping[str, int]  # "Ip.FragCreates", "eth0.rx_packets"

    def since(self, before: Counts, name: str) -> int:
        """How many came since; 0 for what is not counted."""
        return self.of.get(name, 0) - before.of.get(name, 0)


def counts(sandbox: Sandbox, netns: str) -> Counts:
    """The counters of a namespace now. Raises PodwireError."""
    return parse(sandbox.must(["cat", *_FILES], netns=netns))


def parse(text: str) -> Counts:
    """/proc/net/snmp, whose lines come in pairs of names and values, and /proc/net/dev after it."""
    found: dict[str, int] = {}
    names: list[str] = []
    for line in text.splitlines():
        group, colon, rest = line.partition(":")
        values = rest.split()
        if not colon or not values:
            continue
        if not values[0].lstrip("-").isdigit():
            names = values
        elif len(values) == len(names):
            found |= {f"{group}.{name}": int(value) for name, value in zip(names, values, strict=True)}
        else:  # /proc/net/dev: 8 columns received, 8 sent
            found[f"{group.strip()}.rx_packets"] = int(values[1])
            found[f"{group.strip()}.tx_packets"] = int(values[9])
    return Counts(found)
