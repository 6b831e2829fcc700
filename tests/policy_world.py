"""A small cluster with policies of all kinds, as raw objects: what tests of policies ask about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from experiments.policy.oracle import Address, NodePlace, Oracle, Place

Raw = dict[str, Any]
N1, N2, HOST = NodePlace("n1"), NodePlace("n2"), Address("203.0.113.9")
POLICY: Raw = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}


def namespace(name: str, **labels: str) -> Raw:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def node(name: str, address: str, **labels: str) -> Raw:
    status = {"addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "status": status}


def pod(
    name: str,
    namespace: str,
    node: str,
    address: str,
    labels: Mapping[str, str] | None = None,
    *,
    ports: Mapping[str, int | tuple[int, str]] | None = None,
    host_network: bool = False,
) -> Raw:
    """A running pod; ports by name, a number (of TCP) or a number and its protocol."""
    numbers = {key: (each if isinstance(each, tuple) else (each, "TCP")) for key, each in (ports or {}).items()}
    declared = [{"name": key.split("/")[0], "containerPort": n, "protocol": p} for key, (n, p) in numbers.items()]
    spec: Raw = {"nodeName": node, "containers": [{"name": "main", "ports": declared}]}
    if host_network:
        spec["hostNetwork"] = True
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


WORLD: tuple[Raw, ...] = (
    namespace("shop", team="s"),
    namespace("other", team="a"),
    node("n1", "192.0.2.1", pool="x"),
    node("n2", "192.0.2.2", pool="y"),
    pod("web", "shop", "n1", "10.244.1.2", {"app": "web"}, ports={"http": 80}),
    pod("db", "shop", "n2", "10.244.2.2", {"app": "db"}, ports={"sql": 81, "dns/u": (53, "UDP"), "dns/t": 54}),
    pod("batch", "shop", "n2", "10.244.2.3"),
    pod("client", "other", "n1", "10.244.1.3", {"role": "client"}),
    pod("agent", "other", "n1", "192.0.2.1", {"app": "web"}, host_network=True),
)


def policy(name: str, selected: Mapping[str, str], namespace: str = "shop", **spec: object) -> Raw:
    """A NetworkPolicy about the pods with these labels."""
    metadata = {"name": name, "namespace": namespace}
    return {**POLICY, "metadata": metadata, "spec": {"podSelector": {"matchLabels": dict(selected)}, **spec}}


def admin(name: str, priority: int, *, subject: Raw | None = None, **spec: object) -> Raw:
    """An AdminNetworkPolicy, about all pods where no subject is given."""
    return _of_administrator("AdminNetworkPolicy", "v1alpha1", name, subject, priority=priority, **spec)


def baseline(*, subject: Raw | None = None, **spec: object) -> Raw:
    """The BaselineAdminNetworkPolicy."""
    return _of_administrator("BaselineAdminNetworkPolicy", "v1alpha1", "default", subject, **spec)


def cluster_policy(name: str, tier: str, priority: int, *, subject: Raw | None = None, **spec: object) -> Raw:
    """A ClusterNetworkPolicy, about all pods where no subject is given."""
    return _of_administrator("ClusterNetworkPolicy", "v1alpha2", name, subject, tier=tier, priority=priority, **spec)


def _of_administrator(kind: str, version: str, name: str, subject: Raw | None, **spec: object) -> Raw:
    return {
        "apiVersion": f"policy.networking.k8s.io/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"subject": subject or {"namespaces": {}}, **spec},
    }


def allowed(objects: Iterable[Raw], source: Place, target: Place, port: int = 80, protocol: str = "TCP") -> bool:
    """Whether the small cluster with these policies lets a connection pass."""
    return Oracle([*WORLD, *objects]).verdict(source, target, port, protocol).allowed
