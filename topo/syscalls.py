"""The system calls that namespaces need and Python before 3.12 does not have; each acts on the calling thread alone."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

NETNS = Path("/run/netns")
OWN = Path("/proc/thread-self/ns/net")
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MNT_DETACH = 2
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
SIOCETHTOOL = 0x8946
ETHTOOL_SET = {"tx": 0x17, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}  # offloads by the names of `ethtool -K`

# Every ICMP error is answered (a lab shows them), no packet is refused by where it came in, what a router says of small
# MTUs is believed, and no interface speaks IPv6 before it has an address: a bridge is not to be filled with
# solicitations.
SYSCTLS = {
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/route/min_pmtu": "68",
    "net/ipv6/conf/default/disable_ipv6": "1",
}
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
    with OWN.open("rb") as before, path(name).open("rb") as target:
        _call("setns", target.fileno(), CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", before.fileno(), CLONE_NEWNET)


def leave() -> None:
    """Moves the calling thread into a new network namespace, for good."""
    _call("unshare", CLONE_NEWNET)


def create_namespace(name: str, sysctls: Mapping[str, str]) -> None:
    """A new named namespace, loopback up; made in a thread of its own, so that the caller stays where it is.

    Raises FileExistsError.
    """

    def make() -> None:
        leave()
        write_sysctls(sysctls)
        set_up("lo")
        name_namespace(OWN, name)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(make).result()


def name_namespace(source: Path, name: str) -> None:
    """Binds a namespace to a name, as `ip netns` does. Raises FileExistsError."""
    NETNS.mkdir(parents=True, exist_ok=True)
    target = path(name)
    target.touch(exist_ok=False)
    try:
        _call("mount", os.fsencode(source), os.fsencode(target), b"none", MS_BIND, None)
    except OSError:
        target.unlink()
        raise


def unname_namespace(name: str) -> None:
    """Takes a name away; the namespace lives on while a process or socket of it does."""
    _call("umount2", os.fsencode(path(name)), MNT_DETACH)
    path(name).unlink()


def set_up(interface: str, up: bool = True) -> None:
    """Brings an interface of the thread's namespace up, or down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH22x", interface.encode(), 0)
        flags = struct.unpack_from("16xH", fcntl.ioctl(sock, SIOCGIFFLAGS, request))[0]
        wanted = flags | IFF_UP if up else flags & ~IFF_UP
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH22x", interface.encode(), wanted))


def set_offload(interface: str, feature: str, on: bool) -> None:
    """`ethtool -K INTERFACE FEATURE on|off` in the thread's namespace; the feature is tx, tso, gso or gro."""
    value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_SET[feature], on))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP16x", interface.encode(), ctypes.addressof(value)))


def index_of(interface: str) -> int:
    """An interface's number in the thread's namespace; 0 where there is none of this name."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0


def write_sysctls(values: Mapping[str, str]) -> None:
    """Writes settings below /proc/sys in the thread's namespace; those that this kernel does not have are left out."""
    for name, value in values.items():
        with contextlib.suppress(FileNotFoundError):
            Path("/proc/sys", name).write_text(value)


def _call(function: str, *arguments: object) -> None:
    if getattr(_libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
