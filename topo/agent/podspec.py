"""What the node agent reads of a pod: its containers, probes and place in the network. Pure.

`k8sshim.objects.Pod` is a pod as the network sees it; this is a pod as the one who runs it does. The defaults are
those of the API reference, because the API server need not have filled them in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from k8sshim.errors import BadInput
from k8sshim.objects import POD_NETWORK_ANNOTATION, ContainerPort, Key, Labels, PodNetwork, Raw, labels_of
from topo.agent import names, volumes
from topo.agent.names import PodNames
from topo.agent.volumes import Mount, Part

_SAFE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")  # names become parts of paths
DEFAULT_GRACE_S = 30.0
_WITHOUT_ENTRYPOINT = frozenset(  # well-known images that run their arguments: `kubectl run --image=busybox -- WORDS`
    ("alpine", "bash", "busybox", "curl", "debian", "dnsutils", "fedora", "jessie-dnsutils", "netshoot", "ubuntu")
)


@dataclass(frozen=True)
class Probe:
    """A probe. `port` is a number or a port's name."""

    kind: str  # "http", "tcp", "grpc" or "exec"; of a hook also "sleep"
    port: int | str = 0
    host: str = ""  # "" is the pod's own address
    path: str = "/"
    scheme: str = "HTTP"
    headers: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    initial_delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    success_threshold: int = 1
    failure_threshold: int = 3


@dataclass(frozen=True)
class EnvVar:
    """An environment variable: a value, or a reference to a field, a ConfigMap's key or a Secret's key."""

    name: str
    value: str = ""
    source: str = ""  # "", "field", "configMap", "secret" or "other"
    reference: str = ""  # the field's path, or the object's name
    key: str = ""
    optional: bool = False


@dataclass(frozen=True)
class ContainerSpec:
    """A container as the agent runs it."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    working_dir: str
    env: tuple[EnvVar, ...]
    env_from: tuple[EnvVar, ...]  # whole ConfigMaps and Secrets; `name` is the prefix
    ports: tuple[ContainerPort, ...]
    liveness: Probe | None
    readiness: Probe | None
    startup: Probe | None
    scratch: tuple[tuple[str, str], ...]  # emptyDir mounts: the volume's name and the path
    sidecar: bool  # an init container that stays (restartPolicy: Always)
    mounts: tuple[Mount, ...] = ()  # of volumes whose content the API gives
    post_start: Probe | None = None
    pre_stop: Probe | None = None
    stdin: bool = False  # its command's standard input stays open, for those who attach

    @property
    def probes(self) -> tuple[Probe, ...]:
        return tuple(probe for probe in (self.startup, self.readiness, self.liveness) if probe)


@dataclass(frozen=True)
class PodSpec:
    """A pod as the agent runs it."""

    key: Key
    uid: str
    node: str
    labels: Labels
    names: PodNames
    network: PodNetwork | None
    host_network: bool
    restart_policy: str
    grace_s: float
    init_containers: tuple[ContainerSpec, ...]
    containers: tuple[ContainerSpec, ...]
    field_values: tuple[tuple[str, str], ...]  # what fieldRef may ask of metadata and spec
    service_account: str
    automount: bool | None  # automountServiceAccountToken; None: as the ServiceAccount says
    service_links: bool
    ephemeral: tuple[ContainerSpec, ...] = ()  # added to the pod as it runs, for debugging
    volumes: tuple[tuple[str, tuple[Part, ...]], ...] = ()  # those whose content the API gives

    @property
    def namespace(self) -> str:
        """The name of its network namespace."""
        return f"node-{self.node}" if self.host_network else f"pod-{self.uid}"

    @property
    def realisable(self) -> bool:
        """Whether it has all that it needs to be made."""
        return bool(self.node) and (self.host_network or self.network is not None)


def parse(raw: Raw) -> PodSpec:
    """The view of a pod. Raises BadInput when a name could not be part of a path."""
    metadata, spec, key = raw["metadata"], raw.get("spec") or {}, Key.of(raw)
    annotation = (metadata.get("annotations") or {}).get(POD_NETWORK_ANNOTATION)
    empty_dirs = {v["name"] for v in spec.get("volumes") or () if "emptyDir" in v}
    inits = tuple(_container(c, empty_dirs) for c in spec.get("initContainers") or ())
    containers = tuple(_container(c, empty_dirs) for c in spec.get("containers") or ())
    ephemeral = tuple(_container(c, empty_dirs) for c in spec.get("ephemeralContainers") or ())
    for field, name in [
        ("metadata.uid", metadata["uid"]),
        ("metadata.name", key.name),
        ("metadata.namespace", key.namespace),
    ]:
        _check_name(key, field, name)
    for container in (*inits, *containers, *ephemeral):
        _check_name(key, "container name", container.name)
    grace = spec.get("terminationGracePeriodSeconds")
    return PodSpec(
        key=key,
        uid=metadata["uid"],
        node=spec.get("nodeName") or "",
        labels=labels_of(metadata.get("labels")),
        names=names.parse(key.name, spec),
        network=PodNetwork.claimed(annotation),
        host_network=bool(spec.get("hostNetwork")),
        restart_policy=spec.get("restartPolicy") or "Always",
        grace_s=DEFAULT_GRACE_S if grace is None else float(grace),
        init_containers=inits,
        containers=containers,
        field_values=_field_values(raw),
        service_account=_service_account_of(spec),
        automount=spec.get("automountServiceAccountToken"),
        service_links=spec.get("enableServiceLinks") is not False,
        ephemeral=ephemeral,
        volumes=tuple(volumes.parse(spec.get("volumes") or ()).items()),
    )


def images_of(raw: Raw) -> dict[str, str]:
    """The images of a pod's containers, by their names."""
    spec = raw.get("spec") or {}
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    return {each["name"]: each.get("image") or "" for each in containers}


