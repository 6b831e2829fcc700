"""Network namespaces, links and addresses, made with system calls and netlink: no process for any of them.

A thousand pods are a thousand namespaces, so each must cost little (about 3 ms, link and addresses included). A namespace is
entered by the calling thread alone (`inside`), which is left where it was; netlink is spoken by pyroute2, whose synchronous
calls need a thread without a running event loop: from asyncio, use `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from k8sshim.errors import PodwireError

from .ports import NamespaceLink, PartlyDone

NETNS = Path("/run/netns")
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MNT_DETACH = 2
OWN = Path("/proc/thread-self/ns/net")
# Every namespace answers every error at once (ICMP errors are part of what a lab shows) and takes packets as they come.
SYSCTLS = {
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv6/conf/default/disable_ipv6": "1",  # until a link has an IPv6 address: no solicitations into the bridges
}

Item = TypeVar("Item")
_libc = ctypes.CDLL(None, use_errno=True)


def path(name: str) -> Path:
    """Where a named namespace is."""
    return NETNS / name


@contextlib.contextmanager
def inside(name: str | None) -> Iterator[None]:
    """The calling thread lives in this namespace until the end of the block; None: it stays where it is.

    Sockets made in the block belong to the namespace for good. Do not await in the block. Raises FileNotFoundError.
    """
    if name is None:
        yield
        return
    with open(OWN, "rb") as before, open(path(name), "rb") as target:
        _call("setns", target.fileno(), CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", before.fileno(), CLONE_NEWNET)


def attach(name: str, pid: int) -> None:
    """Gives the namespace that a process lives in a name."""
    _bind(Path(f"/proc/{pid}/ns/net"), name)


def set_sysctls(name: str | None, values: Mapping[str, str]) -> None:
    """Writes settings below /proc/sys; those that this kernel does not have are left out."""
    with inside(name):
        _write_sysctls(values)


class LinuxNamespaces:
    """`ports.Namespaces` by the kernel."""

    def names(self) -> frozenset[str]:
        return frozenset(entry.name for entry in NETNS.iterdir()) if NETNS.is_dir() else frozenset()

    def create(self, names: Sequence[str]) -> None:
        NETNS.mkdir(parents=True, exist_ok=True)
        there = self.names()
        _each("namespaces", [name for name in names if name not in there], str, _create)

    def delete(self, names: Sequence[str]) -> None:
        there = self.names()
        _each("namespaces", [name for name in names if name in there], str, _delete)

    def connect(self, links: Sequence[NamespaceLink]) -> None:
        _each("links", links, lambda link: link.peer, _connect)

    def disconnect(self, links: Sequence[NamespaceLink]) -> None:
        _each("links", links, lambda link: link.peer, lambda link: delete_link(link.peer, link.peer_namespace))


def connect_pair(one: tuple[str, str | None], other: tuple[str, str | None], mtu: int) -> None:
    """A bare veth pair for two bridges to take up: each end an interface's name and its namespace's (None: this one)."""
    _pair(one, other, "", mtu)
    for interface, namespace in (one, other):
        with inside(namespace), IPRoute() as netlink:
            _bare(netlink, interface, mtu)


def delete_link(interface: str, namespace: str | None) -> None:
    """Deletes a link by one of its ends; an absent one is no error."""
    with contextlib.suppress(FileNotFoundError), inside(namespace), IPRoute() as netlink:
        index = _index(interface)
        if index:
            netlink.link("del", index=index)


def interfaces(namespace: str | None) -> dict[str, bool]:
    """Interface -> whether it is up, of a namespace."""
    with inside(namespace), IPRoute() as netlink:
        return {link.get_attr("IFLA_IFNAME"): bool(link["flags"] & 1) for link in netlink.get_links()}


def _create(name: str) -> None:
    """A new namespace, in a thread of its own: it keeps the new one until it ends, and its caller the old one."""
    failed: list[Exception] = []

    def make() -> None:
        try:
            _call("unshare", CLONE_NEWNET)
            _write_sysctls(SYSCTLS)
            with IPRoute() as netlink:
                netlink.link("set", index=1, state="up")
            _bind(OWN, name)
        except (OSError, NetlinkError) as error:
            failed.append(error)

    thread = threading.Thread(target=make, name=f"netns-{name}")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def _delete(name: str) -> None:
    _call("umount2", os.fsencode(path(name)), MNT_DETACH)
    path(name).unlink()


def _bind(source: Path, name: str) -> None:
    """Binds a namespace to a name, as `ip netns` does."""
    NETNS.mkdir(parents=True, exist_ok=True)
    target = path(name)
    target.touch(exist_ok=False)
    try:
        _call("mount", os.fsencode(source), os.fsencode(target), b"none", MS_BIND, None)
    except OSError:
        target.unlink()
        raise


def _connect(link: NamespaceLink) -> None:
    with inside(link.peer_namespace):
        there = bool(_index(link.peer))
    if not there:
        _pair((link.peer, link.peer_namespace), (link.interface, link.namespace), link.mac, link.mtu)
    with inside(link.peer_namespace), IPRoute() as netlink:
        _bare(netlink, link.peer, link.mtu)
    with inside(link.namespace), IPRoute() as netlink:
        _configure(netlink, link)


def _pair(one: tuple[str, str | None], other: tuple[str, str | None], mac: str, mtu: int) -> None:
    """A veth pair, each end made where it belongs; the MAC is the other's."""
    with inside(one[1]), open(path(other[1]) if other[1] else OWN, "rb") as target, IPRoute() as netlink:
        peer: dict[str, object] = {"ifname": other[0], "mtu": mtu, "net_ns_fd": target.fileno()}
        netlink.link("add", ifname=one[0], kind="veth", mtu=mtu, peer=peer | ({"address": mac} if mac else {}))


def _bare(netlink: IPRoute, interface: str, mtu: int) -> None:
    """An end that a bridge takes up: up, and silent."""
    _write_sysctls({f"net/ipv6/conf/{interface}/disable_ipv6": "1"})
    netlink.link("set", index=_index(interface), mtu=mtu, state="up")


def _configure(netlink: IPRoute, link: NamespaceLink) -> None:
    index = _index(link.interface)
    if not index:
        raise PodwireError(f"{link.namespace} has no {link.interface}")
    six = any(":" in one for one in link.addresses)
    _write_sysctls({f"net/ipv6/conf/{link.interface}/disable_ipv6": "0" if six else "1"})
    netlink.link("set", index=index, address=link.mac, mtu=link.mtu, state="up")
    for text in link.addresses:
        one = ipaddress.ip_interface(text)
        netlink.addr("replace", index=index, address=str(one.ip), prefixlen=one.network.prefixlen)
    for gateway in link.gateways:
        everything = "::/0" if ":" in gateway else "0.0.0.0/0"
        netlink.route("replace", dst=everything, gateway=gateway, oif=index)


def _index(interface: str) -> int:
    """An interface's number in the thread's namespace; 0 where it is not."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0


def _write_sysctls(values: Mapping[str, str]) -> None:
    for name, value in values.items():
        with contextlib.suppress(FileNotFoundError):
            Path("/proc/sys", name).write_text(value)


def _call(function: str, *arguments: object) -> None:
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _each(what: str, items: Sequence[Item], name: Callable[[Item], str], act: Callable[[Item], None]) -> None:
    """Acts on every item; what fails does not keep the others back."""
    failed: dict[str, str] = {}
    for item in items:
        try:
            act(item)
        except (OSError, NetlinkError, PodwireError) as error:
            failed[name(item)] = " ".join(str(error).split())
    if failed:
        raise PartlyDone(what, failed)
