"""The zones that cluster DNS answers for: the cluster's domain, and the addresses of its ranges. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import ip_network

from k8sshim.dns.records import Record, address_record

TTL_S = 5  # as CoreDNS; clients that cache see a change as much later
_NAME_SERVER = "ns.dns"  # beneath the domain, as with CoreDNS
_REFRESH_S, _RETRY_S, _EXPIRE_S = 7200, 1800, 86400  # nobody transfers these zones


def reverse_zones(cidrs: Iterable[str]) -> tuple[str, ...]:
    """The zones of PTR records that cover these ranges: as many as it takes, so that nothing else is covered.

    A range of less than 256 addresses has the zone of all 256.
    """
    return tuple(dict.fromkeys(zone for cidr in cidrs for zone in _of_range(cidr)))


def zone_of(name: str, zones: Collection[str]) -> str | None:
    """The closest of `zones` that the name lies in; None where it lies in none."""
    while name:
        if name in zones:
            return name
        name = name.partition(".")[2]
    return None


def zone_file(zone: str, domain: str, address: str, records: Iterable[Record]) -> str:
    """A zone's master file (RFC 1035, section 5); `address` is where clients reach the name server."""
    server, mailbox = f"{_NAME_SERVER}.{domain}.", f"hostmaster.{domain}."
    head = [
        f"{zone} SOA {server} {mailbox} 1 {_REFRESH_S} {_RETRY_S} {_EXPIRE_S} {TTL_S}",
        f"{zone} NS {server}",
    ]
    if zone == f"{domain}.":
        head.append(_line(address_record(server, address)))
    return "\n".join((f"$TTL {TTL_S}", *head, *map(_line, records), ""))


def _line(record: Record) -> str:
    return f"{record.name} {record.kind} {record.data}"


def _of_range(cidr: str) -> Iterator[str]:
    network = ip_network(cidr, strict=False)
    step = 8 if network.version == 4 else 4  # bits of a label
    length = min(-(-network.prefixlen // step) * step, network.max_prefixlen - 8)
    host_labels = (network.max_prefixlen - length) // step
    covering = (
        network.subnets(new_prefix=length) if length > network.prefixlen else [network.supernet(new_prefix=length)]
    )
    for one in covering:
        yield one.network_address.reverse_pointer.split(".", host_labels)[-1] + "."
