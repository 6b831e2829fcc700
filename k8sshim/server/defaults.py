"""What the API server fills in where a manifest is silent, and clients and controllers rely on.

Each rule is one of Kubernetes' `SetDefaults_*` (pkg/apis/*/v1/defaults.go), for the kinds that podwire acts on and for
those beside them that kubectl shows. What a Service gets of addresses and ports is in `services`. Objects are changed
in place: they have just been decoded and belong to the caller.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from k8sshim.kinds import POLICY_GROUP, Kind
from k8sshim.objects import Raw

from .custom import CustomKind, fill_in
from .pod_defaults import fill, objects, pod, pod_template, spec_of


def apply(kind: Kind, raw: Raw) -> None:
    """Fill in an object of that kind."""
    if isinstance(kind, CustomKind):
        fill_in(raw, kind.schema)
    rule = _RULES.get((kind.group, kind.kind))
    if rule:
        rule(raw)


# Workloads


def _deployment(raw: Raw) -> None:
    spec = spec_of(raw)
    fill(spec, replicas=1, strategy={}, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec["strategy"]
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(strategy, rollingUpdate={})
        fill(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")
    pod_template(spec)


def _replica_set(raw: Raw) -> None:
    fill(spec_of(raw), replicas=1)
    pod_template(raw["spec"])


def _replication_controller(raw: Raw) -> None:
    """Selector and labels come from the template's labels where they are missing."""
    spec = spec_of(raw)
    fill(spec, replicas=1)
    pod_template(spec)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not raw["metadata"].get("labels"):
            raw["metadata"]["labels"] = dict(labels)


def _stateful_set(raw: Raw) -> None:
    spec = spec_of(raw)
    fill(spec, replicas=1, podManagementPolicy="OrderedReady", revisionHistoryLimit=10, updateStrategy={})
    fill(spec, persistentVolumeClaimRetentionPolicy={})
    fill(spec["persistentVolumeClaimRetentionPolicy"], whenDeleted="Retain", whenScaled="Retain")
    fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], rollingUpdate={})
        fill(spec["updateStrategy"]["rollingUpdate"], partition=0)
    for claim in objects(spec.get("volumeClaimTemplates")):
        fill(claim, apiVersion="v1", kind="PersistentVolumeClaim", status={"phase": "Pending"})
        _claim(claim)
    pod_template(spec)


def _daemon_set(raw: Raw) -> None:
    spec = spec_of(raw)
    fill(spec, revisionHistoryLimit=10, updateStrategy={})
    fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        fill(spec["updateStrategy"], rollingUpdate={})
        fill(spec["updateStrategy"]["rollingUpdate"], maxSurge=0, maxUnavailable=1)
    pod_template(spec)


def _job(raw: Raw) -> None:
    """A Job's pods are found by the Job's own UID, which admission has set by now."""
    spec = spec_of(raw)
    _job_spec(spec)
    if spec.get("selector") is None and not spec.get("manualSelector"):
        uid, name = raw["metadata"].get("uid") or "", raw["metadata"].get("name") or ""
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        labels = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name}
        metadata = spec.setdefault("template", {}).setdefault("metadata", {})
        metadata["labels"] = (metadata.get("labels") or {}) | labels | {"controller-uid": uid, "job-name": name}


def _job_spec(spec: Raw) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    fill(spec, parallelism=1, backoffLimit=6, completionMode="NonIndexed", suspend=False, manualSelector=False)
    fill(spec, podReplacementPolicy="TerminatingOrFailed")
    pod_template(spec)


def _cron_job(raw: Raw) -> None:
    spec = spec_of(raw)
    fill(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    if isinstance(spec.get("jobTemplate"), dict):
        spec["jobTemplate"].setdefault("metadata", {})
        pod_template(spec_of(spec["jobTemplate"]))


# Others


def _namespace(raw: Raw) -> None:
    labels = raw["metadata"].get("labels") or {}
    raw["metadata"]["labels"] = labels | {"kubernetes.io/metadata.name": raw["metadata"]["name"]}
    fill(spec_of(raw), finalizers=["kubernetes"])


def _secret(raw: Raw) -> None:
    """`stringData` is for writing only: it is kept, encoded, in `data`."""
    fill(raw, type="Opaque")
    for name, text in (raw.pop("stringData", None) or {}).items():
        data = raw.get("data") or {}
        raw["data"] = data | {name: base64.b64encode(str(text).encode()).decode()}


def _claim(raw: Raw) -> None:
    fill(spec_of(raw), volumeMode="Filesystem")


def _network_policy(raw: Raw) -> None:
    spec = spec_of(raw)
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    for rule in [*objects(spec.get("ingress")), *objects(spec.get("egress"))]:
        if rule.get("ports"):
            rule["ports"] = [port or {} for port in rule["ports"]]  # null, too, is all ports of TCP
        for port in objects(rule.get("ports")):
            fill(port, protocol="TCP")


def _admin_policy(raw: Raw) -> None:
    spec = spec_of(raw)
    for rule in [*objects(spec.get("ingress")), *objects(spec.get("egress"))]:
        for port in objects(rule.get("ports")):
            for name in ("portNumber", "portRange"):
                if name in port:
                    fill(port[name], protocol="TCP")


def _endpoint_ports(ports: Any) -> None:
    for port in objects(ports):
        fill(port, protocol="TCP", name="")


def _endpoint_slice(raw: Raw) -> None:
    _endpoint_ports(raw.get("ports"))


def _endpoints(raw: Raw) -> None:
    for subset in objects(raw.get("subsets")):
        for port in objects(subset.get("ports")):
            fill(port, protocol="TCP")


def _storage_class(raw: Raw) -> None:
    fill(raw, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _autoscaler(raw: Raw) -> None:
    fill(spec_of(raw), minReplicas=1)


_RULES: dict[tuple[str, str], Callable[[Raw], None]] = {
    ("", "Pod"): pod,
    ("", "PodTemplate"): pod_template,
    ("", "ReplicationController"): _replication_controller,
    ("", "Namespace"): _namespace,
    ("", "Node"): lambda raw: fill(raw, spec={}),
    ("", "Secret"): _secret,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Endpoints"): _endpoints,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cron_job,
    ("networking.k8s.io", "NetworkPolicy"): _network_policy,
    (POLICY_GROUP, "AdminNetworkPolicy"): _admin_policy,
    (POLICY_GROUP, "BaselineAdminNetworkPolicy"): _admin_policy,
    ("discovery.k8s.io", "EndpointSlice"): _endpoint_slice,
    ("storage.k8s.io", "StorageClass"): _storage_class,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
}
