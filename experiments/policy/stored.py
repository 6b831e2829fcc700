"""What a lab's API holds of policies, and of whom they are about: what the oracle is asked over."""

from __future__ import annotations

from k8sshim.client import (
    ADMIN_NETWORK_POLICIES,
    BASELINE_ADMIN_NETWORK_POLICIES,
    CLUSTER_NETWORK_POLICIES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    Client,
)
from k8sshim.objects import Raw

POLICIES = (NETWORK_POLICIES, ADMIN_NETWORK_POLICIES, BASELINE_ADMIN_NETWORK_POLICIES, CLUSTER_NETWORK_POLICIES)


def objects(client: Client) -> list[Raw]:
    """Pods, namespaces, nodes and policies of all kinds, as they are now. Raises PodwireError."""
    return [
        {"apiVersion": resource.api_version, "kind": resource.kind, **raw}
        for resource in (PODS, NAMESPACES, NODES, *POLICIES)
        for raw in client.list(resource)[0]
    ]
