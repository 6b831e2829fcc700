"""What the API server fills in where a manifest is silent, and clients and controllers rely on.

Each rule is one of Kubernetes' `SetDefaults_*` (pkg/apis/*/v1/defaults.go), for the kinds that podwire acts on and for
those beside them that kubectl shows. What a Service gets of addresses and ports is in `services`. Objects are changed
in place: they have just been decoded and belong to the caller.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from k8sshim.kinds import Kind
from k8sshim.objects import Raw

_DAY_S = 24 * 3600


def apply(kind: Kind, raw: Raw) -> None:
    """Fill in an object of that kind."""
    rule = _RULES.get((kind.group, kind.kind))
    if rule:
        rule(raw)


def _set(raw: Raw, **values: Any) -> None:
    for name, value in values.items():
        if raw.get(name) is None:
            raw[name] = value


def _objects(value: Any) -> list[Raw]:
    return value if isinstance(value, list) else []


def _spec(raw: Raw) -> Raw:
    if not isinstance(raw.get("spec"), dict):
        raw["spec"] = {}
    spec: Raw = raw["spec"]
    return spec


# Pods


def _pod(raw: Raw) -> None:
    _pod_spec(_spec(raw))


def pod_template(raw: Raw) -> None:
    template = raw.get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        if template["metadata"] is None:
            template["metadata"] = {}
        _pod_spec(_spec(template))


def _pod_spec(spec: Raw) -> None:
    _set(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for container in _objects(spec.get(field)):
            _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in _objects(spec.get("volumes")):
        _volume(volume)


def _only_pod(raw: Raw) -> None:
    """A pod itself has what its template leaves to admission."""
    _pod(raw)
    _set(raw["spec"], enableServiceLinks=True, serviceAccountName="default", preemptionPolicy="PreemptLowerPriority")
    _set(raw["spec"], priority=0)


def _container(container: Raw, *, host_network: bool) -> None:
    image = str(container.get("image") or "")
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    latest = tag in ("", "latest") and "@" not in image
    _set(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if latest else "IfNotPresent",
    )
    for port in _objects(container.get("ports")):
        _set(port, protocol="TCP")
        if host_network:
            _set(port, hostPort=port.get("containerPort"))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(name), dict):
            _probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _http_get(handler)
    for variable in _objects(container.get("env")):
        field = (variable.get("valueFrom") or {}).get("fieldRef")
        if isinstance(field, dict):
            _set(field, apiVersion="v1")


def _probe(probe: Raw) -> None:
    _set(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    _http_get(probe)
    if isinstance(probe.get("grpc"), dict):
        _set(probe["grpc"], service="")


def _http_get(handler: Raw) -> None:
    if isinstance(handler.get("httpGet"), dict):
        _set(handler["httpGet"], path="/", scheme="HTTP")


def _volume(volume: Raw) -> None:
    for name in ("configMap", "secret", "downwardAPI", "projected"):
        if isinstance(volume.get(name), dict):
            _set(volume[name], defaultMode=0o644)
    if isinstance(volume.get("hostPath"), dict):
        _set(volume["hostPath"], type="")
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}


# Workloads


def _deployment(raw: Raw) -> None:
    spec = _spec(raw)
    _set(spec, replicas=1, strategy={}, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec["strategy"]
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy, rollingUpdate={})
        _set(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")
    pod_template(spec)


def _replica_set(raw: Raw) -> None:
    _set(_spec(raw), replicas=1)
    pod_template(raw["spec"])


def _replication_controller(raw: Raw) -> None:
    """Selector and labels come from the template's labels where they are missing."""
    spec = _spec(raw)
    _set(spec, replicas=1)
    pod_template(spec)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not raw["metadata"].get("labels"):
            raw["metadata"]["labels"] = dict(labels)


def _stateful_set(raw: Raw) -> None:
    spec = _spec(raw)
    _set(spec, replicas=1, podManagementPolicy="OrderedReady", revisionHistoryLimit=10, updateStrategy={})
    _set(spec, persistentVolumeClaimRetentionPolicy={})
    _set(spec["persistentVolumeClaimRetentionPolicy"], whenDeleted="Retain", whenScaled="Retain")
    _set(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _set(spec["updateStrategy"], rollingUpdate={})
        _set(spec["updateStrategy"]["rollingUpdate"], partition=0)
    for claim in _objects(spec.get("volumeClaimTemplates")):
        _set(claim, apiVersion="v1", kind="PersistentVolumeClaim", status={"phase": "Pending"})
        _claim(claim)
    pod_template(spec)


def _daemon_set(raw: Raw) -> None:
    spec = _spec(raw)
    _set(spec, revisionHistoryLimit=10, updateStrategy={})
    _set(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _set(spec["updateStrategy"], rollingUpdate={})
        _set(spec["updateStrategy"]["rollingUpdate"], maxSurge=0, maxUnavailable=1)
    pod_template(spec)


def _job(raw: Raw) -> None:
    """A Job's pods are found by the Job's own UID, which admission has set by now."""
    spec = _spec(raw)
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
    _set(spec, parallelism=1, backoffLimit=6, completionMode="NonIndexed", suspend=False, manualSelector=False)
    _set(spec, podReplacementPolicy="TerminatingOrFailed")
    pod_template(spec)


def _cron_job(raw: Raw) -> None:
    spec = _spec(raw)
    _set(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    if isinstance(spec.get("jobTemplate"), dict):
        spec["jobTemplate"].setdefault("metadata", {})
        pod_template(_spec(spec["jobTemplate"]))


# Others


def _namespace(raw: Raw) -> None:
    labels = raw["metadata"].get("labels") or {}
    raw["metadata"]["labels"] = labels | {"kubernetes.io/metadata.name": raw["metadata"]["name"]}
    _set(_spec(raw), finalizers=["kubernetes"])


def _secret(raw: Raw) -> None:
    """`stringData` is for writing only: it is kept, encoded, in `data`."""
    _set(raw, type="Opaque")
    for name, text in (raw.pop("stringData", None) or {}).items():
        data = raw.get("data") or {}
        raw["data"] = data | {name: base64.b64encode(str(text).encode()).decode()}


def _claim(raw: Raw) -> None:
    _set(_spec(raw), volumeMode="Filesystem")


def _network_policy(raw: Raw) -> None:
    spec = _spec(raw)
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    for rule in [*_objects(spec.get("ingress")), *_objects(spec.get("egress"))]:
        for port in _objects(rule.get("ports")):
            _set(port, protocol="TCP")


def _endpoint_ports(ports: Any) -> None:
    for port in _objects(ports):
        _set(port, protocol="TCP", name="")


def _endpoint_slice(raw: Raw) -> None:
    _endpoint_ports(raw.get("ports"))


def _endpoints(raw: Raw) -> None:
    for subset in _objects(raw.get("subsets")):
        for port in _objects(subset.get("ports")):
            _set(port, protocol="TCP")


def _storage_class(raw: Raw) -> None:
    _set(raw, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _autoscaler(raw: Raw) -> None:
    _set(_spec(raw), minReplicas=1)


def _lease(raw: Raw) -> None:
    _spec(raw)


_RULES: dict[tuple[str, str], Callable[[Raw], None]] = {
    ("", "Pod"): _only_pod,
    ("", "PodTemplate"): pod_template,
    ("", "ReplicationController"): _replication_controller,
    ("", "Namespace"): _namespace,
    ("", "Node"): lambda raw: _set(raw, spec={}),
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
    ("discovery.k8s.io", "EndpointSlice"): _endpoint_slice,
    ("storage.k8s.io", "StorageClass"): _storage_class,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
}
