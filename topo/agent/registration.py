"""The Node object that the agent registers. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from k8sshim.objects import Raw
from topo.addressing import capacity
from topo.agent.status import timestamp
from topo.plan import PlannedNode


@dataclass(frozen=True)
class HostFacts:
    """What a node says of the machine it is emulated on."""

    architecture: str  # as Kubernetes has it: amd64, arm64
    kernel: str
    os_image: str
    machine_id: str
    boot_id: str
    cpus: int
    memory_kib: int
    podwire: str  # the version
    bubblewrap: str


def node_object(node: PlannedNode, facts: HostFacts, now: float) -> Raw:
    """The Node as it is created."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels(node, facts)},
        "spec": _spec(node),
        "status": node_status(node, facts, now),
    }


def labels(node: PlannedNode, facts: HostFacts) -> dict[str, str]:
    """The node's labels: those every kubelet sets, and the description's."""
    usual = {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": facts.architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": facts.architecture,
    }
    return usual | dict(node.labels)


def _spec(node: PlannedNode) -> Raw:
    cidrs = [str(cidr) for cidr in node.pod_cidrs]
    spec: Raw = {"podCIDR": cidrs[0], "podCIDRs": cidrs}
    if node.taints:
        spec["taints"] = [
            {"key": taint.key, "effect": taint.effect} | ({"value": taint.value} if taint.value else {})
            for taint in node.taints
        ]
    return spec


def node_status(node: PlannedNode, facts: HostFacts, now: float) -> Raw:
    """The node's status: ready from the start, because the agent comes up after the topology."""
    pods = min(capacity(cidr) for cidr in node.pod_cidrs) - 1  # the gateway has one
    resources = {"cpu": str(facts.cpus), "memory": f"{facts.memory_kib}Ki", "pods": str(pods)}
    return {
        "addresses": [
            *({"type": "InternalIP", "address": str(address)} for address in node.addresses),
            {"type": "Hostname", "address": node.name},
        ],
        "conditions": [
            _condition("MemoryPressure", "False", "KubeletHasSufficientMemory", now),
            _condition("DiskPressure", "False", "KubeletHasNoDiskPressure", now),
            _condition("PIDPressure", "False", "KubeletHasSufficientPID", now),
            _condition("Ready", "True", "KubeletReady", now),
        ],
        "capacity": resources,
        "allocatable": dict(resources),
        "nodeInfo": {
            "architecture": facts.architecture,
            "bootID": facts.boot_id,
            "containerRuntimeVersion": f"bubblewrap://{facts.bubblewrap}",
            "kernelVersion": facts.kernel,
            "kubeProxyVersion": "",
            "kubeletVersion": f"podwire/{facts.podwire}",
            "machineID": facts.machine_id,
            "operatingSystem": "linux",
            "osImage": facts.os_image,
            "systemUUID": facts.machine_id,
        },
    }


def _condition(kind: str, status: str, reason: str, now: float) -> Raw:
    when = timestamp(now)
    return {"type": kind, "status": status, "reason": reason, "lastHeartbeatTime": when, "lastTransitionTime": when}
