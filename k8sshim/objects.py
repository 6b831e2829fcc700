"""What podwire reads of Kubernetes objects: frozen views of the API's JSON.

The API server stores and serves the JSON as it came. Whoever acts on an object parses a view of the fields it acts on;
two equal views mean that nothing which concerns podwire has changed, so an event that changes nothing costs nothing.
Parsing is lenient (validation has been done by then): what is absent gets Kubernetes' default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

Raw = dict[str, Any]  # an object as JSON
Labels = tuple[tuple[str, str], ...]  # sorted pairs: hashable, comparable

GROUP = "podwire.dev"
POD_NETWORK_ANNOTATION = f"{GROUP}/pod-network"  # a PodNetwork as JSON, set with the binding
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def labels_of(raw: Mapping[str, str] | None) -> Labels:
    """A label map as sorted pairs."""
    return tuple(sorted((raw or {}).items()))


@dataclass(frozen=True, order=True)
class Key:
    """An object's namespace and name; cluster-scoped objects have an empty namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @classmethod
    def of(cls, raw: Raw) -> Key:
        metadata = raw.get("metadata") or {}
        return cls(metadata.get("namespace") or "", metadata.get("name") or "")


@dataclass(frozen=True)
class PodNetwork:
    """A pod's place in the network, as address management gave it out with the binding."""

    addresses: tuple[str, ...]  # one an address family, the primary first
    mac: str
    port: int  # OpenFlow port number on the node bridge

    def to_json(self) -> str:
        return json.dumps({"addresses": list(self.addresses), "mac": self.mac, "port": self.port})

    @classmethod
    def claimed(cls, annotation: object) -> PodNetwork | None:
        """What a pod's annotation claims; None for no annotation, and for one that makes no sense."""
        try:
            raw = json.loads(annotation) if isinstance(annotation, str) else {}
            addresses, mac, port = raw["addresses"], raw["mac"], raw["port"]
            valid = type(addresses) is list and addresses and type(port) is int and _MAC.fullmatch(mac)
            return cls(tuple(str(ip_address(one)) for one in addresses), mac, port) if valid else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return None


@dataclass(frozen=True)
class ContainerPort:
    """A declared port of a pod (or of its init containers that stay, once they exist)."""

    name: str
    number: int
    protocol: str  # TCP, UDP or SCTP


@dataclass(frozen=True)
class Pod:
    """A pod as the network sees it."""

    key: Key
    uid: str
    labels: Labels
    node: str  # "" while unscheduled
    network: PodNetwork | None  # None while unscheduled, for hostNetwork pods, for a bad annotation
    host_network: bool
    phase: str
    ip: str  # status.podIP; the node's address for hostNetwork pods; "" before the agent has made it
    ready: bool
    terminating: bool
    ports: tuple[ContainerPort, ...]

    @property
    def finished(self) -> bool:
        """Whether no container of the pod will run again."""
        return self.phase in ("Succeeded", "Failed")

    @classmethod
    def parse(cls, raw: Raw) -> Pod:
        metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
        annotation = (metadata.get("annotations") or {}).get(POD_NETWORK_ANNOTATION)
        conditions = {c.get("type"): c.get("status") for c in status.get("conditions") or ()}
        return cls(
            key=Key.of(raw),
            uid=metadata.get("uid") or "",
            labels=labels_of(metadata.get("labels")),
            node=spec.get("nodeName") or "",
            network=PodNetwork.claimed(annotation),
            host_network=bool(spec.get("hostNetwork")),
            phase=status.get("phase") or "Pending",
            ip=status.get("podIP") or "",
            ready=conditions.get("Ready") == "True",
            terminating=bool(metadata.get("deletionTimestamp")),
            ports=tuple(
                ContainerPort(port.get("name") or "", int(port["containerPort"]), port.get("protocol") or "TCP")
                for container in spec.get("containers") or ()
                for port in container.get("ports") or ()
            ),
        )


