"""Network namespaces, links and addresses, made with system calls and netlink: no process for any of them.

A thousand pods are a thousand namespaces, so each must cost little: about 4 ms, link and addresses included. A
namespace is entered by the calling thread alone (`inside`), which is left where it was. Netlink is spoken by pyroute2,
whose synchronous calls need a thread without a running event loop: from asyncio, use `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import fnmatch
import ipaddress
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.ethtool.ioctl import IoctlEthtool
from pyroute2.netlink.exceptions import NetlinkError

from k8sshim.errors import PodwireError

from .ports import NamespaceLink, PartlyDone
from .syscalls import (
    NETNS,
    SYSCTLS,
    create_namespace,
    index_of,
    inside,
    name_namespace,
    path,
    set_offload,
    set_up,
    unname_namespace,
    write_sysctls,
)

__all__ = [
    "SYSCTLS",
    "BareEnd",
    "BarePair",
    "LinuxNamespaces",
    "attach",
    "connect_pairs",
    "inside",
    "interfaces",
    "path",
    "set_offloads",
    "set_sysctls",
]

_ONLINK = 4  # RTNH_F_ONLINK: the gateway is there, though no route says so
_condemned = itertools.count(0x70000000)  # interface groups: links are deleted a group at a time


OFFLOADS = ("tso", "gso", "tx", "gro")
TCP_SEGMENTATION = "tx-tcp*-segmentation"


@dataclass(frozen=True, order=True)
class BareEnd:
    """An end of a link that a bridge takes up."""

    namespace: str | None  # None: the namespace that the calling process lives in
    interface: str


@dataclass(frozen=True)
class BarePair:
    """A veth pair between two bridges."""

    one: BareEnd
    other: BareEnd
    mtu: int  # bytes
    offload: bool = True


def attach(name: str, pid: int) -> None:
    """Gives the namespace that a process lives in a name. Raises FileExistsError."""
    name_namespace(Path(f"/proc/{pid}/ns/net"), name)


def set_loopback_up(name: str | None) -> None:
    """Brings a namespace's loopback up."""
    with inside(name):
        set_up("lo")


def set_sysctls(name: str | None, values: Mapping[str, str]) -> None:
    """Writes settings below /proc/sys in a namespace; those that this kernel does not have are left out."""
    with inside(name):
        write_sysctls(values)


def set_offloads(name: str | None, interface: str, features: Mapping[str, bool]) -> None:
    """Turns checksum (`tx`) and segmentation (`tso`, `gso`, `gro`) offloads of an interface on or off.

    What measures packet sizes wants them off in the pods, and a tunnel device beside a userspace bridge wants `tx` off.
    """
    with inside(name):
        for feature, on in features.items():
            set_offload(interface, feature, on)


def interfaces(namespace: str | None) -> dict[str, bool]:
    """Interface -> whether it is up, of a namespace."""
    with inside(namespace), IPRoute() as netlink:
        return {link.get_attr("IFLA_IFNAME"): bool(link["flags"] & 1) for link in netlink.get_links()}


class LinuxNamespaces:
    """`ports.Namespaces` by the kernel."""

    def names(self) -> frozenset[str]:
        return frozenset(entry.name for entry in NETNS.iterdir()) if NETNS.is_dir() else frozenset()

    def create(self, names: Sequence[str]) -> None:
        batch = _Batch()
        there = self.names()
        for name in names:
            with batch.item(name):
                if name not in there:
                    create_namespace(name, SYSCTLS)
        batch.close("namespaces")

    def delete(self, names: Sequence[str]) -> None:
        batch = _Batch()
        for name in self.names().intersection(names):
            with batch.item(name):
                unname_namespace(name)
        batch.close("namespaces")

    def connect(self, links: Sequence[NamespaceLink]) -> None:
        batch = _Batch()
        for namespace, group in _by_peer_namespace(links):
            with batch.items([link.peer for link in group]), inside(namespace), IPRoute() as netlink:
                for link in group:
                    with batch.item(link.peer):
                        _make(netlink, link)
        for link in links:
            if link.peer not in batch.failed:
                with batch.item(link.peer), inside(link.namespace), IPRoute() as netlink:
                    _configure(netlink, link)
        batch.close("links")

    def disconnect(self, links: Sequence[NamespaceLink]) -> None:
        """A group of interfaces at a time: one by one, each would wait out a grace period of the kernel."""
        batch = _Batch()
        for namespace, group in _by_peer_namespace(links):
            peers = [link.peer for link in group]
            with batch.items(peers), contextlib.suppress(FileNotFoundError), inside(namespace), IPRoute() as netlink:
                _delete(netlink, peers)
        batch.close("links")


