"""The records of Kubernetes' DNS specification 1.1.0, for one object at a time. Pure.

Names are absolute, in lower case, with the final dot. What is no name of the DNS gets no record: an API other than
podwire's may hold such things, and a record ends as a line of a zone file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from k8sshim.objects import Endpoint, EndpointSlice, Service

SCHEMA_VERSION = "1.1.0"
A, AAAA, CNAME, PTR, SRV, TXT = "A", "AAAA", "CNAME", "PTR", "SRV", "TXT"
_PRIORITY, _WEIGHT = 0, 100  # of every SRV record: the specification leaves them open, and endpoints are equals
_LABEL = re.compile(r"[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?")
_LONGEST_NAME = 254  # with the final dot
_FINISHED = ("Succeeded", "Failed")


class Record(NamedTuple):
    """One resource record of class IN; all have the same time to live."""

    name: str
    kind: str
    data: str


def schema_record(domain: str) -> Record:
    """The version of the specification that these names follow (2.2)."""
    return Record(f"dns-version.{domain}.", TXT, f'"{SCHEMA_VERSION}"')


def service_records(service: Service, domain: str) -> Iterator[Record]:
    """What a Service has of itself (2.3, 2.5): a headless one has nothing but its endpoints."""
    name = _service_name(service, domain)
    target = service.external_name.lower().rstrip(".") + "."
    if service.type == "ExternalName":
        yield from _valid([Record(name, CNAME, target)] if _is_name(target) else [])
        return
    if service.headless:
        return
    addresses = [text for address in service.cluster_ips if (text := _address(address))]
    yield from _valid(address_record(name, address) for address in addresses)
    yield from _valid(Record(reverse_name(address), PTR, name) for address in addresses)
    yield from _valid(_srv(one.name, one.protocol, one.port, name) for one in service.ports if one.name)


def slice_records(service: Service, one: EndpointSlice, domain: str) -> Iterator[Record]:
    """What a headless Service has of the endpoints of one of its slices (2.4)."""
    if service.type == "ExternalName" or not service.headless:
        return
    parent = _service_name(service, domain)
    for endpoint in one.endpoints:
        addresses = [text for address in endpoint.addresses if (text := _address(address))]
        if not addresses or not (endpoint.ready or service.publish_not_ready):
            continue
        name = f"{_hostname(endpoint, addresses[0])}.{parent}"
        for address in addresses:
            yield from _valid(
                (
                    address_record(parent, address),
                    address_record(name, address),
                    Record(reverse_name(address), PTR, name),
                )
            )
        for port in one.ports:
            if port.name:
                srv = _srv(port.name, port.protocol, port.port, parent)
                yield from _valid([srv._replace(data=f"{_PRIORITY} {_WEIGHT} {port.port} {name}")])


def pod_records(namespace: str, phase: str, addresses: Iterable[str], domain: str) -> Iterator[Record]:
    """A pod's name by its address (2.6)."""
    for address in addresses if phase not in _FINISHED else ():
        if text := _address(address):
            yield from _valid([address_record(f"{_dashed(text)}.{namespace}.pod.{domain}.", text)])


def address_record(name: str, address: str) -> Record:
    """A or AAAA, as the address is."""
    return Record(name, AAAA if ":" in address else A, address)


def reverse_name(address: str) -> str:
    """The name that PTR records of an address have."""
    return ip_address(address).reverse_pointer + "."


def _service_name(service: Service, domain: str) -> str:
    return f"{service.key.name}.{service.key.namespace}.svc.{domain}.".lower()


def _hostname(endpoint: Endpoint, address: str) -> str:
    """The endpoint's own name beneath its Service: the one it asks for, else one that its address makes unique."""
    return endpoint.hostname.lower() or _dashed(address)


def _dashed(address: str) -> str:
    """An address as a label; one that begins with a colon would begin with a hyphen."""
    text = address.replace(".", "-").replace(":", "-")
    return f"0{text}" if text.startswith("-") else text


def _srv(port: str, protocol: str, number: int, target: str) -> Record:
    name = f"_{port}._{protocol}.{target}".lower()
    return Record(name, SRV, f"{_PRIORITY} {_WEIGHT} {number} {target}")


def _address(text: str) -> str:
    """The address as it is written most shortly; "" for what is none (endpoints may have names)."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def _valid(records: Iterable[Record]) -> Iterator[Record]:
    for record in records:
        names = [record.name, *(record.data.split()[-1:] if record.kind in (CNAME, PTR, SRV) else ())]
        if all(map(_is_name, names)):
            yield record


def _is_name(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and name.endswith(".") and all(map(_LABEL.fullmatch, name[:-1].split(".")))
