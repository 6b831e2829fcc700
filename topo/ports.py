"""What the node agent asks of the machine, as protocols: namespaces with their links, and ports of bridges.

`topo.netns` and `topo.ovs` implement them with the kernel and Open vSwitch; `tests/contract` runs one suite against
those and against fakes. Every method takes a batch, because a batch costs hardly more than one (one netlink
conversation, one Open vSwitch transaction), and is idempotent, because an agent that was restarted does its work again.
All block; each may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from k8sshim.errors import PodwireError


@dataclass(frozen=True)
class NamespaceLink:
    """A veth pair: one end, with addresses and routes, in a namespace; the other, bare, for a bridge to take up."""

    namespace: str  # a name, "pod-UID" or "node-NAME"
    interface: str  # the end in there: "eth0"
    mac: str
    addresses: tuple[str, ...]  # with prefix length, one an address family: "10.244.1.2/24"
    gateways: tuple[str, ...]  # default routes, at most one an address family
    mtu: int  # bytes; holds for both ends
    peer: str  # the other end's name, at most 15 bytes
    peer_namespace: str | None  # the name of its namespace; None: the namespace that the calling process lives in
    offload: bool = True  # whether checksums and segments are left to the devices, of both ends


@dataclass(frozen=True)
class BridgePort:
    """A port that a bridge is to have."""

    bridge: str
    interface: str  # as it is called in the namespace of the bridge's ovs-vswitchd
    number: int  # OpenFlow port number


@dataclass(frozen=True, order=True)
class OwnPorts:
    """Ports of one of a node's own addresses, and the way that its own traffic takes to them."""

    address: str
    protocol: str  # TCP, UDP or SCTP
    first: int
    last: int
    kept: bool = False  # on loopback, as the kernel has it, though others around it are reached by the bridge


class PartlyDone(PodwireError):
    """Some of a batch failed; the rest of it is done."""

    def __init__(self, what: str, failed: Mapping[str, str]) -> None:
        self.failed = dict(failed)  # name of the namespace or interface -> the reason, one line
        super().__init__(f"{what}: " + "; ".join(f"{name}: {reason}" for name, reason in sorted(self.failed.items())))


class Namespaces(Protocol):
    """Named network namespaces, in /run/netns. All methods raise PartlyDone."""

    def names(self) -> frozenset[str]:
        """The names of all that are there."""

    def create(self, names: Sequence[str]) -> None:
        """Makes each, with loopback up; one that exists is left as it is."""

    def delete(self, names: Sequence[str]) -> None:
        """Takes the names away; a namespace dies with its last process or socket. Absent ones are no error."""

    def connect(self, links: Sequence[NamespaceLink]) -> None:
        """Makes each link, both ends up; of one that exists, addresses, routes, MAC and MTU are set anew.

        `failed` of PartlyDone names links by their peer's name.
        """

    def disconnect(self, links: Sequence[NamespaceLink]) -> None:
        """Deletes each link by its peer's end; absent ones are no error. Take the port off its bridge first."""


class Bridges(Protocol):
    """Ports of the cluster's bridges, whichever ovs-vswitchd carries them. All methods raise PartlyDone."""

    def ports(self, bridge: str) -> dict[str, int]:
        """Interface name -> OpenFlow port number of what the bridge has, uplinks and the node's own port among them."""

    def add_ports(self, ports: Sequence[BridgePort]) -> None:
        """Adds each with exactly this port number; returns when the switch forwards by it. One that is there stays.

        `failed` of PartlyDone names ports by their interface; such a port has been taken away again.
        """

    def delete_ports(self, ports: Sequence[BridgePort]) -> None:
        """Takes each off its bridge; absent ones are no error."""
