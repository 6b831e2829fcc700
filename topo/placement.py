"""Placement: which ovs-vswitchd carries which bridge, as a pure function of the description.

A userspace ovs-vswitchd polls every port of all its bridges for every packet, so many ports in one make every packet
late; and every ovs-vswitchd more takes memory and a start. The figures behind the numbers here stand in
`docs/decisions/bridge-placement.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHARED_UP_TO = 192  # polled ports in all: with fewer, the hop between processes costs more than the polling
PORTS_A_PROCESS = 64  # of those that node bridges share
OWN_PORTS = 3  # of a node bridge beside its pods': the bridge's own, the node's, an uplink


@dataclass(frozen=True)
class Group:
    """The bridges of one ovs-vswitchd."""

    name: str  # "0", "1", ...
    switches: tuple[str, ...]
    namespace: str | None  # the named namespace it runs in; None: the sandbox's first one


def place(bridges: Sequence[str], fabric: Sequence[str], placement: str | int, pods: int) -> tuple[Group, ...]:
    """Groups for node bridges and the fabric's switches, the border among them; `pods` are expected in the cluster.

    A fabric switch never shares a process with a node bridge unless all of them do: a group of its own keeps what
    crosses the fabric from being polled together with pods that have no part in it.
    """
    share = nodes_a_process(placement, len(bridges), pods)
    if share >= len(bridges):
        return (Group("0", (*bridges, *fabric), None),)
    parts = [tuple(bridges[start : start + share]) for start in range(0, len(bridges), share)]
    return tuple(Group(str(index), part, f"switchd-{index}") for index, part in enumerate([*parts, tuple(fabric)]))


def nodes_a_process(placement: str | int, nodes: int, pods: int) -> int:
    """How many node bridges share an ovs-vswitchd; no fewer than the nodes: all do."""
    if isinstance(placement, int):
        return placement
    if placement == "shared":
        return nodes
    if placement == "per-node":
        return 1
    if pods + nodes * (OWN_PORTS - 1) <= SHARED_UP_TO:  # uplinks within a process are patch ports: nobody polls those
        return nodes
    a_node = -(-pods // nodes) + OWN_PORTS
    return max(1, PORTS_A_PROCESS // a_node)
