"""The fabric as a graph: which ports lead from a switch to each node bridge, all equally short ways of it. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from k8sshim.cluster import Cluster, Switch, SwitchPort


@dataclass(frozen=True, order=True)
class NextHop:
    """A neighbour: the port that leads to it and the MAC that it routes for."""

    port: int
    mac: str


class Topology:
    """The shortest ways between the switches of a cluster, worked out when it is made: breadth first from each."""

    def __init__(self, cluster: Cluster) -> None:
        self._switches = {switch.name: switch for switch in cluster.switches}
        self._bridges = {switch.node: switch for switch in cluster.switches if switch.node}
        self._neighbours: dict[str, list[tuple[int, str]]] = {name: [] for name in self._switches}
        for link in cluster.links:
            self._join(link.a, link.b)
            self._join(link.b, link.a)
        self._ways = {bridge.name: self._ways_to(bridge.name) for bridge in self._bridges.values()}

    def _join(self, here: SwitchPort, there: SwitchPort) -> None:
        if here.switch in self._switches and there.switch in self._switches:
            self._neighbours[here.switch].append((here.port, there.switch))

    def _ways_to(self, target: str) -> dict[str, tuple[NextHop, ...]]:
        """For every switch, the neighbours one step nearer to the target. Other node bridges are no way through."""
        distance, waiting = {target: 0}, deque([target])
        while waiting:
            here = waiting.popleft()
            if here != target and self._switches[here].node:
                continue
            for _, neighbour in self._neighbours[here]:
                if neighbour not in distance:
                    distance[neighbour] = distance[here] + 1
                    waiting.append(neighbour)
        return {
            name: tuple(
                sorted(
                    NextHop(port, self._switches[neighbour].mac)
                    for port, neighbour in self._neighbours[name]
                    if distance.get(neighbour, steps) < steps
                    and (neighbour == target or not self._switches[neighbour].node)
                )
            )
            for name, steps in distance.items()
            if name != target
        }

    def bridge_of(self, node: str) -> Switch | None:
        """The node bridge of a node."""
        return self._bridges.get(node)

    def next_hops(self, switch: str, bridge: str) -> tuple[NextHop, ...]:
        """Every equally short way from a switch to a node bridge; none where they are the same or not connected."""
        return self._ways.get(bridge, {}).get(switch, ())

    def ways(self, switch: str) -> tuple[tuple[NextHop, ...], ...]:
        """Every set of several next hops that routes of this switch use."""
        sets = {ways[switch] for ways in self._ways.values() if len(ways.get(switch, ())) > 1}
        return tuple(sorted(sets))

    def uplinks(self, switch: str) -> tuple[int, ...]:
        """The ports of a switch that lead to other switches."""
        return tuple(sorted(port for port, _ in self._neighbours.get(switch, ())))