def _service_account_of(spec: Raw) -> str:
    """The name of the ServiceAccount that a pod runs as."""
    return spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"


def _check_name(key: Key, field: str, name: str) -> None:
    if not _SAFE_NAME.fullmatch(name) or ".." in name:
        raise BadInput.of(f"{name!r} cannot be used as a name", object=f"Pod {key}", field=field)


def _field_values(raw: Raw) -> tuple[tuple[str, str], ...]:
    metadata, spec = raw["metadata"], raw.get("spec") or {}
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata.get("namespace") or "",
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName") or "",
        "spec.serviceAccountName": _service_account_of(spec),
    }
    for part in ("labels", "annotations"):
        values.update({f"metadata.{part}['{name}']": value for name, value in (metadata.get(part) or {}).items()})
    return tuple(values.items())


def _name_of(image: str) -> str:
    """The last part of an image's name: `busybox` of `docker.io/library/busybox:1.36@sha256:...`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _container(raw: Raw, empty_dirs: set[str]) -> ContainerSpec:
    image = raw.get("image") or ""
    command, args = tuple(raw.get("command") or ()), tuple(raw.get("args") or ())
    if not command and _name_of(image) in _WITHOUT_ENTRYPOINT:
        command, args = args, ()
    return ContainerSpec(
        name=raw["name"],
        image=image,
        command=command,
        args=args,
        working_dir=raw.get("workingDir") or "",
        env=tuple(_env_var(entry) for entry in raw.get("env") or ()),
        env_from=tuple(_env_from(entry) for entry in raw.get("envFrom") or ()),
        ports=tuple(
            ContainerPort(
                port.get("name") or "",
                int(port["containerPort"]),
                port.get("protocol") or "TCP",
                int(port.get("hostPort") or 0),
                port.get("hostIP") or "",
            )
            for port in raw.get("ports") or ()
        ),
        liveness=_probe(raw.get("livenessProbe")),
        readiness=_probe(raw.get("readinessProbe")),
        startup=_probe(raw.get("startupProbe")),
        scratch=tuple(
            (mount["name"], mount["mountPath"])
            for mount in raw.get("volumeMounts") or ()
            if mount["name"] in empty_dirs
        ),
        sidecar=raw.get("restartPolicy") == "Always",
        mounts=tuple(
            Mount(mount["name"], mount["mountPath"], mount.get("subPath") or "")
            for mount in raw.get("volumeMounts") or ()
            if mount["name"] not in empty_dirs
        ),
        post_start=_hook(raw, "postStart"),
        pre_stop=_hook(raw, "preStop"),
        stdin=bool(raw.get("stdin")),
    )


def _env_var(raw: Raw) -> EnvVar:
    origin = raw.get("valueFrom") or {}
    if not origin:
        return EnvVar(raw["name"], value=str(raw.get("value") or ""))
    if "fieldRef" in origin:
        return EnvVar(raw["name"], source="field", reference=origin["fieldRef"]["fieldPath"])
    for source, field in (("configMap", "configMapKeyRef"), ("secret", "secretKeyRef")):
        if field in origin:
            target = origin[field]
            return EnvVar(
                raw["name"], "", source, target.get("name") or "", target["key"], optional=bool(target.get("optional"))
            )
    return EnvVar(raw["name"], source="other")


def _env_from(raw: Raw) -> EnvVar:
    source, target = (
        ("configMap", raw["configMapRef"]) if "configMapRef" in raw else ("secret", raw.get("secretRef") or {})
    )
    return EnvVar(raw.get("prefix") or "", "", source, target.get("name") or "", optional=bool(target.get("optional")))


def _probe(raw: Raw | None) -> Probe | None:
    if not raw:
        return None
    kind = next((k for k, field in _PROBE_FIELDS.items() if field in raw), "")
    if not kind:
        return None
    action = raw[_PROBE_FIELDS[kind]] or {}
    return Probe(
        kind=kind,
        port=action.get("port", 0),
        host=action.get("host") or "",
        path=action.get("path") or "/",
        scheme=(action.get("scheme") or "HTTP").upper(),
        headers=tuple((h["name"], h.get("value") or "") for h in action.get("httpHeaders") or ()),
        command=tuple(action.get("command") or ()),
        initial_delay_s=float(raw.get("initialDelaySeconds") or 0),
        period_s=float(raw.get("periodSeconds") or 10),
        timeout_s=float(raw.get("timeoutSeconds") or 1),
        success_threshold=int(raw.get("successThreshold") or 1),
        failure_threshold=int(raw.get("failureThreshold") or 3),
    )


def _hook(raw: Raw, name: str) -> Probe | None:
    """What is to be done after a container's start, or before its end: asked as a probe is, and given more time."""
    given = (raw.get("lifecycle") or {}).get(name)
    if given and "sleep" in given:
        return Probe("sleep", timeout_s=float(given["sleep"].get("seconds") or 0))
    action = _probe(given)
    return replace(action, timeout_s=_HOOK_S) if action else None


_HOOK_S = 3600.0  # the grace period ends it sooner
_PROBE_FIELDS = {"http": "httpGet", "tcp": "tcpSocket", "grpc": "grpc", "exec": "exec"}
