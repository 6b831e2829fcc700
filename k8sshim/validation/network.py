"""Rules for what gives pods a stable address: Service, Endpoints and EndpointSlice.

Source: https://kubernetes.io/docs/concepts/services-networking/service/ and .../endpoint-slices/. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from k8sshim import names
from k8sshim.errors import Problem
from k8sshim.validation.field import Field, unique
from k8sshim.validation.metadata import label_problems

MAX_PORT = 65535
_MAX_ADDRESSES = 100  # of one endpoint of a slice
_MAX_SLICE = 1000  # endpoints
_EXPOSED = ("NodePort", "LoadBalancer")


def service_problems(root: Field) -> Iterator[Problem]:
    spec = root["spec"]
    yield from spec["type"].one_of("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
    yield from spec["sessionAffinity"].one_of("None", "ClientIP")
    yield from spec["externalTrafficPolicy"].one_of("Cluster", "Local")
    yield from spec["internalTrafficPolicy"].one_of("Cluster", "Local")
    yield from spec["ipFamilyPolicy"].one_of("SingleStack", "PreferDualStack", "RequireDualStack")
    for family in spec["ipFamilies"].elements():
        yield from family.one_of("IPv4", "IPv6")
    yield from label_problems(spec["selector"])
    yield from _address_problems(spec)
    yield from _service_ports_problems(spec)


def _address_problems(spec: Field) -> Iterator[Problem]:
    first = spec["clusterIP"]
    for field in (first, *spec["clusterIPs"].elements()):
        if field.text not in ("", "None"):
            yield from field.wrong(_not_address(field.text))
    for field in (*spec["externalIPs"].elements(), spec["loadBalancerIP"]):
        if field.text:
            yield from field.wrong(_not_address(field.text))
    for field in spec["clusterIPs"].elements():
        if field.path.endswith("[0]") and first.text and field.text != first.text:
            yield field.problem(f"is {field.text!r}, but clusterIP is {first.text!r}")
    if spec["type"].text in _EXPOSED and first.text == "None":
        yield first.problem(f"is 'None', which a Service of type {spec['type'].text} cannot have")
    if spec["type"].text == "ExternalName":
        name = spec["externalName"]
        yield from name.wrong(names.dns_subdomain(name.text.rstrip(".")) if name.text else "missing")


def _service_ports_problems(spec: Field) -> Iterator[Problem]:
    ports = list(spec["ports"].elements())
    if not ports and spec["type"].text != "ExternalName" and spec["clusterIP"].text != "None":
        yield spec["ports"].problem("missing: a Service needs at least one port")
    for port in ports:
        yield from _service_port_problems(port, several=len(ports) > 1)
        if port["nodePort"].number and spec["type"].text not in _EXPOSED:
            yield port["nodePort"].problem("is for Services of type NodePort or LoadBalancer")
    yield from unique((port["name"] for port in ports), "the name")
    yield from _same_ports(ports)


def _service_port_problems(port: Field, *, several: bool) -> Iterator[Problem]:
    if port["name"].text:
        yield from port["name"].wrong(names.dns_label(port["name"].text))
    elif several:
        yield port["name"].problem("missing: with several ports each needs a name")
    yield from port["port"].between(1, MAX_PORT)
    yield from port["nodePort"].between(0, MAX_PORT)
    yield from port["protocol"].one_of("TCP", "UDP", "SCTP")
    yield from port_reference_problems(port["targetPort"])


def port_reference_problems(port: Field) -> Iterator[Problem]:
    """A port that is a number, or the name of a container's port."""
    yield from port.between(1, MAX_PORT)
    if isinstance(port.value, str):
        yield from port.wrong(names.port_name(port.value))


def _same_ports(ports: list[Field]) -> Iterator[Problem]:
    first: dict[tuple[int, str], str] = {}
    for port in ports:
        number, protocol = port["port"].number, port["protocol"].text or "TCP"
        if number is not None and first.setdefault((number, protocol), port.path) != port.path:
            yield port["port"].problem(f"{number}/{protocol} is given to {first[(number, protocol)]} already")


def endpoint_slice_problems(root: Field) -> Iterator[Problem]:
    kind, endpoints = root["addressType"], list(root["endpoints"].elements())
    yield from kind.one_of("IPv4", "IPv6", "FQDN")
    if len(endpoints) > _MAX_SLICE:
        yield root["endpoints"].problem(f"has {len(endpoints)} endpoints, expected {_MAX_SLICE} at the most")
    for endpoint in endpoints:
        addresses = list(endpoint["addresses"].elements())
        if endpoint["addresses"] and not 1 <= len(addresses) <= _MAX_ADDRESSES:
            yield endpoint["addresses"].problem(f"has {len(addresses)} addresses, expected 1 to {_MAX_ADDRESSES}")
        for address in addresses:
            yield from address.wrong(_not_endpoint(address.text, kind.text))
    yield from _endpoint_ports_problems(list(root["ports"].elements()))


def endpoints_problems(root: Field) -> Iterator[Problem]:
    for subset in root["subsets"].elements():
        for endpoint in (*subset["addresses"].elements(), *subset["notReadyAddresses"].elements()):
            if endpoint["ip"].text:
                yield from endpoint["ip"].wrong(_not_endpoint(endpoint["ip"].text))
        yield from _endpoint_ports_problems(list(subset["ports"].elements()))


def _endpoint_ports_problems(ports: list[Field]) -> Iterator[Problem]:
    for port in ports:
        yield from port["name"].wrong(names.dns_label(port["name"].text) if port["name"].text else "")
        yield from port["port"].between(1, MAX_PORT)
        yield from port["protocol"].one_of("TCP", "UDP", "SCTP")
    yield from unique((port["name"] for port in ports), "the name")


def _not_address(text: str, family: str = "") -> str:
    """What is wrong with an IP address, of a family or of any."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return f"{text!r} is no {family or 'IP'} address"
    return "" if family in ("", f"IPv{address.version}") else f"{text!r} is no {family} address"


def _not_endpoint(text: str, family: str = "") -> str:
    """What is wrong with the address of an endpoint: none that reaches back to the client's own node, says the API."""
    if family == "FQDN":
        return names.dns_subdomain(text)
    wrong = _not_address(text, family if family in ("IPv4", "IPv6") else "")
    if wrong:
        return wrong
    address = ipaddress.ip_address(text)
    for name in ("unspecified", "loopback", "link_local", "multicast"):
        if getattr(address, f"is_{name}"):
            return f"{text!r} is a {name.replace('_', '-')} address, which no endpoint can have"
    return ""
