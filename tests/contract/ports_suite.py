"""What any implementation of `topo.ports` does.

A test module that has the fixtures `namespaces`, `bridges` and `bridge` (a bridge's name) inherits the classes here.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from topo.ports import BridgePort, Bridges, NamespaceLink, Namespaces, PartlyDone


def link(number: int, peer_namespace: str | None = None) -> NamespaceLink:
    return NamespaceLink(
        namespace=f"pod-{number}",
        interface="eth0",
        mac=f"0a:58:0a:f4:01:{number:02x}",
        addresses=(f"10.244.1.{number}/24",),
        gateways=("10.244.1.1",),
        mtu=1400,
        peer=f"podwire-{number}",
        peer_namespace=peer_namespace,
    )


LINKS = [link(number) for number in (2, 3, 4)]
NAMES = [one.namespace for one in LINKS]


class NamespacesSuite:
    """Namespaces and links."""

    def test_created_and_deleted(self, namespaces: Namespaces) -> None:
        before = namespaces.names()
        namespaces.create(NAMES)
        assert namespaces.names() == before | set(NAMES)
        namespaces.delete(NAMES[:2])
        assert namespaces.names() == before | set(NAMES[2:])

    def test_creating_again_changes_nothing(self, namespaces: Namespaces) -> None:
        namespaces.create(NAMES[:1])
        namespaces.connect(LINKS[:1])
        namespaces.create(NAMES)
        namespaces.connect(LINKS)
        assert set(NAMES) <= namespaces.names()

    def test_deleting_what_is_absent_is_no_error(self, namespaces: Namespaces) -> None:
        namespaces.delete(["pod-nowhere"])
        namespaces.disconnect(LINKS)
        namespaces.disconnect([link(5, "pod-nowhere")])

    def test_connecting_again_is_no_error(self, namespaces: Namespaces) -> None:
        namespaces.create(NAMES)
        namespaces.connect(LINKS)
        namespaces.connect([replace(one, mtu=1300) for one in LINKS])

    def test_one_that_fails_does_not_keep_the_others_back(
        self, namespaces: Namespaces, bridges: Bridges, bridge: str
    ) -> None:
        namespaces.create(NAMES[:2])
        with pytest.raises(PartlyDone) as raised:
            namespaces.connect([LINKS[2], *LINKS[:2]])
        assert set(raised.value.failed) == {LINKS[2].peer}
        ports = [BridgePort(bridge, one.peer, 16 + index) for index, one in enumerate(LINKS[:2])]
        bridges.add_ports(ports)
        assert len(bridges.ports(bridge)) == 2


class BridgesSuite:
    """Ports of a bridge."""

    @pytest.fixture
    def ports(self, namespaces: Namespaces, bridge: str) -> list[BridgePort]:
        namespaces.create(NAMES)
        namespaces.connect(LINKS)
        return [BridgePort(bridge, one.peer, 18 + index) for index, one in enumerate(LINKS)]

    def test_added_with_their_numbers(self, bridges: Bridges, bridge: str, ports: list[BridgePort]) -> None:
        bridges.add_ports(ports)
        assert bridges.ports(bridge) == {port.interface: port.number for port in ports}

    def test_adding_again_changes_nothing(self, bridges: Bridges, bridge: str, ports: list[BridgePort]) -> None:
        bridges.add_ports(ports[:2])
        bridges.add_ports(ports)
        assert bridges.ports(bridge) == {port.interface: port.number for port in ports}

    def test_deleted(self, bridges: Bridges, bridge: str, ports: list[BridgePort]) -> None:
        bridges.add_ports(ports)
        bridges.delete_ports(ports[:1])
        bridges.delete_ports(ports[:2])
        assert bridges.ports(bridge) == {ports[2].interface: ports[2].number}

    def test_a_port_without_an_interface(self, bridges: Bridges, bridge: str, ports: list[BridgePort]) -> None:
        with pytest.raises(PartlyDone) as raised:
            bridges.add_ports([BridgePort(bridge, "podwire-none", 40), *ports])
        assert set(raised.value.failed) == {"podwire-none"}
        assert "No such device" in raised.value.failed["podwire-none"]
        assert bridges.ports(bridge) == {port.interface: port.number for port in ports}

    def test_a_number_that_is_taken(self, bridges: Bridges, bridge: str, ports: list[BridgePort]) -> None:
        bridges.add_ports(ports[:1])
        with pytest.raises(PartlyDone) as raised:
            bridges.add_ports([replace(ports[1], number=ports[0].number), ports[2]])
        assert set(raised.value.failed) == {ports[1].interface}
        assert f"not {ports[0].number}" in raised.value.failed[ports[1].interface]
        assert bridges.ports(bridge) == {port.interface: port.number for port in (ports[0], ports[2])}
