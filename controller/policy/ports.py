"""Ports of policies as matches of flows: single ones, ranges under masks, names as each pod resolves them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from k8sshim.policies import PolicyPort

from .entries import EVERY_PORT, PortMatch

LAST = 0xFFFF
Named = tuple[tuple[str, str, int], ...]  # protocol, name and number of a pod's ports


def numbered(ports: Iterable[PolicyPort] | None) -> frozenset[PortMatch]:
    """The ports that are told by number, or by protocol alone; every port where none is named."""
    if ports is None:
        return frozenset((EVERY_PORT,))
    return frozenset(match for port in ports if not isinstance(port.port, str) for match in _matches(port))


def resolved(ports: Iterable[PolicyPort] | None, named: Named) -> frozenset[PortMatch]:
    """The ports that are told by name, as the pod that has these ports understands them."""
    wanted = [(port.protocol, port.port) for port in ports or () if isinstance(port.port, str)]
    return frozenset(
        PortMatch(protocol, number, LAST)
        for protocol, name, number in named
        if (protocol, name) in wanted or ("", name) in wanted
    )


def has_names(ports: Iterable[PolicyPort] | None) -> bool:
    """Whether pods have to be asked which number they mean."""
    return any(isinstance(port.port, str) for port in ports or ())


def _matches(port: PolicyPort) -> Iterator[PortMatch]:
    if port.port is None:
        yield PortMatch(port.protocol)
    else:
        first = int(port.port)
        yield from (PortMatch(port.protocol, *block) for block in blocks(first, port.last or first))


def blocks(first: int, last: int) -> Iterator[tuple[int, int]]:
    """A range as values under masks, the fewest: each block is as large as its start and the range's end allow."""
    while first <= last:
        size = first & -first or LAST + 1
        while first + size - 1 > last:
            size >>= 1
        yield first, LAST & ~(size - 1)
        first += size
