"""Where the API serves each kind: what a request needs to know. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from k8sshim import kinds
from k8sshim.cluster import CLUSTER_API_VERSION
from k8sshim.errors import BadInput
from k8sshim.objects import Key


@dataclass(frozen=True)
class Resource:
    """One collection of the API."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def collection(self, namespace: str | None = None) -> str:
        """The URL path of the collection: one namespace's, or all (None)."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        scope = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{root}{scope}/{self.plural}"

    def path(self, key: Key, subresource: str = "") -> str:
        """The URL path of one object, or of its subresource."""
        path = f"{self.collection(key.namespace)}/{quote(key.name, safe='')}"
        return f"{path}/{subresource}" if subresource else path


def resource_for(api_version: str, kind: str) -> Resource:
    """The resource of a built-in kind (or of podwire's own). Raises BadInput where there is no such kind."""
    entry = kinds.find(api_version, kind)
    if entry is None:
        raise BadInput.of(f"the API has no kind {kind!r} in {api_version!r}")
    return Resource(api_version, kind, entry.plural, entry.namespaced)


def token_of(service_account: str) -> Resource:
    """Where a ServiceAccount's tokens are had: by creating a TokenRequest in its namespace."""
    return Resource("v1", "TokenRequest", f"{SERVICE_ACCOUNTS.plural}/{quote(service_account, safe='')}/token", True)


CONFIG_MAPS = resource_for("v1", "ConfigMap")
ENDPOINTS = resource_for("v1", "Endpoints")
EVENTS = resource_for("v1", "Event")
NAMESPACES = resource_for("v1", "Namespace")
NODES = resource_for("v1", "Node")
PODS = resource_for("v1", "Pod")
REPLICATION_CONTROLLERS = resource_for("v1", "ReplicationController")
SERVICE_ACCOUNTS = resource_for("v1", "ServiceAccount")
SERVICES = resource_for("v1", "Service")
DAEMON_SETS = resource_for("apps/v1", "DaemonSet")
DEPLOYMENTS = resource_for("apps/v1", "Deployment")
REPLICA_SETS = resource_for("apps/v1", "ReplicaSet")
STATEFUL_SETS = resource_for("apps/v1", "StatefulSet")
LEASES = resource_for("coordination.k8s.io/v1", "Lease")
ENDPOINT_SLICES = resource_for("discovery.k8s.io/v1", "EndpointSlice")
NETWORK_POLICIES = resource_for("networking.k8s.io/v1", "NetworkPolicy")
ADMIN_NETWORK_POLICIES = resource_for(f"{kinds.POLICY_GROUP}/v1alpha1", "AdminNetworkPolicy")
BASELINE_ADMIN_NETWORK_POLICIES = resource_for(f"{kinds.POLICY_GROUP}/v1alpha1", "BaselineAdminNetworkPolicy")
CLUSTER_NETWORK_POLICIES = resource_for(f"{kinds.POLICY_GROUP}/v1alpha2", "ClusterNetworkPolicy")
CUSTOM_RESOURCE_DEFINITIONS = resource_for("apiextensions.k8s.io/v1", "CustomResourceDefinition")
CLUSTERS = resource_for(CLUSTER_API_VERSION, "Cluster")
