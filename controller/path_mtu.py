"""Where packets may be too large for the way ahead, as intents. Pure.

Only what carries less than somebody sends has a limit: where all links carry what pods and nodes send, nothing is
compared. Where the pod network swallows the news (`pathMtuDiscovery: swallow`) there are no limits: what is too large
is dropped by the port that it should leave by, and nobody hears of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from k8sshim.cluster import Cluster, Switch, SwitchPort

from .topology import NextHop

PODS = 0  # for the ports of all pods of a bridge


@dataclass(frozen=True)
class Limit:
    """What a way carries."""

    mtu: int  # bytes
    cut_above: int = 0  # bytes; TCP packets larger than that are cut up on the way; 0: none are


def limits_of(switch: Switch, cluster: Cluster) -> tuple[tuple[int, Limit | None], ...]:
    """The ports of a switch that carry less than somebody sends; if there are some, the others that are known, too."""
    if not cluster.path_mtu_discovery:
        return ()
    ports = {end.port: mtu for end, mtu in cluster.thin.items() if end.switch == switch.name}
    if switch.node:
        ports |= {port: mtu for port, mtu in _of_node_bridge(switch, cluster) if mtu < cluster.largest}
        if ports:
            known = [switch.node_port, *(end.port for end in _ends(cluster) if end.switch == switch.name)]
            ports = dict.fromkeys(known, 0) | ports
    return tuple((port, _limit(mtu, cluster) if mtu else None) for port, mtu in sorted(ports.items()))


def limit_of(switch: Switch, next_hops: Iterable[NextHop], cluster: Cluster) -> Limit | None:
    """What the thinnest of a fabric switch's next hops carries; None where that is enough for everybody."""
    if switch.node or not cluster.thin or not cluster.path_mtu_discovery:
        return None
    ends = (SwitchPort(switch.name, next_hop.port) for next_hop in next_hops)
    thin = [cluster.thin[end] for end in ends if end in cluster.thin]
    return _limit(min(thin), cluster) if thin else None


def _of_node_bridge(switch: Switch, cluster: Cluster) -> Iterator[tuple[int, int]]:
    yield PODS, cluster.pod_mtu
    yield switch.node_port, cluster.node_mtu or cluster.pod_mtu
    if cluster.overlay and switch.overlay_port:
        yield switch.overlay_port, cluster.overlay.mtu


def _ends(cluster: Cluster) -> Iterator[SwitchPort]:
    for link in cluster.links:
        yield from (link.a, link.b)


def _limit(mtu: int, cluster: Cluster) -> Limit:
    return Limit(mtu, cluster.largest if cluster.segments_cut else 0)
