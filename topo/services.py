"""What a cluster description says of the API server, and of Services: the range of node ports, and DNS. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from k8sshim.cluster import DOMAIN, NODE_PORTS
from k8sshim.objects import Raw

from .fields import Fields

LOWEST_NODE_PORT, HIGHEST_NODE_PORT = 30000, 65535  # what is below are sources of pods that reach the outside
MAX_REPLICAS = 100
DNS_DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
MAX_DOMAIN = 200  # characters: names of Services and pods come before it
PORT_RANGE = re.compile(r"(\d{1,5})-(\d{1,5})")


@dataclass(frozen=True)
class Dns:
    """The cluster's DNS server."""

    replicas: int = 1
    domain: str = DOMAIN

    def to_raw(self) -> Raw:
        return {"replicas": self.replicas, "domain": self.domain}


USUAL_DNS = Dns()


@dataclass(frozen=True)
class ApiServer:
    """The cluster's API server."""

    rbac: bool = False  # whether users may do what Roles and their bindings say, and no more

    def to_raw(self) -> Raw:
        return {"rbac": self.rbac}


USUAL_API_SERVER = ApiServer()


def parse_api_server(spec: Fields) -> ApiServer:
    """The field `apiServer`."""
    fields = spec.fields("apiServer")
    server = ApiServer(fields.boolean("rbac", default=ApiServer.rbac))
    fields.close()
    return server


def parse_node_ports(spec: Fields) -> tuple[int, int]:
    """The field nodePortRange: the first and the last of them."""
    value = spec.text("nodePortRange")
    if value is None:
        return NODE_PORTS
    found = PORT_RANGE.fullmatch(value)
    if found is None:
        spec.wrong("nodePortRange", f"must be two ports as in {'-'.join(map(str, NODE_PORTS))}, not {value!r}")
        return NODE_PORTS
    first, last = int(found[1]), int(found[2])
    if not LOWEST_NODE_PORT <= first <= last <= HIGHEST_NODE_PORT:
        allowed = f"from {LOWEST_NODE_PORT} to {HIGHEST_NODE_PORT}, the lower one first"
        spec.wrong("nodePortRange", f"must be two ports {allowed}, not {value}")
        return NODE_PORTS
    return first, last


def parse_dns(spec: Fields) -> Dns:
    """The field `dns`."""
    fields = spec.fields("dns")
    replicas = fields.integer("replicas", Dns.replicas, 0, MAX_REPLICAS)
    domain = fields.text("domain", DOMAIN) or ""
    if len(domain) > MAX_DOMAIN or not DNS_DOMAIN.fullmatch(domain):
        fields.wrong("domain", f"{domain!r} is not a domain of at most {MAX_DOMAIN} characters, such as {DOMAIN}")
        domain = DOMAIN
    fields.close()
    return Dns(replicas, domain)