@dataclass(frozen=True)
class Taint:
    """A node's taint."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True)
class Node:
    """A node as scheduling and routing see it."""

    name: str
    labels: Labels
    taints: tuple[Taint, ...]
    unschedulable: bool
    ready: bool
    addresses: tuple[str, ...]  # InternalIP, one an address family
    pod_cidrs: tuple[str, ...]

    @classmethod
    def parse(cls, raw: Raw) -> Node:
        metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
        conditions = {c.get("type"): c.get("status") for c in status.get("conditions") or ()}
        pod_cidr = spec.get("podCIDR")
        return cls(
            name=metadata["name"],
            labels=labels_of(metadata.get("labels")),
            taints=tuple(Taint(t["key"], t.get("value") or "", t["effect"]) for t in spec.get("taints") or ()),
            unschedulable=bool(spec.get("unschedulable")),
            ready=conditions.get("Ready") == "True",
            addresses=tuple(a["address"] for a in status.get("addresses") or () if a.get("type") == "InternalIP"),
            pod_cidrs=tuple(spec.get("podCIDRs") or ([pod_cidr] if pod_cidr else [])),
        )


@dataclass(frozen=True)
class ServicePort:
    """One port of a Service."""

    name: str
    protocol: str
    port: int
    target: int | str  # targetPort: a number, or a name that each pod resolves
    node_port: int  # 0 where there is none


@dataclass(frozen=True)
class Service:
    """A Service as its data path sees it. Later kinds and fields are added here as they come to mean something."""

    key: Key
    type: str
    cluster_ips: tuple[str, ...]  # empty for headless Services
    ports: tuple[ServicePort, ...]
    selector: Labels  # empty for Services without a selector
    publish_not_ready: bool

    @property
    def headless(self) -> bool:
        return not self.cluster_ips

    @classmethod
    def parse(cls, raw: Raw) -> Service:
        spec = raw.get("spec") or {}
        cluster_ip = spec.get("clusterIP")
        addresses = spec.get("clusterIPs") or ([cluster_ip] if cluster_ip else [])
        return cls(
            key=Key.of(raw),
            type=spec.get("type") or "ClusterIP",
            cluster_ips=tuple(a for a in addresses if a and a != "None"),
            ports=tuple(
                ServicePort(
                    name=port.get("name") or "",
                    protocol=port.get("protocol") or "TCP",
                    port=int(port["port"]),
                    target=port.get("targetPort") or int(port["port"]),
                    node_port=int(port.get("nodePort") or 0),
                )
                for port in spec.get("ports") or ()
            ),
            selector=labels_of(spec.get("selector")),
            publish_not_ready=bool(spec.get("publishNotReadyAddresses")),
        )


@dataclass(frozen=True)
class Endpoint:
    """One backend of a slice."""

    addresses: tuple[str, ...]
    ready: bool
    serving: bool
    terminating: bool
    node: str
    target: Key | None  # the pod behind it


@dataclass(frozen=True)
class EndpointPort:
    """A port of a slice; it holds for all the slice's endpoints."""

    name: str
    protocol: str
    port: int


@dataclass(frozen=True)
class EndpointSlice:
    """An EndpointSlice (discovery.k8s.io/v1)."""

    key: Key
    service: Key | None
    address_type: str  # IPv4, IPv6 or FQDN
    endpoints: tuple[Endpoint, ...]
    ports: tuple[EndpointPort, ...]

    @classmethod
    def parse(cls, raw: Raw) -> EndpointSlice:
        key = Key.of(raw)
        service = (raw["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        return cls(
            key=key,
            service=Key(key.namespace, service) if service else None,
            address_type=raw.get("addressType") or "IPv4",
            endpoints=tuple(_endpoint(endpoint) for endpoint in raw.get("endpoints") or ()),
            ports=tuple(
                EndpointPort(port.get("name") or "", port.get("protocol") or "TCP", int(port.get("port") or 0))
                for port in raw.get("ports") or ()
            ),
        )


def _endpoint(raw: Raw) -> Endpoint:
    conditions = raw.get("conditions") or {}
    target = raw.get("targetRef") or {}
    ready = conditions.get("ready") is not False  # nil means ready, says the API documentation
    return Endpoint(
        addresses=tuple(raw.get("addresses") or ()),
        ready=ready,
        serving=conditions.get("serving", ready) is not False,
        terminating=bool(conditions.get("terminating")),
        node=raw.get("nodeName") or "",
        target=Key(target.get("namespace") or "", target["name"]) if target.get("kind") == "Pod" else None,
    )
