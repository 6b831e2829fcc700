"""What a Service gets from the cluster: addresses of the service ranges, node ports.

Sources: https://kubernetes.io/docs/concepts/services-networking/service/ and Kubernetes' pkg/registry/core/service.
What is taken is derived from the store's own events, so that a deletion, a restart and a refused write need no
bookkeeping.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from k8sshim.cluster import NODE_PORTS
from k8sshim.errors import Problem
from k8sshim.errors import invalid as invalid_value
from k8sshim.objects import Raw
from k8sshim.records import Event
from k8sshim.store import Store
from k8sshim.validation.addresses import version_of

from . import families
from .pools import AddressPool, PortPool, RangeIsFull
from .resources import SERVICES, resource_name
from .service_fields import ports_of, wants_address, wants_health_check, wants_node_ports
from .status import internal_error, invalid


class ServiceAllocator:
    """Gives Services what they ask of the cluster; `cidrs`: one a family, primary first."""

    def __init__(self, cidrs: Sequence[str], store: Store, node_ports: tuple[int, int] = NODE_PORTS) -> None:
        self._pools = {pool.family: pool for pool in (AddressPool(ipaddress.ip_network(cidr)) for cidr in cidrs)}
        self._ports = PortPool(*node_ports)
        for record in store.records(resource_name(SERVICES)):
            self._take(record.decode())
        store.subscribe(resource_name(SERVICES), self._on_event)

    @property
    def first_address(self) -> str:
        """The address of the Service `kubernetes`."""
        return next(iter(self._pools.values())).first

    # What is taken

    def _on_event(self, event: Event) -> None:
        if event.previous:
            self._release(event.previous.decode())
        if not event.deleted:
            self._take(event.record.decode())

    def _take(self, raw: Raw) -> None:
        uid = raw["metadata"]["uid"]
        for address in _held_addresses(raw):
            if pool := self._pools.get(f"IPv{version_of(address)}"):
                pool.take(address, uid)
        for port in _held_ports(raw):
            self._ports.take(port, uid)

    def _release(self, raw: Raw) -> None:
        for address in _held_addresses(raw):
            if pool := self._pools.get(f"IPv{version_of(address)}"):
                pool.release(address)
        for port in _held_ports(raw):
            self._ports.release(port)

    # Giving

    def allocate(self, raw: Raw, old: Raw | None) -> None:
        """Fill in what a valid Service about to be stored gets (`old`: as it was). Raises ApiError 422, 500."""
        spec, uid = raw["spec"], raw["metadata"]["uid"]
        try:
            problems = [
                *self._cluster_ips(spec, uid, old),
                *self._node_ports(spec, uid, new=old is None),
                *self._health_check(spec, uid),
            ]
        except RangeIsFull as full:
            raise internal_error(str(full)) from full
        if problems:
            raise invalid(SERVICES, raw["metadata"]["name"], problems)

    def _cluster_ips(self, spec: Raw, uid: str, old: Raw | None) -> Iterator[Problem]:
        if not wants_address(spec):
            return
        wrong = list(families.choose(spec, old, tuple(self._pools)))
        if wrong or spec.get("clusterIP") == "None":
            yield from wrong
            return
        asked = list(spec.get("clusterIPs") or ())
        addresses = []
        for number, family in enumerate(spec["ipFamilies"]):
            pool, address = self._pools[family], asked[number] if number < len(asked) else ""
            refusal = pool.refusal(address, uid) if address else ""
            if refusal:
                message = invalid_value(asked, f"failed to allocate IP {address}: {refusal}")
                yield Problem(message, field="spec.clusterIPs")
            addresses.append(address or pool.free())
        spec["clusterIP"], spec["clusterIPs"] = addresses[0], addresses

    def _node_ports(self, spec: Raw, uid: str, *, new: bool) -> Iterator[Problem]:
        """Ports asked for, then the others. Those of a new Service that have one number (on TCP and UDP) share one."""
        ports = ports_of(spec) if spec["type"] in ("NodePort", "LoadBalancer") else []
        for number, port in enumerate(ports):
            refusal = self._ports.refusal(port["nodePort"], uid) if port.get("nodePort") else ""
            if refusal:
                yield Problem(invalid_value(port["nodePort"], refusal), field=f"spec.ports[{number}].nodePort")
        shared = {port["port"]: port["nodePort"] for port in reversed(ports) if port.get("nodePort")} if new else {}
        used = {port["nodePort"] for port in ports if port.get("nodePort")} | {spec.get("healthCheckNodePort") or 0}
        for port in ports if wants_node_ports(spec) else ():
            if not port.get("nodePort"):
                port["nodePort"] = shared.get(port["port"]) or self._ports.free(used)
                used.add(port["nodePort"])
            if new:
                shared.setdefault(port["port"], port["nodePort"])

    def _health_check(self, spec: Raw, uid: str) -> Iterator[Problem]:
        asked = spec.get("healthCheckNodePort")
        if not wants_health_check(spec):
            return
        used = {port["nodePort"] for port in ports_of(spec) if port.get("nodePort")}
        if not asked:
            spec["healthCheckNodePort"] = self._ports.free(used)
            return
        refusal = "provided port is already allocated" if asked in used else self._ports.refusal(asked, uid)
        if refusal:
            why = f"failed to allocate requested HealthCheck NodePort {asked}: {refusal}"
            yield Problem(invalid_value(asked, why), field="spec.healthCheckNodePort")


def _held_addresses(raw: Raw) -> list[str]:
    spec = raw.get("spec") or {}
    return [address for address in spec.get("clusterIPs") or [spec.get("clusterIP")] if version_of(address or "")]


def _held_ports(raw: Raw) -> set[int]:
    spec = raw.get("spec") or {}
    ports = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    return ports | ({spec["healthCheckNodePort"]} if spec.get("healthCheckNodePort") else set())