def connect_pairs(pairs: Sequence[BarePair]) -> None:
    """Bare veth pairs between bridges, both ends up. Raises PartlyDone, naming pairs by their first interface."""
    batch = _Batch()
    for pair in pairs:
        one, other = pair.one, pair.other
        with batch.item(one.interface):
            with inside(one.namespace), IPRoute() as netlink:
                _add_pair(netlink, one.interface, _peer(other.interface, pair.mtu), other.namespace)
                _offload(one.interface, pair.offload)
            with inside(other.namespace):
                set_up(other.interface)
                _offload(other.interface, pair.offload)
    batch.close("links")


def _offload(interface: str, wanted: bool) -> None:
    """Interfaces are made with every offload; of the thread's namespace."""
    if wanted:
        return
    for feature in OFFLOADS:
        set_offload(interface, feature, on=False)
    _never_segment(interface)


def _never_segment(interface: str) -> None:
    """Kinds of TCP segmentation that `tso` does not stand for in newer kernels."""
    control = IoctlEthtool(interface)
    features = control.get_features()
    for name in fnmatch.filter(features.keys(), TCP_SEGMENTATION):
        features[name] = False
    control.set_features(features)
    control.close()


class _Batch:
    """Collects what fails, so that it does not keep the rest of a batch back."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}

    def item(self, name: str) -> contextlib.AbstractContextManager[None]:
        return self.items([name])

    @contextlib.contextmanager
    def items(self, names: Sequence[str]) -> Iterator[None]:
        try:
            yield
        except (OSError, NetlinkError, PodwireError) as error:
            reason = " ".join(str(error).split())
            self.failed.update({name: reason for name in names if name not in self.failed})

    def close(self, what: str) -> None:
        if self.failed:
            raise PartlyDone(what, self.failed)


def _by_peer_namespace(links: Sequence[NamespaceLink]) -> list[tuple[str | None, list[NamespaceLink]]]:
    ordered = sorted(links, key=lambda link: link.peer_namespace or "")
    return [(namespace, list(group)) for namespace, group in groupby(ordered, key=lambda link: link.peer_namespace)]


def _make(netlink: IPRoute, link: NamespaceLink) -> None:
    """The pair, in the peer's namespace; of one that exists the peer is set anew."""
    index = index_of(link.peer)
    if index:
        netlink.link("set", index=index, mtu=link.mtu, state="up")
    else:
        _add_pair(netlink, link.peer, _peer(link.interface, link.mtu) | {"address": link.mac}, link.namespace)
    _offload(link.peer, link.offload)


def _peer(interface: str, mtu: int) -> dict[str, object]:
    return {"ifname": interface, "mtu": mtu}


def _add_pair(netlink: IPRoute, interface: str, peer: dict[str, object], peer_namespace: str | None) -> None:
    """A veth pair whose ends are made where they belong, with the peer's MTU; the near one is up."""
    namespace = path(peer_namespace) if peer_namespace else Path("/proc/self/ns/net")
    with namespace.open("rb") as target:
        end = peer | {"net_ns_fd": target.fileno()}
        netlink.link("add", ifname=interface, kind="veth", mtu=peer["mtu"], state="up", peer=end)


def _configure(netlink: IPRoute, link: NamespaceLink) -> None:
    index = index_of(link.interface)
    if not index:
        raise PodwireError(f"{link.namespace} has no {link.interface}")
    _offload(link.interface, link.offload)
    if any(":" in one for one in link.addresses):
        write_sysctls({f"net/ipv6/conf/{link.interface}/disable_ipv6": "0"})
    netlink.link("set", index=index, address=link.mac, mtu=link.mtu, state="up")
    for text in link.addresses:
        one = ipaddress.ip_interface(text)
        netlink.addr("replace", index=index, address=str(one.ip), prefixlen=one.network.prefixlen)
    for gateway in link.gateways:
        everything = "::/0" if ":" in gateway else "0.0.0.0/0"
        netlink.route("replace", dst=everything, gateway=gateway, oif=index, flags=_ONLINK)


def _delete(netlink: IPRoute, interfaces: Sequence[str]) -> None:
    group = next(_condemned)
    indices = [index for interface in interfaces if (index := index_of(interface))]
    for index in indices:
        netlink.link("set", index=index, group=group)
    if indices:
        netlink.link("del", group=group)
