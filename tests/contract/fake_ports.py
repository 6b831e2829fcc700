"""Namespaces and bridges that exist in memory alone: they obey the protocols of `topo.ports` as the real ones do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from topo.ports import BridgePort, NamespaceLink, PartlyDone


@dataclass
class FakeNamespaces:
    """Named namespaces and the links between them."""

    links: dict[str, NamespaceLink] = field(default_factory=dict)  # peer's name -> link
    _names: set[str] = field(default_factory=set)

    def names(self) -> frozenset[str]:
        return frozenset(self._names)

    def create(self, names: Sequence[str]) -> None:
        self._names.update(names)

    def delete(self, names: Sequence[str]) -> None:
        self._names.difference_update(names)
        self.links = {peer: link for peer, link in self.links.items() if not _ends(link) & set(names)}

    def connect(self, links: Sequence[NamespaceLink]) -> None:
        failed = {}
        for link in links:
            if _ends(link) <= self._names:
                self.links[link.peer] = link
            else:
                failed[link.peer] = "No such file or directory"
        if failed:
            raise PartlyDone("links", failed)

    def disconnect(self, links: Sequence[NamespaceLink]) -> None:
        for link in links:
            self.links.pop(link.peer, None)


@dataclass
class FakeBridges:
    """Bridges that take up the peers' ends of a FakeNamespaces' links."""

    namespaces: FakeNamespaces
    bridges: dict[str, dict[str, int]]  # bridge -> interface -> port number

    def ports(self, bridge: str) -> dict[str, int]:
        return dict(self.bridges[bridge])

    def add_ports(self, ports: Sequence[BridgePort]) -> None:
        failed = {port.interface: reason for port in ports if (reason := self._add(port))}
        if failed:
            raise PartlyDone("ports", failed)

    def delete_ports(self, ports: Sequence[BridgePort]) -> None:
        for port in ports:
            self.bridges[port.bridge].pop(port.interface, None)

    def _add(self, port: BridgePort) -> str:
        there = self.bridges[port.bridge]
        if port.interface not in self.namespaces.links:
            return f"could not open network device {port.interface} (No such device)"
        if port.number in (number for name, number in there.items() if name != port.interface):
            return f"Open vSwitch gave it another port of {port.bridge}, not {port.number}"
        there[port.interface] = port.number
        return ""


def _ends(link: NamespaceLink) -> set[str]:
    return {name for name in (link.namespace, link.peer_namespace) if name}
