"""How much crosses each link between a lab's switches: the counters of its ports, read twice."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from topo.fabric import FabricLink, LinkEnd

from .tracer import Switches

_LINE = re.compile(r"at ([\d.]+)|switch (\S+)|\s*port +(\d+): rx .*|\s*tx pkts=\d+, bytes=(\d+).*")


@dataclass(frozen=True)
class Reading:
    """What a port has sent so far."""

    bytes: int
    at_s: float  # when it was read


@dataclass(frozen=True)
class LinkUse:
    """What crossed links."""

    rates: Mapping[tuple[str, str], tuple[float, float]]  # by the switches of a link: bytes/s from the first, and back
    seconds: float  # between the readings, at least


Readings = dict[tuple[str, int], Reading]  # by switch and port number


def watch(switches: Switches, links: Iterable[FabricLink], seconds: float) -> LinkUse:
    """The use of these links within so many seconds. Raises PodwireError."""
    before = parse(switches.ports())
    time.sleep(seconds)
    return use(links, before, parse(switches.ports()))


def use(links: Iterable[FabricLink], before: Readings, after: Readings) -> LinkUse:
    """The use of links between two readings; a port that was not there both times has carried nothing."""
    spans = [after[port].at_s - before[port].at_s for port in before.keys() & after.keys()]
    rates = {
        (link.a.switch, link.b.switch): tuple(_rate(end, before, after) for end in (link.a, link.b)) for link in links
    }
    return LinkUse({ends: (there, back) for ends, (there, back) in rates.items()}, min(spans, default=0.0))


def parse(text: str) -> Readings:
    """What `Switches.ports` prints: times, and switches with their ports as `ovs-ofctl dump-ports` shows them."""
    found: Readings = {}
    at_s, switch, port = 0.0, "", 0
    for line in text.splitlines():
        if not (match := _LINE.fullmatch(line)):
            continue
        time_s, name, number, sent = match.groups()
        if time_s:
            at_s = float(time_s)
        elif name:
            switch, port = name, 0
        elif number:
            port = int(number)
        elif port:
            found[switch, port] = Reading(int(sent), at_s)
            port = 0
    return found


def _rate(end: LinkEnd, before: Readings, after: Readings) -> float:
    first, last = before.get((end.switch, end.port)), after.get((end.switch, end.port))
    if first is None or last is None or last.at_s <= first.at_s:
        return 0.0
    return max(0, last.bytes - first.bytes) / (last.at_s - first.at_s)
