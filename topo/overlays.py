"""The devices of the overlay, each made in its node's namespace, where its outer packets are then sent and taken.

A VXLAN device is moved out and becomes a port of the node bridge. In other modes there is a hop beside each node: a
namespace that routes between a veth to the bridge and the tunnels, which are moved there. So all of them, tunnels of
frames (Geneve, GRE) and of packets (IPIP, WireGuard), are attached in one way, and the node's own addresses stay apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyroute2 import IPRoute

from .netns import OFFLOADS, LinuxNamespaces, inside, path
from .plan import Plan, PlannedNode
from .ports import NamespaceLink
from .syscalls import OWN, index_of, set_offload, write_sysctls
from .wireguard import Keys, configure

VXLAN_PORT, NETWORK_ID = 4789, 1
GRE_KEY = 0x2000  # flag: packets carry a key
ONLINK, PERMANENT = 4, 128  # RTNH_F_ONLINK; NUD_PERMANENT
INNER = "ov0"  # the hop's end of its link to the bridge
Device = dict[str, Any]  # what netlink is told of it


def build(plan: Plan, *, userspace: bool) -> None:
    """Makes the devices, and the interfaces that are to be ports of node bridges. Raises NetlinkError, PartlyDone."""
    if plan.overlay is None:
        return
    if plan.has_hops:
        _build_hops(plan)
    for node in plan.nodes if not plan.has_hops else ():
        _add_vxlan(plan, node, plan.overlay.mtu, userspace=userspace)


def _add_vxlan(plan: Plan, node: PlannedNode, mtu: int, *, userspace: bool) -> None:
    name, target = node.overlay_port.interface, plan.group_of[node.bridge.name].namespace
    device = {
        "kind": "vxlan", "vxlan_id": NETWORK_ID, "vxlan_local": str(node.addresses[0]), "vxlan_port": VXLAN_PORT,
        "vxlan_learning": 0,
    }  # fmt: skip
    _make_and_move(node.namespace, name, device, target)
    with inside(target), IPRoute() as netlink:
        index = index_of(name)
        netlink.link("set", index=index, mtu=mtu, state="up")
        # The userspace datapath passes on checksums that are not finished, and no tunnel finishes them.
        for feature in OFFLOADS if not plan.spec.offload else ("tx",) if userspace else ():
            set_offload(name, feature, on=False)
        for peer in _peers(plan, node):
            netlink.fdb("append", ifindex=index, lladdr=peer.bridge.mac, dst=str(peer.addresses[0]))


def _build_hops(plan: Plan) -> None:
    namespaces = LinuxNamespaces()
    namespaces.create([node.hop for node in plan.nodes])
    namespaces.connect([_link(plan, node) for node in plan.nodes])
    keys = Keys.generate([node.name for node in plan.nodes])
    for node in plan.nodes:
        tunnels = dict(DEVICES[plan.spec.network.mode](plan, node))
        for name, device in tunnels.items():
            _make_and_move(node.namespace, name, device, node.hop)
        with inside(node.hop), IPRoute() as netlink:
            write_sysctls({"net/ipv4/ip_forward": "1"})
            _route_to_bridge(netlink, node)
            for name, device in tunnels.items():
                if device["kind"] == "wireguard":
                    configure(name, node, _peers(plan, node), keys)
                _set_up(netlink, name, node, plan)
            for place, peer in enumerate(_peers(plan, node)):
                _route_to_peer(netlink, index_of(list(tunnels)[place % len(tunnels)]), peer, plan.spec.network.mode)


def _link(plan: Plan, node: PlannedNode) -> NamespaceLink:
    return NamespaceLink(
        namespace=node.hop,
        interface=INNER,
        mac=node.hop_mac,
        addresses=tuple(f"{gateway}/{gateway.max_prefixlen}" for gateway in node.pod_gateways),
        gateways=(),
        mtu=plan.overlay.mtu if plan.overlay else plan.spec.mtu,
        peer=node.overlay_port.interface,
        peer_namespace=plan.group_of[node.bridge.name].namespace,
        offload=plan.spec.offload,
    )


def _peers(plan: Plan, node: PlannedNode) -> list[PlannedNode]:
    return [peer for peer in plan.nodes if peer != node]


def _geneve(plan: Plan, node: PlannedNode) -> Iterator[tuple[str, Device]]:
    for peer in _peers(plan, node):
        yield _name(peer), {"kind": "geneve", "geneve_id": NETWORK_ID, "geneve_remote": str(peer.addresses[0])}


def _gre(plan: Plan, node: PlannedNode) -> Iterator[tuple[str, Device]]:
    keyed = {"gre_iflags": GRE_KEY, "gre_oflags": GRE_KEY, "gre_ikey": NETWORK_ID, "gre_okey": NETWORK_ID}
    for peer in _peers(plan, node):
        ends = {"gre_local": str(node.addresses[0]), "gre_remote": str(peer.addresses[0])}
        yield _name(peer), {"kind": "gretap", **ends, **keyed}


def _ipip(_: Plan, node: PlannedNode) -> Iterator[tuple[str, Device]]:
    yield "tunnel", {"kind": "ipip", "ipip_local": str(node.addresses[0])}


def _wireguard(_: Plan, node: PlannedNode) -> Iterator[tuple[str, Device]]:
    yield "tunnel", {"kind": "wireguard"}


DEVICES: dict[str, Callable[[Plan, PlannedNode], Iterable[tuple[str, Device]]]] = {
    "geneve": _geneve,
    "gre": _gre,
    "ipip": _ipip,
    "wireguard": _wireguard,
}
FRAMED = ("geneve", "gre")  # modes whose tunnels carry Ethernet frames, one tunnel a peer


def _name(peer: PlannedNode) -> str:
    return f"tunnel{peer.index}"


def _make_and_move(namespace: str, name: str, device: Device, target: str | None) -> None:
    """A device keeps the sockets and routes of the namespace that it was made in."""
    with (path(target) if target else OWN).open("rb") as there, inside(namespace), IPRoute() as netlink:
        netlink.link("add", ifname=name, **device)
        netlink.link("set", index=index_of(name), net_ns_fd=there.fileno())


def _set_up(netlink: IPRoute, name: str, node: PlannedNode, plan: Plan) -> None:
    framed = {"address": node.hop_mac} if plan.spec.network.mode in FRAMED else {}
    netlink.link("set", index=index_of(name), mtu=plan.overlay.mtu if plan.overlay else 0, state="up", **framed)


def _route_to_bridge(netlink: IPRoute, node: PlannedNode) -> None:
    index = index_of(INNER)
    for gateway in node.gateways:
        netlink.neigh("replace", dst=str(gateway), lladdr=node.bridge.mac, ifindex=index, state=PERMANENT)
        netlink.route("replace", dst="0.0.0.0/0", gateway=str(gateway), oif=index, flags=ONLINK)


def _route_to_peer(netlink: IPRoute, index: int, peer: PlannedNode, mode: str) -> None:
    """The gateway is the node at the other end: IPIP sends there, and frames go to its hop."""
    for address in peer.addresses:
        if mode in FRAMED:
            netlink.neigh("replace", dst=str(address), lladdr=peer.hop_mac, ifindex=index, state=PERMANENT)
        for to in (*peer.pod_cidrs, *peer.addresses):
            netlink.route("replace", dst=str(to), gateway=str(address), oif=index, flags=ONLINK)
