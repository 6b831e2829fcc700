"""The fabric as a graph: which ports lead from a switch to node bridges and border, all equally short ways. Pure.

Where none of those is left, a switch may send to a neighbour that is as near as itself, because that neighbour's own
ways lead on and not back (a loop-free alternate, RFC 5286); and a node bridge or the border to any neighbour, because
nobody sends back what is not for it.

Only fabric switches pass on what is for others: node bridges and the border switch begin ways and end them. So the
lengths of ways between fabric switches (networkx, breadth first) are all there is to know, and a way to a node begins
at one of the switches that it hangs on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log

import networkx

from k8sshim.cluster import Cluster, Link, Switch, SwitchPort

MOST_BACKUPS = 4
WIDEST = 256  # ways that one address is spread over: a group's message to a switch holds no thousand
Ways = dict[str, tuple["NextHop", ...]]  # by the switch that they begin at


@dataclass(frozen=True, order=True)
class NextHop:
    """A neighbour: the port that leads to it and the MAC that it routes for."""

    port: int
    mac: str


Neighbour = tuple[NextHop, str, NextHop]  # the way there, the switch's name, and the way back


class Topology:
    """The shortest ways between the switches of a cluster, worked out when it is made."""

    def __init__(self, cluster: Cluster, down: Collection[Link] = (), whole: Topology | None = None) -> None:
        """Links that are down lead nowhere; groups count their buckets off as in the topology `whole`, with all up."""
        self.cluster = cluster
        self._switches = {switch.name: switch for switch in cluster.switches}
        self._bridges = {switch.node: switch for switch in cluster.switches if switch.node}
        hosts = {host.switch for host in cluster.hosts} & self._switches.keys()
        self._ends = {bridge.name for bridge in self._bridges.values()} | hosts
        self._neighbours: dict[str, list[Neighbour]] = {name: [] for name in self._switches}
        for link in cluster.links:
            if link not in down:
                self._join(link.a, link.b)
        for found in self._neighbours.values():
            found.sort()
        self._lengths = self._between_fabric_switches()
        targets = (*(bridge.name for bridge in self._bridges.values()), *sorted(hosts))
        last = {target: self._last_steps({target}) for target in targets}
        nearest = {above: self._to_nearest(above) for above in set(map(frozenset, last.values()))}
        before = {above: self._ways_before(lengths) for above, lengths in nearest.items()}
        self._ways = {target: before[frozenset(steps)] | steps for target, steps in last.items()}
        beside = {above: self._ways_beside(lengths) for above, lengths in nearest.items()}
        self._backups = {target: beside[frozenset(steps)] for target, steps in last.items()}
        every = [*before.values(), *last.values()]
        self._repeats: dict[str, int] = whole._repeats if whole else self._times_repeated(every, hosts)

    def _join(self, a: SwitchPort, b: SwitchPort) -> None:
        if a.switch in self._switches and b.switch in self._switches:
            here, there = (NextHop(end.port, self._switches[other.switch].mac) for end, other in ((a, b), (b, a)))
            self._neighbours[a.switch].append((here, b.switch, there))
            self._neighbours[b.switch].append((there, a.switch, here))

    def _between_fabric_switches(self) -> dict[str, dict[str, int]]:
        """From each fabric switch to each that can be reached, the number of links."""
        fabric = networkx.Graph()
        fabric.add_nodes_from(self._switches.keys() - self._ends)
        for name in tuple(fabric):
            fabric.add_edges_from((name, there) for _, there, _ in self._neighbours[name] if there not in self._ends)
        return dict(networkx.all_pairs_shortest_path_length(fabric))

    def _last_steps(self, targets: Collection[str]) -> Ways:
        """From each fabric switch that one of the targets hangs on, the next hops to those."""
        found: dict[str, list[NextHop]] = {}
        for target in targets:
            for _, above, back in self._neighbours[target]:
                if above not in self._ends:
                    found.setdefault(above, []).append(back)
        return {above: tuple(sorted(next_hops)) for above, next_hops in found.items()}

    def _to_nearest(self, above: Collection[str]) -> dict[str, int]:
        """From every fabric switch that reaches one of these, the number of links to the nearest."""
        lengths: dict[str, int] = {}
        for last in above:
            for here, length in self._lengths[last].items():
                lengths[here] = min(length, lengths.get(here, length))
        return lengths

    def _ways_before(self, lengths: dict[str, int]) -> Ways:
        """From every other switch, the neighbours one step nearer to the nearest of those at length 0."""
        found = {}
        for here in self._switches.keys() - {name for name, length in lengths.items() if not length}:
            onward = [(lengths[there], next_hop) for next_hop, there, _ in self._neighbours[here] if there in lengths]
            if onward:
                least = min(length for length, _ in onward)
                found[here] = tuple(next_hop for length, next_hop in onward if length == least)
        return found

    def _ways_beside(self, lengths: dict[str, int]) -> Ways:
        """From every switch, the neighbours that serve where no shortest way is left, the nearest first."""
        found = {}
        for here, neighbours in self._neighbours.items():
            onward = sorted((lengths[there], next_hop) for next_hop, there, _ in neighbours if there in lengths)
            if here in self._ends:
                beside = [next_hop for length, next_hop in onward if length > onward[0][0]]
            else:
                beside = [next_hop for length, next_hop in onward if length == lengths.get(here)]
            if beside:
                found[here] = tuple(beside[:MOST_BACKUPS])
        return found

    def _times_repeated(self, ways: Sequence[Ways], hosts: Collection[str]) -> dict[str, int]:
        """For each switch, how often a way is repeated among a group's buckets; see `spread`.

        Switches that choose in turn are at different distances from the border: the farther the fewer repetitions.
        """
        several = {switch for one in ways for switch, next_hops in one.items() if len(next_hops) > 1}
        widest = max((len(next_hops) for one in ways for next_hops in one.values()), default=1)
        if widest < 2:
            return {}
        steps = max(1, int(log(WIDEST, widest)))
        lengths = self._lengths_from(hosts)
        choosing = sorted({lengths.get(switch, 0) for switch in several}, reverse=True)
        return {switch: widest ** (choosing.index(lengths.get(switch, 0)) % steps) for switch in several}

    def _lengths_from(self, hosts: Collection[str]) -> dict[str, int]:
        """The number of links to every switch from where the hosts are."""
        if not hosts:
            return {}
        graph = networkx.Graph()
        graph.add_nodes_from(self._switches)
        for here, found in self._neighbours.items():
            graph.add_edges_from((here, there) for _, there, _ in found)
        return dict(networkx.single_source_shortest_path_length(graph, min(hosts)))

    def bridge_of(self, node: str) -> Switch | None:
        """The node bridge of a node."""
        return self._bridges.get(node)

    def next_hops(self, switch: str, target: str) -> tuple[NextHop, ...]:
        """Every equally short way from a switch to a node bridge or the border; none where they are one or apart."""
        return self._ways.get(target, {}).get(switch, ()) if switch != target else ()

    def backups(self, switch: str, target: str) -> tuple[NextHop, ...]:
        """The neighbours to send to, one after another, where no equally short way is left."""
        return self._backups.get(target, {}).get(switch, ()) if self.next_hops(switch, target) else ()

    def to_node(self, node: str) -> tuple[Ways, Ways]:
        """Every switch's ways to a node, and its backups: equal ones make equal flows."""
        target = self._bridges[node].name
        return self._ways[target], self._backups[target]

    def to_any(self, nodes: Collection[str]) -> Ways:
        """For every fabric switch and the border, the next hops to those of these nodes that are nearest."""
        last = self._last_steps({self._bridges[node].name for node in nodes if node in self._bridges})
        ways = self._ways_before(self._to_nearest(last.keys())) | last
        return {
            switch: next_hops[:: -(-len(next_hops) // WIDEST) or 1]
            for switch, next_hops in ways.items()
            if not self._switches[switch].node
        }

    @cached_property
    def to_all(self) -> Ways:
        """The same, whichever node."""
        return self.to_any(self._bridges)

    def ways(self, switch: str) -> tuple[tuple[NextHop, ...], ...]:
        """Every set of several next hops that routes of this switch use."""
        sets = {ways for target in self._ways if len(ways := self.next_hops(switch, target)) > 1}
        return tuple(sorted(sets))

    def backed_up(self, switch: str) -> tuple[tuple[tuple[NextHop, ...], tuple[NextHop, ...]], ...]:
        """Every set of next hops of this switch that has backups, with those."""
        found = {(self.next_hops(switch, target), self.backups(switch, target)) for target in self._ways}
        return tuple(sorted((ways, backups) for ways, backups in found if backups))

    def spread(self, switch: str, next_hops: tuple[NextHop, ...]) -> tuple[NextHop, ...]:
        """What a group of this switch has a bucket for each of: each next hop, repeated.

        Open vSwitch takes a packet's hash once and counts the buckets off by it. If two switches in turn had the same
        buckets, the second would get only what the first sends its way and send it all one way itself. With each bucket
        repeated as often as the first has buckets, it counts by other digits of the same hash.
        """
        times = self._repeats.get(switch, 1) if len(next_hops) > 1 else 1
        if times * len(next_hops) > WIDEST:
            return next_hops
        return tuple(next_hop for next_hop in next_hops for _ in range(times))

    def uplinks(self, switch: str) -> tuple[int, ...]:
        """The ports of a switch that lead to other switches."""
        return tuple(next_hop.port for next_hop, _, _ in self._neighbours.get(switch, ()))
