"""Namespaces of the peer: a Linux router between the same kind of ends as pods are, in the lab's sandbox.

The router's netfilter does what a node's would. Peers differ in the rules alone that are loaded into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from experiments.inside import Sandbox

POD_NETWORK = "198.18.0.0/16"
ROUTER = "peer-router"
LOAD_S = 120.0


def build(sandbox: Sandbox, names: Sequence[str], mtu: int, undo: ExitStack) -> list[str]:
    """The router and a namespace for each name, until the stack is undone; the addresses, in their order."""
    for name in (ROUTER, *names):
        sandbox.must(["ip", "netns", "add", name])
        undo.callback(sandbox.run, ["ip", "netns", "delete", name])
    for number, name in enumerate(names):
        gateway, address = f"198.18.{number}.1", f"198.18.{number}.2"
        router = [
            f"link add eth{number} type veth peer name eth0 netns {name}",
            f"addr add {gateway}/24 dev eth{number}",
            f"link set eth{number} mtu {mtu} up",
        ]
        _batch(sandbox, ROUTER, router)
        own = [f"addr add {address}/24 dev eth0", f"link set eth0 mtu {mtu} up", "link set lo up"]
        _batch(sandbox, name, [*own, f"route add default via {gateway}"])
    sandbox.must(["sysctl", "-qw", "net.ipv4.ip_forward=1"], netns=ROUTER)
    return [f"198.18.{number}.2" for number in range(len(names))]


def load(sandbox: Sandbox, argv: Sequence[str], text: str) -> None:
    """Have a program of netfilter's read rules in the router. Raises PodwireError with what it says."""
    sandbox.must(argv, netns=ROUTER, stdin=text, timeout_s=LOAD_S)


def _batch(sandbox: Sandbox, netns: str, lines: Sequence[str]) -> None:
    sandbox.must(["ip", "-batch", "-"], netns=netns, stdin="\n".join(lines) + "\n")
