"""Follows the API's objects and hands them on as views."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from k8sshim.admin_policies import admin_network_policy, baseline_admin_network_policy, cluster_network_policy
from k8sshim.client import (
    ADMIN_NETWORK_POLICIES,
    BASELINE_ADMIN_NETWORK_POLICIES,
    CLUSTER_NETWORK_POLICIES,
    CLUSTERS,
    ENDPOINT_SLICES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    SERVICES,
    Client,
    Deleted,
    Event,
    Informer,
    Resource,
    Synced,
)
from k8sshim.cluster import Cluster
from k8sshim.objects import EndpointSlice, Key, Node, Pod, Raw, Service
from k8sshim.policies import Namespace, network_policy

from .desired import View
from .framework import Framework

KINDS: dict[str, tuple[Resource, Callable[[Raw], View]]] = {
    "Cluster": (CLUSTERS, Cluster.parse),
    "Node": (NODES, Node.parse),
    "Pod": (PODS, Pod.parse),
    "Service": (SERVICES, Service.parse),
    "EndpointSlice": (ENDPOINT_SLICES, EndpointSlice.parse),
    "Namespace": (NAMESPACES, Namespace.parse),
    "NetworkPolicy": (NETWORK_POLICIES, network_policy),
    "AdminNetworkPolicy": (ADMIN_NETWORK_POLICIES, admin_network_policy),
    "BaselineAdminNetworkPolicy": (BASELINE_ADMIN_NETWORK_POLICIES, baseline_admin_network_policy),
    "ClusterNetworkPolicy": (CLUSTER_NETWORK_POLICIES, cluster_network_policy),
}


class Objects(Protocol):
    """Whom the objects concern; called in the informers' threads."""

    def put(self, kind: str, key: Key, view: View | None) -> None: ...

    def synced(self, kind: str) -> None: ...


def watch(kubeconfig: Path, objects: Objects, framework: Framework) -> None:
    """Start following every kind; `synced` is called once for each when all that was there has been put."""
    for kind, (resource, parse) in KINDS.items():
        client = Client(kubeconfig)
        Informer(client, resource, _handler(kind, parse, objects), spawn=framework.spawn).start()


def _handler(kind: str, parse: Callable[[Raw], View], objects: Objects) -> Callable[[Event], None]:
    def handle(event: Event) -> None:
        if isinstance(event, Synced):
            objects.synced(kind)
        else:
            gone = isinstance(event, Deleted)
            objects.put(kind, Key.of(event.raw), None if gone else parse(event.raw))

    return handle
