"""What a Service gets from the cluster: addresses of the service ranges, node ports, and the fields around them.

Sources: https://kubernetes.io/docs/concepts/services-networking/service/ and .../cluster-ip-allocation/. What is taken
is derived from the store's own events, so that a deletion, a restart and a refused write need no bookkeeping.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any

from k8sshim.errors import Problem
from k8sshim.objects import Raw
from k8sshim.records import Event
from k8sshim.store import Store

from .resources import SERVICES, resource_name
from .status import invalid

_RESERVED = (1, 10)  # the Service `kubernetes`, the cluster's DNS: given to who asks for them, never chosen
_NODE_PORTS = range(30000, 32768)
_AFFINITY_TIMEOUT_S = 10800

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ServiceDefaults:
    """Fills in Services; knows which addresses and node ports are taken; `cidrs`: one a family, primary first."""

    def __init__(self, cidrs: Sequence[str], store: Store) -> None:
        self._networks = [ipaddress.ip_network(cidr) for cidr in cidrs]
        self._addresses: dict[str, str] = {}  # address -> UID of the Service that has it
        self._ports: dict[int, dict[str, str]] = {}  # node port -> protocol -> UID
        self._next = dict.fromkeys(self._networks, 0)
        for record in store.records(resource_name(SERVICES)):
            self._take(record.decode())
        store.subscribe(resource_name(SERVICES), self._on_event)

    # What is taken

    def _on_event(self, event: Event) -> None:
        if event.previous:
            self._release(event.previous.decode())
        if not event.deleted:
            self._take(event.record.decode())

    def _take(self, raw: Raw) -> None:
        uid = raw["metadata"]["uid"]
        for address in _held_addresses(raw):
            self._addresses[address] = uid
            self._advance(address)
        for port, protocol in _held_ports(raw):
            self._ports.setdefault(port, {})[protocol] = uid

    def _advance(self, address: str) -> None:
        """Choose onwards from the newest address: one that was released is not given out again at once."""
        parsed = ipaddress.ip_address(address)
        for network in self._networks:
            if parsed in network:
                self._next[network] = int(parsed) - int(network.network_address) + 1

    def _release(self, raw: Raw) -> None:
        for address in _held_addresses(raw):
            self._addresses.pop(address, None)
        for port, protocol in _held_ports(raw):
            self._ports.get(port, {}).pop(protocol, None)

    # Filling in

    def apply(self, raw: Raw, old: Raw | None) -> None:
        """Fill in a Service about to be stored (`old`: as it was). Raises ApiError 422 where it asks what cannot be."""
        spec = raw.setdefault("spec", {})
        _static(spec)
        if old is not None:
            _carry_over(spec, old["spec"])
        uid = raw["metadata"]["uid"]
        problems = [*_immutable(spec, old), *self._cluster_ips(spec, uid), *self._node_ports(spec, uid)]
        if problems:
            raise invalid(SERVICES, raw["metadata"]["name"], problems)

    def _cluster_ips(self, spec: Raw, uid: str) -> Iterator[Problem]:
        if spec["type"] == "ExternalName":
            for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
                spec.pop(field, None)
            return
        asked = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
        if spec.get("clusterIP") and asked[0] != spec["clusterIP"]:
            yield Problem("must be the same as clusterIPs[0]", field="spec.clusterIP")
            return
        headless = asked[:1] == ["None"]
        networks = self._families(spec, [] if headless else asked)
        if len(networks) < 2 and spec["ipFamilyPolicy"] == "RequireDualStack":
            yield Problem("RequireDualStack, but the cluster has one address family", field="spec.ipFamilyPolicy")
        if not networks:
            yield Problem("none of these families has a service range in this cluster", field="spec.ipFamilies")
            return
        spec["ipFamilies"] = [f"IPv{network.version}" for network in networks]
        if not headless:
            given = [*asked, *[""] * len(networks)]
            for number, network in enumerate(networks):
                yield from self._check(given[number], network, uid, number)
            asked = [address or self._free(network) for address, network in zip(given, networks, strict=False)]
        spec["clusterIP"], spec["clusterIPs"] = asked[0], asked

    def _families(self, spec: Raw, asked: list[str]) -> list[Network]:
        """The service ranges that a Service draws from, by ipFamilies, by the addresses asked for, or by default."""
        by_version = {network.version: network for network in self._networks}
        wanted = [int(family[-1]) for family in spec.get("ipFamilies") or ()]
        wanted = wanted or [version for version in map(_version, asked) if version]
        dual = len(wanted) > 1
        policy = spec.setdefault("ipFamilyPolicy", "RequireDualStack" if dual else "SingleStack")
        wanted = wanted or [self._networks[0].version]
        if policy != "SingleStack":
            wanted += [version for version in by_version if version not in wanted]
        return [by_version[version] for version in wanted if version in by_version]

    def _check(self, address: str, network: Network, uid: str, number: int) -> Iterator[Problem]:
        if not address:
            return
        field = f"spec.clusterIPs[{number}]"
        version = _version(address)
        if not version:
            yield Problem(f"Invalid value: {address!r}: is no address", field=field)
        elif ipaddress.ip_address(address) not in network:
            yield Problem(f"Invalid value: {address!r}: is not in the service range {network}", field=field)
        elif self._addresses.get(address, uid) != uid:
            yield Problem(f"Invalid value: {address!r}: provided IP is already allocated", field=field)

    def _free(self, network: Network) -> str:
        """The next free address, going round the range."""
        last = 1 if network.version == 4 else 0  # the broadcast address
        usable = network.num_addresses - last
        for step in range(min(usable, len(self._addresses) + len(_RESERVED) + 2)):
            offset = (self._next[network] + step) % usable
            address = str(network[offset])
            if offset and offset not in _RESERVED and address not in self._addresses:
                return address
        raise invalid(SERVICES, "", [Problem(f"the service range {network} is used up", field="spec.clusterIP")])

    def _node_ports(self, spec: Raw, uid: str) -> Iterator[Problem]:
        wants = spec["type"] == "NodePort" or (
            spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False
        )
        ports = spec.get("ports") or ()
        chosen = {port["nodePort"] for port in ports if port.get("nodePort")}
        for number, port in enumerate(ports):
            asked, field = port.get("nodePort"), f"spec.ports[{number}].nodePort"
            if asked and spec["type"] == "ClusterIP":
                yield Problem("may not be used when `type` is 'ClusterIP'", field=field)
            elif asked and asked not in _NODE_PORTS:
                yield Problem(
                    f"Invalid value: {asked}: provided port is not in the valid range 30000-32767", field=field
                )
            elif asked and self._ports.get(asked, {}).get(port["protocol"], uid) != uid:
                yield Problem(f"Invalid value: {asked}: provided port is already allocated", field=field)
            elif not asked and wants:
                port["nodePort"] = next(p for p in _NODE_PORTS if not self._ports.get(p) and p not in chosen)
                chosen.add(port["nodePort"])


def _static(spec: Raw) -> None:
    """What depends on the Service alone."""
    defaults: Raw = {"type": "ClusterIP", "sessionAffinity": "None"}
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        defaults["externalTrafficPolicy"] = "Cluster"
    if spec.get("type") == "LoadBalancer":
        defaults["allocateLoadBalancerNodePorts"] = True
    if spec.get("type") != "ExternalName":
        defaults["internalTrafficPolicy"] = "Cluster"
    if spec.get("sessionAffinity") == "ClientIP":
        defaults["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _AFFINITY_TIMEOUT_S}}
    for name, value in defaults.items():
        if spec.get(name) is None:
            spec[name] = value
    for port in spec.get("ports") or ():
        port["protocol"] = port.get("protocol") or "TCP"
        port["targetPort"] = port.get("targetPort") or port["port"]


def _carry_over(spec: Raw, old: Raw) -> None:
    """An update that is silent on what was allocated keeps it (as when a manifest is applied again)."""
    if spec["type"] == "ExternalName" or old.get("type") == "ExternalName":
        return
    if not spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIP"], spec["clusterIPs"] = old.get("clusterIP"), old.get("clusterIPs")
    elif spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = old["clusterIPs"] if spec["clusterIP"] == old.get("clusterIP") else [spec["clusterIP"]]
    for name in ("ipFamilies", "ipFamilyPolicy"):
        spec[name] = spec.get(name) or old.get(name)
    before = {(port["protocol"], port["port"]): port.get("nodePort") for port in old.get("ports") or ()}
    for port in spec.get("ports") or ():
        kept = before.get((port["protocol"], port["port"]))
        if spec["type"] == "ClusterIP" and port.get("nodePort") == kept:
            port.pop("nodePort", None)
        elif spec["type"] != "ClusterIP" and kept and not port.get("nodePort"):
            port["nodePort"] = kept


def _immutable(spec: Raw, old: Raw | None) -> Iterator[Problem]:
    before = (old or {}).get("spec", {}).get("clusterIP")
    if before and spec["type"] != "ExternalName" and spec.get("clusterIP") != before:
        message = f"Invalid value: {spec.get('clusterIP')!r}: may not change once set (it is {before})"
        yield Problem(message, field="spec.clusterIPs[0]")


def _version(address: Any) -> int:
    """4 or 6, or 0 for what is no address."""
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return 0


def _held_addresses(raw: Raw) -> list[str]:
    spec = raw.get("spec") or {}
    return [address for address in spec.get("clusterIPs") or [spec.get("clusterIP")] if _version(address)]


def _held_ports(raw: Raw) -> list[tuple[int, str]]:
    ports = (raw.get("spec") or {}).get("ports") or ()
    return [(port["nodePort"], port.get("protocol") or "TCP") for port in ports if port.get("nodePort")]
