"""What Services draw from: the cluster's service ranges, and the range of node ports.

Sources: https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/ and Kubernetes' ipallocator and
portallocator. Each pool knows who holds what, by UID; it is told of that, and gives nothing out by itself. A refusal is
a message that Kubernetes' clients know.
"""

from __future__ import annotations

import ipaddress

_RESERVED = (1, 10)  # the Service `kubernetes`, the cluster's DNS: given to who asks for them, never chosen

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class RangeIsFull(Exception):
    """Everything is taken."""


class AddressPool:
    """One service range."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._holders: dict[str, str] = {}  # address -> UID
        self._usable = network.num_addresses - (1 if network.version == 4 else 0)  # without the broadcast address
        self._next = 0

    @property
    def family(self) -> str:
        return f"IPv{self.network.version}"

    @property
    def first(self) -> str:
        """The address of the Service `kubernetes`."""
        return str(self.network[_RESERVED[0]])

    def take(self, address: str, uid: str) -> None:
        """Note a holder. Choosing goes on from here: an address that was released is not given out again at once."""
        self._holders[address] = uid
        self._next = self._offset(address) + 1

    def release(self, address: str) -> None:
        self._holders.pop(address, None)

    def refusal(self, address: str, uid: str) -> str:
        """Why that Service cannot have an address; "" where it can."""
        if ipaddress.ip_address(address) not in self.network or not 0 < self._offset(address) < self._usable:
            return f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {self.network}"
        return "provided IP is already allocated" if self._holders.get(address, uid) != uid else ""

    def free(self) -> str:
        """The next free address, going round the range. Raises RangeIsFull."""
        for step in range(min(self._usable, len(self._holders) + len(_RESERVED) + 2)):
            offset = (self._next + step) % self._usable
            address = str(self.network[offset])
            if offset and offset not in _RESERVED and address not in self._holders:
                return address
        raise RangeIsFull("failed to allocate a serviceIP: range is full")

    def _offset(self, address: str) -> int:
        return int(ipaddress.ip_address(address)) - int(self.network.network_address)


class PortPool:
    """The node ports. One number is one Service's, whatever the protocol; within it, several ports may share it."""

    def __init__(self, first: int, last: int) -> None:
        self._range = range(first, last + 1)
        self._holders: dict[int, str] = {}  # number -> UID

    def take(self, number: int, uid: str) -> None:
        self._holders[number] = uid

    def release(self, number: int) -> None:
        self._holders.pop(number, None)

    def refusal(self, number: int, uid: str) -> str:
        """Why that Service cannot have a port; "" where it can."""
        if number not in self._range:
            valid = f"{self._range[0]}-{self._range[-1]}"
            return f"provided port is not in the valid range. The range of valid ports is {valid}"
        return "provided port is already allocated" if self._holders.get(number, uid) != uid else ""

    def free(self, besides: set[int]) -> int:
        """The lowest free port that is none of these. Raises RangeIsFull."""
        for number in self._range:
            if number not in self._holders and number not in besides:
                return number
        raise RangeIsFull("failed to allocate a nodePort: range is full")
