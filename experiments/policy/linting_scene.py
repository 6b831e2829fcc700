"""What lint looks at: the policies of some files, and the pods, Services and namespaces beside them. Pure.

Pods are those of the files and those that their workloads would make. Files need not be the whole cluster: a check that
compares with what is not there says so only where the files have something of that kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_network

from k8sshim.admin_policies import admin_network_policy, baseline_admin_network_policy, cluster_network_policy
from k8sshim.kinds import POLICY_GROUP
from k8sshim.manifests.documents import Document
from k8sshim.objects import Raw
from k8sshim.policies import NAME_LABEL, PodGroup, Policy, network_policy
from k8sshim.selectors import Selector
from topo.ranges import POD_CIDR, SERVICE_CIDR

BUILT_IN = ("default", "kube-node-lease", "kube-public", "kube-system")  # namespaces of every cluster
GENERATED = {  # labels that controllers give to the pods that they make
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/job-name",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
}
_ADMINISTRATORS = {
    "AdminNetworkPolicy": admin_network_policy,
    "BaselineAdminNetworkPolicy": baseline_admin_network_policy,
    "ClusterNetworkPolicy": cluster_network_policy,
}


@dataclass(frozen=True)
class Written:
    """A policy as somebody wrote it, and what it says."""

    document: Document
    policy: Policy

    @property
    def spec(self) -> Raw:
        spec: Raw = self.document.raw.get("spec") or {}
        return spec

    @property
    def namespace(self) -> str:
        return self.policy.key.namespace

    def __str__(self) -> str:
        return str(self.policy)


@dataclass(frozen=True)
class Workload:
    """A pod, or the pods that a template makes."""

    namespace: str
    labels: dict[str, str]
    ports: frozenset[tuple[str, int, str]]  # name, number, protocol
    host_network: bool

    def number(self, name: str, protocol: str) -> int:
        """The port of that name; 0 where there is none."""
        return next((number for each, number, kind in self.ports if (each, kind) == (name, protocol)), 0)


@dataclass(frozen=True)
class Service:
    """A Service with a selector."""

    name: str  # namespace/name
    namespace: str
    selector: Selector
    ports: tuple[Raw, ...]


@dataclass(frozen=True)
class Scene:
    """All of it."""

    policies: tuple[Written, ...]  # NetworkPolicies
    administrators: tuple[Written, ...]
    workloads: tuple[Workload, ...] = field(repr=False)
    services: tuple[Service, ...]
    namespaces: dict[str, dict[str, str]]  # labels, of those that the files describe
    pod_range: str
    service_range: str

    @cached_property
    def known_namespaces(self) -> dict[str, dict[str, str]]:
        """Besides those described, the built-in ones and those that objects are in: they have their name as a label."""
        names = {*BUILT_IN, *(one.namespace for one in self.workloads), *(one.namespace for one in self.policies)}
        return {**{name: {NAME_LABEL: name} for name in names}, **self.namespaces}

    def pods(self, group: PodGroup) -> list[Workload]:
        """The workloads whose pods a subject or a peer means, hostNetwork ones among them."""
        return [
            one
            for one in self.workloads
            if (group.namespaces is None and one.namespace == group.namespace)
            or (group.namespaces is not None and group.namespaces.matches(self.known_namespaces[one.namespace]))
            if may_match(group.pods, one.labels)
        ]


def may_match(selector: Selector, labels: dict[str, str]) -> bool:
    """Whether it selects these labels, or would with labels that only controllers know."""
    return all(one.key in GENERATED or one.matches(labels) for one in selector.requirements or ())


def scene(documents: Iterable[Document]) -> Scene:
    """What the objects of some files are to their policies."""
    found = tuple(documents)
    clusters = [one.raw.get("spec") or {} for one in found if one.raw["kind"] == "Cluster"]
    namespaces = [one for one in found if (one.raw["apiVersion"], one.raw["kind"]) == ("v1", "Namespace")]
    return Scene(
        policies=tuple(Written(one, network_policy(_named(one))) for one in found if _is_network_policy(one)),
        administrators=tuple(
            Written(one, _ADMINISTRATORS[one.raw["kind"]](one.raw)) for one in found if _is_of_administrator(one)
        ),
        workloads=tuple(each for one in found for each in _workloads(one)),
        services=tuple(each for one in found for each in _services(one)),
        namespaces={
            one.key.name: {**(one.raw["metadata"].get("labels") or {}), NAME_LABEL: one.key.name} for one in namespaces
        },
        pod_range=_range(clusters, "podCIDR", POD_CIDR),
        service_range=_range(clusters, "serviceCIDR", SERVICE_CIDR),
    )


def _is_network_policy(one: Document) -> bool:
    return (one.raw["apiVersion"], one.raw["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")


def _is_of_administrator(one: Document) -> bool:
    return one.raw["apiVersion"].startswith(f"{POLICY_GROUP}/") and one.raw["kind"] in _ADMINISTRATORS


def _named(one: Document) -> Raw:
    """With the namespace that it goes to."""
    return {**one.raw, "metadata": {**one.raw["metadata"], "namespace": one.key.namespace}}


def _range(clusters: list[Raw], name: str, default: str) -> str:
    """What the first Cluster of the files says, where that is a range; what is wrong with it is for others to say."""
    text = next((str(spec[name]) for spec in clusters if spec.get(name)), default)
    try:
        return str(ip_network(text))
    except ValueError:
        return default


def _workloads(one: Document) -> Iterator[Workload]:
    spec = one.raw.get("spec") or {}
    match one.raw["kind"]:
        case "Pod":
            template: Raw | None = one.raw
        case "Deployment" | "ReplicaSet" | "ReplicationController" | "DaemonSet" | "StatefulSet" | "Job":
            template = spec.get("template")
        case "CronJob":
            template = spec["jobTemplate"]["spec"]["template"]
        case _:
            template = None
    if template is not None:
        body = template.get("spec") or {}
        ports = (port for container in body.get("containers") or () for port in container.get("ports") or ())
        yield Workload(
            namespace=one.key.namespace,
            labels=(template.get("metadata") or {}).get("labels") or {},
            ports=frozenset((p.get("name") or "", int(p["containerPort"]), p.get("protocol") or "TCP") for p in ports),
            host_network=bool(body.get("hostNetwork")),
        )


def _services(one: Document) -> Iterator[Service]:
    spec = one.raw.get("spec") or {}
    if (one.raw["apiVersion"], one.raw["kind"]) == ("v1", "Service") and spec.get("selector"):
        selector = Selector.from_labels(spec["selector"])
        yield Service(str(one.key), one.key.namespace, selector, tuple(spec.get("ports") or ()))
