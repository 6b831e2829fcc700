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
BALANCING_ANNOTATION = f"{GROUP}/load-balancing"  # of a Service: one of BALANCING
WEIGHT_ANNOTATION = f"{GROUP}/weight"  # of a pod: its share of a Service that balances by weight, 1 to 100
NODE_NOT_READY = "NodeNotReady"  # why a pod is not ready: nothing is heard of its node
BALANCING = ("hash", "source", "weighted", "round-robin", "consistent")
ZONE_LABEL = "topology.kubernetes.io/zone"
MAX_WEIGHT = 100
DEFAULT_AFFINITY_S = 10800
_SHORT_NUMBER = re.compile(r"[0-9]{1,3}")
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
    host_port: int = 0  # 0 where there is none
    host_ip: str = ""  # of the host port; "" for every address of the node


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
    weight: int = 1
    created: str = ""  # RFC 3339

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
                ContainerPort(
                    port.get("name") or "",
                    int(port["containerPort"]),
                    port.get("protocol") or "TCP",
                    int(port.get("hostPort") or 0),
                    port.get("hostIP") or "",
                )
                for container in spec.get("containers") or ()
                for port in container.get("ports") or ()
            ),
            weight=weight_of((metadata.get("annotations") or {}).get(WEIGHT_ANNOTATION)) or 1,
            created=metadata.get("creationTimestamp") or "",
        )


def weight_of(annotation: object) -> int:
    """The weight that an annotation says; 0 where it makes no sense."""
    number = int(annotation) if isinstance(annotation, str) and _SHORT_NUMBER.fullmatch(annotation) else 0
    return number if number <= MAX_WEIGHT else 0


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

    @property
    def zone(self) -> str:
        """The failure domain that the node says it is in; "" for none."""
        return dict(self.labels).get(ZONE_LABEL, "")

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
    """A Service as its data path and its names see it."""

    key: Key
    type: str
    cluster_ips: tuple[str, ...]  # empty for headless Services
    ports: tuple[ServicePort, ...]
    selector: Labels  # empty for Services without a selector
    publish_not_ready: bool
    external_name: str = ""
    external_ips: tuple[str, ...] = ()
    ingress_ips: tuple[str, ...] = ()  # what status.loadBalancer.ingress says, of type LoadBalancer
    source_ranges: tuple[str, ...] = ()  # who may use those; empty for everybody
    affinity_s: int = 0  # sessionAffinity ClientIP: seconds from last use; 0 for no affinity
    external_local: bool = False  # externalTrafficPolicy Local
    internal_local: bool = False  # internalTrafficPolicy Local
    health_check_port: int = 0  # healthCheckNodePort
    balancing: str = "hash"  # one of BALANCING
    created: str = ""  # RFC 3339

    @property
    def headless(self) -> bool:
        return not self.cluster_ips

    @classmethod
    def parse(cls, raw: Raw) -> Service:
        spec, status = raw.get("spec") or {}, raw.get("status") or {}
        balancing = (raw["metadata"].get("annotations") or {}).get(BALANCING_ANNOTATION)
        kind, cluster_ip = spec.get("type") or "ClusterIP", spec.get("clusterIP")
        named = kind == "ExternalName"
        addresses = () if named else spec.get("clusterIPs") or ([cluster_ip] if cluster_ip else [])
        ingress = (status.get("loadBalancer") or {}).get("ingress") or () if kind == "LoadBalancer" else ()
        return cls(
            key=Key.of(raw),
            type=kind,
            cluster_ips=tuple(a for a in addresses if a and a != "None"),
            ports=tuple(map(_service_port, spec.get("ports") or ())),
            selector=labels_of(spec.get("selector")),
            publish_not_ready=bool(spec.get("publishNotReadyAddresses")),
            external_name=(spec.get("externalName") or "") if named else "",
            external_ips=tuple(spec.get("externalIPs") or ()),
            ingress_ips=tuple(entry["ip"] for entry in ingress if entry.get("ip")),
            source_ranges=tuple(spec.get("loadBalancerSourceRanges") or ()) if kind == "LoadBalancer" else (),
            affinity_s=_affinity_s(spec),
            external_local=spec.get("externalTrafficPolicy") == "Local",
            internal_local=spec.get("internalTrafficPolicy") == "Local",
            health_check_port=int(spec.get("healthCheckNodePort") or 0),
            balancing=balancing if balancing in BALANCING else "hash",
            created=raw["metadata"].get("creationTimestamp") or "",
        )


def _service_port(port: Raw) -> ServicePort:
    return ServicePort(
        name=port.get("name") or "",
        protocol=port.get("protocol") or "TCP",
        port=int(port["port"]),
        target=port.get("targetPort") or int(port["port"]),
        node_port=int(port.get("nodePort") or 0),
    )


def _affinity_s(spec: Raw) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or DEFAULT_AFFINITY_S)


@dataclass(frozen=True)
class Endpoint:
    """One backend of a slice."""

    addresses: tuple[str, ...]
    ready: bool
    serving: bool
    terminating: bool
    node: str
    target: Key | None  # the pod behind it
    hostname: str = ""
    zone: str = ""
    for_zones: tuple[str, ...] = ()  # hints: the zones whose clients it is meant for; empty for all


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
        hostname=raw.get("hostname") or "",
        zone=raw.get("zone") or "",
        for_zones=tuple(hint["name"] for hint in (raw.get("hints") or {}).get("forZones") or ()),
    )
