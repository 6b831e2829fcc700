"""What lies outside the cluster, in its description: the outside host's network and its other addresses. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from k8sshim.objects import Raw

from .addressing import IPAddress, IPNetwork, capacity, parse_network
from .fields import Fields
from .services import DNS_DOMAIN

OUTSIDE_CIDR = "203.0.113.0/24"  # RFC 5737: for documentation
MAX_ADDRESSES = 256
MAX_NAMES = 1000
MAX_NAME = 253  # characters of a name
NEEDED = 2  # the border's address and the outside host's


@dataclass(frozen=True)
class Outside:
    """The outside host's networks, one an address family, and what addresses it has besides."""

    networks: tuple[IPNetwork, ...] = (parse_network(OUTSIDE_CIDR),)
    addresses: tuple[IPAddress, ...] = ()
    names: tuple[tuple[str, IPAddress], ...] = ()  # that its DNS server knows besides its own, sorted

    def to_raw(self) -> Raw:
        addresses = [str(one) for one in self.addresses]
        return {"cidr": str(self.networks[0]), "addresses": addresses, "names": {k: str(v) for k, v in self.names}}


def parse_outside(spec: Fields) -> tuple[IPNetwork, dict[str, IPAddress], dict[str, IPAddress]]:
    """The field `outside`: the network, the other addresses by their fields, and the names that its DNS server knows.

    `check_addresses` looks further.
    """
    fields = spec.fields("outside")
    usual = parse_network(OUTSIDE_CIDR)
    network = fields.network("cidr", usual)
    if network is not None and capacity(network) < NEEDED:
        fields.wrong("cidr", f"{network} has {capacity(network)} addresses; border and outside host need {NEEDED}")
        network = None
    addresses = _parse_addresses(fields)
    names = _parse_names(fields)
    fields.close()
    return network or usual, addresses, names


def check_addresses(
    spec: Fields, network: IPNetwork, addresses: dict[str, IPAddress], others: Sequence[tuple[str, IPNetwork]]
) -> None:
    """The other addresses lie apart from every other range (`others`: field and range), and are none that is taken."""
    seen: dict[IPAddress, str] = {}
    taken = {network[0]: "no host's", network[1]: "the border's", network[2]: "the outside host's own already"}
    taken[network[-1]] = "the broadcast address"
    for field, one in addresses.items():
        if one in seen:
            spec.wrong(field, f"{one} is {spec.at(seen[one])} already")
        seen.setdefault(one, field)
        if one in taken:
            spec.wrong(field, f"{one} is {taken[one]}")
        for name, other in others:
            if one in other:
                spec.wrong(field, f"{one} is in {spec.at(name)} {other}")


def _parse_addresses(fields: Fields) -> dict[str, IPAddress]:
    items = fields.items("addresses")
    if len(items) > MAX_ADDRESSES:
        fields.wrong("addresses", f"at most {MAX_ADDRESSES} addresses, not {len(items)}")
        return {}
    found = {index: _parse_address(fields, f"addresses[{index}]", item) for index, item in enumerate(items)}
    return {f"outside.addresses[{index}]": one for index, one in found.items() if one is not None}


def _parse_names(fields: Fields) -> dict[str, IPAddress]:
    names = fields.fields("names")
    if len(names.raw) > MAX_NAMES:
        fields.wrong("names", f"at most {MAX_NAMES} names, not {len(names.raw)}")
        return {}
    found = {}
    for name, item in names.raw.items():
        if not isinstance(name, str) or len(name) > MAX_NAME or not DNS_DOMAIN.fullmatch(name):
            fields.wrong("names", f"{name!r} is not a name such as db.example.org")
        elif address := _parse_address(names, name, item):
            found[name] = address
    return dict(sorted(found.items()))


def _parse_address(fields: Fields, field: str, item: object) -> IPAddress | None:
    try:
        one = ipaddress.ip_address(item) if isinstance(item, str) else None
    except ValueError:
        one = None
    if one is None:
        fields.wrong(field, f"must be an address such as 192.0.2.7, not {item!r}")
        return None
    try:
        return parse_network(f"{one}/{one.max_prefixlen}").network_address
    except ValueError as error:
        fields.wrong(field, str(error).replace(f"{one}/{one.max_prefixlen}", str(one)))
        return None
