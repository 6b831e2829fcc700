"""Address management: which address of its node's podCIDR a pod gets, and with it its MAC and its OpenFlow port.

The promises, and how they are kept:

- Network address, first address (the pods' gateway) and broadcast address are never given out.
- No address is given out twice: the offsets in use come in as an argument, read from the pods that hold them.
- No address is used again at once: a node's addresses go out in a ring. The search for a free one starts behind the
  last that was given out and wraps round at the end, so a released address comes up again only when every other has
  had its turn. A connection, an ARP entry or a conntrack entry of the pod that died so never meets the address's next
  owner by chance.
- The ring survives a restart: each Node's annotation `podwire.dev/last-address` names an address up to which the
  ring may have been gone. It is written *before* the pods that get the addresses are, and a little ahead (1/32 of the
  range), so that it need not be written for every pod. Who starts anew goes on behind it: that skips a few addresses,
  and uses none again early.

An offset counts from the podCIDR's network address, and is the same in every address family of the node. Pure.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network

from k8sshim.objects import GROUP, PodNetwork

LAST_ADDRESS_ANNOTATION = f"{GROUP}/last-address"
FIRST_POD_PORT = 16  # 1 is the node's own namespace, 2 to 15 are uplinks
MAX_PORT = 0xFEFF  # the highest OpenFlow port that Open vSwitch gives an interface
GATEWAY_OFFSET = 1
_AHEAD = 32


@dataclass(frozen=True)
class Range:
    """The addresses that a node may give to pods. `first` > `last` where its podCIDR has none."""

    cidrs: tuple[str, ...]  # one an address family, the primary first
    first: int
    last: int

    @classmethod
    def of(cls, cidrs: Sequence[str]) -> Range:
        """The range of a node's podCIDRs. Raises ValueError where one is no network."""
        sizes = [_usable(cidr) for cidr in cidrs]
        return cls(tuple(cidrs), GATEWAY_OFFSET + 1, min([*sizes, MAX_PORT - FIRST_POD_PORT]) if sizes else 0)

    def next_offset(self, last: int, used: Container[int]) -> int | None:
        """The offset behind `last` in the ring that is not in use; None where all are."""
        start = last + 1 if self.first <= last < self.last else self.first
        for candidates in (range(start, self.last + 1), range(self.first, start)):
            for offset in candidates:
                if offset not in used:
                    return offset
        return None

    @property
    def size(self) -> int:
        return max(self.last - self.first + 1, 0)

    def mark(self, offset: int) -> int:
        """The offset to remember when `offset` is given out: a little further on in the ring."""
        return self.first + (offset - self.first + self.size // _AHEAD) % self.size

    def covers(self, mark: int, offset: int) -> bool:
        """Whether a remembered mark still stands when `offset` is given out."""
        return self.first <= mark <= self.last and (mark - offset) % self.size <= self.size // _AHEAD

    def network(self, offset: int) -> PodNetwork:
        """A pod's place in the network at that offset."""
        addresses = tuple(str(ip_network(cidr)[offset]) for cidr in self.cidrs)
        return PodNetwork(addresses, mac_of(addresses[0]), FIRST_POD_PORT + offset)

    def offset_of(self, network: PodNetwork | None) -> int | None:
        """The offset that this range gave out as `network`; None where it never gives that out.

        Annotations can be written by anybody, so a place in the network counts only if it is one of this range, to
        the letter.
        """
        offset = network.port - FIRST_POD_PORT if network else 0
        valid = self.first <= offset <= self.last and self.network(offset) == network
        return offset if valid else None

    def offset_of_address(self, address: str) -> int:
        """The offset of an address of the primary family; 0, the offset before all, for what is none."""
        try:
            offset = int(ip_address(address)) - int(ip_network(self.cidrs[0]).network_address)
        except (ValueError, IndexError):
            return 0
        return offset if self.first <= offset <= self.last else 0


def mac_of(address: str) -> str:
    """The MAC of the owner of an address: 0a:58 and the (last) four bytes of the address."""
    packed = ip_address(address).packed[-4:]
    return ":".join(f"{byte:02x}" for byte in (0x0A, 0x58, *packed))


def _usable(cidr: str) -> int:
    """The last offset of a network that a pod may have."""
    network = ip_network(cidr)
    broadcast = isinstance(network.network_address, IPv4Address)
    return network.num_addresses - (2 if broadcast else 1)
