"""Which links are down, as the switches at their ends tell.

A link is down once the port at one of its ends is away, has no carrier, or hears nothing from the other end (BFD). It
is up again when both ends say so and both switches hold what they shall: a switch that comes back forwards nothing
before. What no switch has told is taken to be up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from k8sshim.cluster import Cluster, Link, SwitchPort

Numbers = Any  # OpenFlow 1.4's, as the framework has them


class Links:
    """What is known of the ports of switches, and what it means for links."""

    def __init__(self) -> None:
        self._live: dict[int, dict[int, bool]] = {}  # by switch and port
        self._down: frozenset[Link] = frozenset()
        self.news = False  # whether `down` may tell something else than it did

    def ports(self, dpid: int, live: Mapping[int, bool]) -> None:
        """A switch has connected, and has told of all its ports."""
        self._live[dpid], self.news = dict(live), True

    def port(self, dpid: int, number: int, live: bool) -> None:
        """A port of a switch has changed, or is gone."""
        known = self._live.setdefault(dpid, {})
        if known.get(number) is not live:
            known[number], self.news = live, True

    def down(self, cluster: Cluster, settled: Callable[[int], bool]) -> frozenset[Link]:
        """The links that are down now; `settled` tells whether a switch holds what it shall.

        What has no other way keeps the one that it had: nothing is gained by telling everybody.
        """
        numbers = {switch.name: switch.dpid for switch in cluster.switches}

        def dead(end: SwitchPort) -> bool:
            known = self._live.get(numbers.get(end.switch, 0))
            return known is not None and not known.get(end.port, False)

        told = {link for link in cluster.links if dead(link.a) or dead(link.b)}
        coming = {link for link in self._down - told if not all(settled(numbers[end.switch]) for end in _ends(link))}
        self._down, self.news = frozenset(told | coming), bool(coming)
        return self._down - _of_the_cut_off(cluster, self._down)


def _of_the_cut_off(cluster: Cluster, down: frozenset[Link]) -> frozenset[Link]:
    """The links of node bridges and the border that have none left."""
    last = {switch.name for switch in cluster.switches if switch.node} | {host.switch for host in cluster.hosts}
    reached = {end.switch for link in cluster.links if link not in down for end in _ends(link)}
    return frozenset(link for link in down if any(end.switch in last - reached for end in _ends(link)))


def _ends(link: Link) -> tuple[SwitchPort, SwitchPort]:
    return link.a, link.b


def is_live(numbers: Numbers, port: Any) -> bool:
    """Whether a port, as a switch describes it, can be sent to."""
    down = port.state & numbers.OFPPS_LINK_DOWN or port.config & numbers.OFPPC_PORT_DOWN
    return bool(port.state & numbers.OFPPS_LIVE) and not down
