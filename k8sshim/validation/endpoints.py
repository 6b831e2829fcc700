"""Rules for what stands behind a Service: Endpoints and EndpointSlices, made by hand ones above all.

Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from k8sshim import names
from k8sshim.errors import Problem
from k8sshim.validation.addresses import (
    port_name_problems,
    protocol_problems,
    reachable_address_problems,
    version_of,
)
from k8sshim.validation.field import Field, unique

_MAX_ADDRESSES = 100  # of one endpoint of a slice
_MAX_ENDPOINTS = 1000
_MAX_PORTS = 20000
_MAX_ZONES = 8  # that an endpoint's hints name


def endpoint_slice_problems(root: Field) -> Iterator[Problem]:
    kind = root["addressType"]
    yield from kind.one_of("IPv4", "IPv6", "FQDN")
    yield from root["endpoints"].at_most(_MAX_ENDPOINTS)
    for endpoint in root["endpoints"].elements():
        yield from _endpoint_problems(endpoint, kind.text)
    ports = list(root["ports"].elements())
    yield from root["ports"].at_most(_MAX_PORTS)
    yield from _same_names(ports)
    for port in ports:
        yield from _endpoint_port_problems(port, several=False)


def _endpoint_problems(endpoint: Field, kind: str) -> Iterator[Problem]:
    addresses = endpoint["addresses"]
    if addresses.value == []:
        yield addresses.required("must contain at least 1 address")
    yield from addresses.at_most(_MAX_ADDRESSES)
    for address in addresses.elements():
        yield from _address_problems(address, kind)
    if endpoint["hostname"].text:
        yield from endpoint["hostname"].breaks(names.dns_label(endpoint["hostname"].text))
    if endpoint["nodeName"].text:
        yield from endpoint["nodeName"].breaks(names.dns_subdomain(endpoint["nodeName"].text))
    yield from endpoint["hints"]["forZones"].at_most(_MAX_ZONES)
    yield from unique(zone["name"] for zone in endpoint["hints"]["forZones"].elements())


def _address_problems(address: Field, kind: str) -> Iterator[Problem]:
    version = version_of(address.text)
    if kind == "FQDN":
        yield from address.breaks(names.dns_subdomain(address.text))
        if "." not in address.text:
            yield address.invalid("should be a domain with at least two segments separated by dots")
    elif kind in ("IPv4", "IPv6") and version and kind != f"IPv{version}":
        yield address.invalid(f"must be an {kind} address")
    elif kind in ("IPv4", "IPv6"):
        yield from reachable_address_problems(address)


def _same_names(ports: list[Field]) -> Iterator[Problem]:
    """Ports of a slice differ in their names, of which the empty one is one."""
    seen: set[str] = set()
    for port in ports:
        if port["name"].text in seen:
            yield Field(port["name"].text, port["name"].path).duplicate()
        seen.add(port["name"].text)


def endpoints_problems(root: Field) -> Iterator[Problem]:
    for subset in root["subsets"].elements():
        addresses = [*subset["addresses"].elements(), *subset["notReadyAddresses"].elements()]
        if not addresses:
            yield subset.required("must specify `addresses` or `notReadyAddresses`")
        for address in addresses:
            if address["ip"]:
                yield from reachable_address_problems(address["ip"])
            if address["hostname"].text:
                yield from address["hostname"].breaks(names.dns_label(address["hostname"].text))
        ports = list(subset["ports"].elements())
        for port in ports:
            yield from _endpoint_port_problems(port, several=len(ports) > 1)


def _endpoint_port_problems(port: Field, *, several: bool) -> Iterator[Problem]:
    yield from port_name_problems(port, several=several)
    yield from port["port"].port_number()
    yield from protocol_problems(port)
