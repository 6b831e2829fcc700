"""Rules for addresses and ports, for all that holds some: Services, Endpoints and EndpointSlices. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from k8sshim import names
from k8sshim.errors import Problem
from k8sshim.validation.field import Field

_NO_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NO_RANGE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
PROTOCOLS = ("TCP", "UDP", "SCTP")
_LINK_LOCAL_MULTICAST = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))


def version_of(text: str) -> int:
    """4 or 6, or 0 for what is no address."""
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return 0


def address_problems(field: Field) -> Iterator[Problem]:
    if not version_of(field.text):
        yield field.invalid(_NO_ADDRESS)


def network_of(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The range that a text means, which may have host bits; None where it is none: a netmask is no prefix length."""
    length = text.rpartition("/")[2]
    try:
        return ipaddress.ip_network(text, strict=False) if length.isascii() and length.isdigit() else None
    except ValueError:
        return None


def range_problems(field: Field, *, spaces: bool = False) -> Iterator[Problem]:
    """A range of addresses; one with host bits is taken as Kubernetes takes it, and in places one with `spaces`."""
    text = field.text.strip() if spaces else field.text
    if network_of(text) is None:
        yield field.invalid(_NO_RANGE)


def reachable_address_problems(field: Field) -> Iterator[Problem]:
    """An address that traffic may be sent to: none that means the sender's own node or link."""
    if not version_of(field.text):
        yield field.invalid(_NO_ADDRESS)
        return
    address = ipaddress.ip_address(field.text)
    if address.is_unspecified:
        yield field.invalid(f"may not be unspecified ({field.text})")
    if address.is_loopback:
        yield field.invalid("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        yield field.invalid("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if any(address in network for network in _LINK_LOCAL_MULTICAST):
        yield field.invalid("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def port_reference_problems(port: Field) -> Iterator[Problem]:
    """A port that is a number, or the name of a container's port."""
    yield from port.port_number()
    if isinstance(port.value, str):
        yield from port.breaks(names.port_name(port.value))


def port_name_problems(port: Field, *, several: bool) -> Iterator[Problem]:
    """The name of one of a Service's or an Endpoints' ports, which it needs where there are several."""
    if port["name"].text:
        yield from port["name"].breaks(names.dns_label(port["name"].text))
    elif several:
        yield port["name"].required()


def protocol_problems(port: Field) -> Iterator[Problem]:
    yield from port["protocol"].one_of(*PROTOCOLS)
    if port["appProtocol"].text:
        yield from port["appProtocol"].breaks(names.qualified_name(port["appProtocol"].text))
