"""What the API server fills into pods and pod templates where a manifest is silent.

Rules: Kubernetes' `SetDefaults_*` of core/v1 (pkg/apis/core/v1/defaults.go). Objects are changed in place.
"""

from __future__ import annotations

from typing import Any

from k8sshim.objects import Raw


def fill(raw: Raw, **values: Any) -> None:
    for name, value in values.items():
        if raw.get(name) is None:
            raw[name] = value


def objects(value: Any) -> list[Raw]:
    return value if isinstance(value, list) else []


def spec_of(raw: Raw) -> Raw:
    if not isinstance(raw.get("spec"), dict):
        raw["spec"] = {}
    spec: Raw = raw["spec"]
    return spec


def pod_template(raw: Raw) -> None:
    template = raw.get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        if template["metadata"] is None:
            template["metadata"] = {}
        pod_spec(spec_of(template))


def pod_spec(spec: Raw) -> None:
    fill(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for container in objects(spec.get(field)):
            _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in objects(spec.get("volumes")):
        _volume(volume)


def pod(raw: Raw) -> None:
    """A pod itself has what its template leaves to admission."""
    pod_spec(spec_of(raw))
    spec = raw["spec"]
    spec["serviceAccountName"] = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccount"] = spec["serviceAccountName"]  # the name that the field had once
    fill(spec, enableServiceLinks=True, preemptionPolicy="PreemptLowerPriority", priority=0)


def _container(container: Raw, *, host_network: bool) -> None:
    image = str(container.get("image") or "")
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    latest = tag in ("", "latest") and "@" not in image
    fill(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if latest else "IfNotPresent",
    )
    for port in objects(container.get("ports")):
        fill(port, protocol="TCP")
        if host_network:
            fill(port, hostPort=port.get("containerPort"))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(name), dict):
            _probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _http_get(handler)
    for variable in objects(container.get("env")):
        field = (variable.get("valueFrom") or {}).get("fieldRef")
        if isinstance(field, dict):
            fill(field, apiVersion="v1")


def _probe(probe: Raw) -> None:
    fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    _http_get(probe)
    if isinstance(probe.get("grpc"), dict):
        fill(probe["grpc"], service="")


def _http_get(handler: Raw) -> None:
    if isinstance(handler.get("httpGet"), dict):
        fill(handler["httpGet"], path="/", scheme="HTTP")


def _volume(volume: Raw) -> None:
    for name in ("configMap", "secret", "downwardAPI", "projected"):
        if isinstance(volume.get(name), dict):
            fill(volume[name], defaultMode=0o644)
    if isinstance(volume.get("hostPath"), dict):
        fill(volume["hostPath"], type="")
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}
