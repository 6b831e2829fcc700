"""The peer of Services: a Linux router with the rules that kube-proxy would write, loaded by its own programs."""

from __future__ import annotations

from contextlib import ExitStack

from experiments.inside import Sandbox
from experiments.scaling import iptables, nftables, router
from experiments.scaling.parameters import IPTABLES, NFTABLES, Scaling
from experiments.scaling.places import Place
from experiments.scaling.router import POD_NETWORK
from experiments.scaling.services import Endpoint, VirtualService, services

PROGRAMS = {IPTABLES: "iptables-restore", NFTABLES: "nft"}
SERVICE_NETWORK = "10.96.0.0/16"
CLIENT = "peer-client"


def build(sandbox: Sandbox, servers: int, mtu: int, undo: ExitStack) -> Place:
    """A client and servers around a router, until the stack is undone."""
    names = tuple(f"peer-server-{number}" for number in range(1, servers + 1))
    _, *addresses = router.build(sandbox, (CLIENT, *names), mtu, undo)
    return Place(sandbox, CLIENT, tuple(map(Endpoint, names, addresses)), names)


class Peer:
    """The router with the rules of one of kube-proxy's modes; one mode at a time."""

    def __init__(self, name: str, given: Scaling, place: Place) -> None:
        self.name, self.place = name, place
        self._given = given
        self._made: list[VirtualService] = []
        self._entries = 0

    def load(self, size: int) -> list[VirtualService]:
        self._made = services(size, self._given.endpoints, self.place.servers[:-1], SERVICE_NETWORK)
        if self.name == IPTABLES:
            text = iptables.whole(self._made, POD_NETWORK)
            self._entries = iptables.count(text)
            self._run(["iptables-restore"], text)
        else:
            text = nftables.whole(self._made, POD_NETWORK)
            self._entries = nftables.count(text)
            self._run(["nft", "-f", "-"], text)
        return self._made

    def clear(self) -> None:
        """No rules any more; connections that were translated are forgotten with their namespaces."""
        if self.name == IPTABLES:
            self._run(["iptables-restore"], "*nat\nCOMMIT\n*filter\nCOMMIT\n")
        else:
            self._run(["nft", "-f", "-"], f"delete table {nftables.TABLE}\n")
        self._made = []

    def write(self, new: VirtualService) -> None:
        old = self._made[new.number]
        if self.name == IPTABLES:
            self._run(["iptables-restore", "--noflush"], iptables.change(self._made, old, new, POD_NETWORK))
        else:
            self._run(["nft", "-f", "-"], nftables.change(old, new, POD_NETWORK))
        self._made[new.number] = new

    def entries(self) -> int:
        return self._entries

    def memory_mib(self) -> tuple[tuple[str, float], ...]:
        return ()

    def _run(self, argv: list[str], text: str) -> None:
        router.load(self.place.sandbox, argv, text)
