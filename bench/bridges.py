"""A lab's node bridges, by the switches' own word: how many flows they hold, and when they have stopped to grow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from bench.flow_watch import FlowWatch
from experiments.inside import Sandbox
from k8sshim.errors import PodwireError

PROGRAM_S = 300.0
_QUIET_S, _TICK_S, _CHANGE_S = 1.0, 0.1, 5.0


def node_bridges(sandbox: Sandbox, nodes: int) -> dict[str, str]:
    """The node bridges' management sockets, by bridge."""
    listed = sandbox.must(["find", "/run/podwire/switchd", "-name", "*.mgmt"]).split()
    found = {Path(path).stem: path for path in listed}
    return {name: found[name] for name in (f"b{number}" for number in range(1, nodes + 1))}


def flows(sandbox: Sandbox, sockets: Sequence[str]) -> list[int]:
    """How many flows each bridge holds."""
    told = (
        sandbox.must(["ovs-ofctl", "--protocols=OpenFlow14", "dump-aggregate", f"unix:{path}"], timeout_s=60)
        for path in sockets
    )
    return [int(text.partition("flow_count=")[2].split()[0]) for text in told]


def programmed(
    sandbox: Sandbox, sockets: Sequence[str], before: Sequence[int], wanted: int, begin: float
) -> tuple[float, list[int]]:
    """Seconds from then until no bridge's flows change any more, each having so many more; and how many each has."""
    seen, changed = list(before), time.monotonic()
    while time.monotonic() < begin + PROGRAM_S:
        now = flows(sandbox, sockets)
        if now != seen:
            seen, changed = now, time.monotonic()
        grown = min(after - old for old, after in zip(before, now, strict=True))
        if grown >= wanted and time.monotonic() > changed + _QUIET_S:
            return changed - begin, now
        time.sleep(_TICK_S)
    raise PodwireError(f"{wanted} flows more are not on every bridge after {PROGRAM_S:.0f} s: {before} became {seen}")


def everywhere(watch: FlowWatch, text: str, begin: float, bridges: int) -> float:
    """Seconds from then until the last bridge had a new flow with this text. Raises PodwireError where one has none."""
    seen = watch.added(text, begin, _CHANGE_S)
    if len(seen) < bridges:
        raise PodwireError(f"a flow with {text} is on {len(seen)} of {bridges} bridges after {_CHANGE_S:g} s")
    return max(seen.values())
