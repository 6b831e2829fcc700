"""Which columns each kind has, and how its cells are read from an object.

Names, order and wording are those of Kubernetes' printers (pkg/printers/internalversion/printers.go), which people and
their scripts know by heart. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from k8sshim.kinds import Kind
from k8sshim.objects import Raw
from k8sshim.selectors import Selector

from . import pod_columns
from .resources import resource_name

Cell = str | int | bool | None


@dataclass(frozen=True)
class Column:
    """A column; `read` gives its cell."""

    name: str
    read: Callable[[Raw], Cell]
    type: str = "string"
    priority: int = 0  # 1: only in wide output
    description: str = ""


@dataclass(frozen=True)
class Printer:
    """The columns of a kind. The column Age is read against the present."""

    columns: tuple[Column, ...]

    def cells(self, raw: Raw, now: datetime) -> list[Cell]:
        return [age(_metadata(raw).get("creationTimestamp"), now) if c is AGE else c.read(raw) for c in self.columns]


def age(moment: str | None, now: datetime) -> str:
    """How long ago, as Kubernetes' `duration.HumanDuration` writes it: `5s`, `3m20s`, `2d4h`."""
    if not moment:
        return "<unknown>"
    then = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    return human_duration(int((now.astimezone(timezone.utc) - then).total_seconds()))


def human_duration(seconds: int) -> str:
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    for unit, below, larger, smaller in (
        ("s", seconds < 120, max(seconds, 0), 0),
        ("ms", minutes < 10, minutes, seconds % 60),
        ("m", minutes < 180, minutes, 0),
        ("hm", hours < 8, hours, minutes % 60),
        ("h", hours < 48, hours, 0),
        ("dh", days < 8, days, hours % 24),
        ("d", days < 730, days, 0),
        ("yd", days < 2920, days // 365, days % 365),
    ):
        if below:
            return f"{larger}{unit[0]}" + (f"{smaller}{unit[1]}" if smaller else "")
    return f"{days // 365}y"


def _metadata(raw: Raw) -> Raw:
    return raw.get("metadata") or {}


def at(raw: Raw, path: str, default: Any = None) -> Any:
    """The value at a dotted path, or the default where there is none."""
    value: Any = raw
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return default if value is None else value


def text(path: str, default: str = "") -> Callable[[Raw], Cell]:
    return lambda raw: str(at(raw, path, default))


def number(path: str) -> Callable[[Raw], Cell]:
    return lambda raw: at(raw, path, 0)


def count(path: str) -> Callable[[Raw], Cell]:
    return lambda raw: len(at(raw, path, ()))


def labels_text(labels: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def label_selector(path: str) -> Callable[[Raw], Cell]:
    return lambda raw: str(Selector.from_raw(at(raw, path, {}))) or "<none>"


def map_selector(path: str) -> Callable[[Raw], Cell]:
    return lambda raw: labels_text(at(raw, path))


def containers(what: str, path: str = "spec.template.spec.containers") -> Callable[[Raw], Cell]:
    return lambda raw: ",".join(str(container.get(what, "")) for container in at(raw, path, ()))


NAME = Column("Name", text("metadata.name"))
AGE = Column("Age", text("metadata.creationTimestamp"))


def wide(name: str, read: Callable[[Raw], Cell]) -> Column:
    return Column(name, read, priority=1)


def numeric(name: str, path: str) -> Column:
    return Column(name, number(path), "integer")


_CONTAINERS = (wide("Containers", containers("name")), wide("Images", containers("image")))


def _ready_of_replicas(raw: Raw) -> str:
    return f"{at(raw, 'status.readyReplicas', 0)}/{at(raw, 'spec.replicas', 0)}"


def _node_status(raw: Raw) -> str:
    conditions = {c.get("type"): c.get("status") for c in at(raw, "status.conditions", ())}
    ready = {"True": "Ready", "False": "NotReady"}.get(
        str(conditions.get("Ready")), "NotReady" if conditions else "Unknown"
    )
    return ready + (",SchedulingDisabled" if at(raw, "spec.unschedulable") else "")


def _roles(raw: Raw) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = _metadata(raw).get("labels") or {}
    roles = {key.removeprefix(prefix) for key in labels if key.startswith(prefix)}
    if labels.get("kubernetes.io/role"):
        roles.add(labels["kubernetes.io/role"])
    return ",".join(sorted(roles)) or "<none>"


def _address(address_type: str) -> Callable[[Raw], Cell]:
    def read(raw: Raw) -> str:
        found = (a["address"] for a in at(raw, "status.addresses", ()) if a.get("type") == address_type)
        return next(found, "<none>")

    return read


def _external_ip(raw: Raw) -> str:
    spec = raw.get("spec") or {}
    given = list(spec.get("externalIPs") or ())
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName") or "<none>")
    if spec.get("type") == "LoadBalancer":
        ingress = at(raw, "status.loadBalancer.ingress", ())
        given = [entry.get("ip") or entry.get("hostname") for entry in ingress] + given
        return ",".join(given) or "<pending>"
    return ",".join(given) or "<none>"


def _service_ports(raw: Raw) -> str:
    ports = at(raw, "spec.ports", ())
    node_port = (f":{port['nodePort']}" if port.get("nodePort") else "" for port in ports)
    shown = (f"{p['port']}{node}/{p.get('protocol', 'TCP')}" for p, node in zip(ports, node_port, strict=True))
    return ",".join(shown) or "<none>"


def _first(items: list[str], most: int = 3) -> str:
    """The first few of a long list, and how many more there are."""
    rest = f" + {len(items) - most} more..." if len(items) > most else ""
    return (",".join(items[:most]) + rest) or "<none>"


def _endpoints(raw: Raw) -> str:
    found: list[str] = []
    for subset in raw.get("subsets") or ():
        addresses = [address["ip"] for address in subset.get("addresses") or ()]
        ports = [port["port"] for port in subset.get("ports") or ()]
        found += [f"{a}:{p}" for p in ports for a in addresses] if ports else addresses
    return _first(found)


def _slice_ports(raw: Raw) -> str:
    return _first([str(port.get("port", "*")) for port in raw.get("ports") or ()]).replace("<none>", "<unset>")


def _slice_endpoints(raw: Raw) -> str:
    return _first([address for endpoint in raw.get("endpoints") or () for address in endpoint.get("addresses") or ()])


def _hosts(raw: Raw) -> str:
    return _first([rule["host"] for rule in at(raw, "spec.rules", ()) if rule.get("host")]).replace("<none>", "*")


def _ingress_address(raw: Raw) -> str:
    ingress = at(raw, "status.loadBalancer.ingress", ())
    return ",".join(entry.get("ip") or entry.get("hostname") or "" for entry in ingress)


def _claim_modes(raw: Raw) -> str:
    short = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
    return ",".join(short.get(mode, mode) for mode in at(raw, "status.accessModes", ()))


def _event_object(raw: Raw) -> str:
    involved = raw.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _job_status(raw: Raw) -> str:
    conditions = {c.get("type") for c in at(raw, "status.conditions", ()) if c.get("status") == "True"}
    order = (("Complete", "Complete"), ("Failed", "Failed"), ("Suspended", "Suspended"))
    return next((shown for name, shown in order if name in conditions), "Running")


def _nodes_of_cluster(raw: Raw) -> Cell:
    """The number of nodes: in the status once the lab has planned it, in the description before that."""
    switches = at(raw, "status.switches")
    if switches is not None:
        return sum(1 for switch in switches if switch.get("node"))
    nodes = at(raw, "spec.nodes", 0)
    return len(nodes) if isinstance(nodes, list) else nodes


_REPLICAS = (numeric("Desired", "spec.replicas"), numeric("Current", "status.replicas"))
_READY = numeric("Ready", "status.readyReplicas")

_PRINTERS: dict[str, tuple[Column, ...]] = {
    "pods": (
        NAME,
        Column("Ready", pod_columns.ready),
        Column("Status", pod_columns.status),
        Column("Restarts", pod_columns.restarts),
        AGE,
        wide("IP", text("status.podIP", "<none>")),
        wide("Node", text("spec.nodeName", "<none>")),
        wide("Nominated Node", text("status.nominatedNodeName", "<none>")),
        wide("Readiness Gates", pod_columns.readiness_gates),
    ),
    "nodes": (
        NAME,
        Column("Status", _node_status),
        Column("Roles", _roles),
        AGE,
        Column("Version", text("status.nodeInfo.kubeletVersion")),
        wide("Internal-IP", _address("InternalIP")),
        wide("External-IP", _address("ExternalIP")),
        wide("OS-Image", text("status.nodeInfo.osImage", "<unknown>")),
        wide("Kernel-Version", text("status.nodeInfo.kernelVersion", "<unknown>")),
        wide("Container-Runtime", text("status.nodeInfo.containerRuntimeVersion", "<unknown>")),
    ),
    "services": (
        NAME,
        Column("Type", text("spec.type")),
        Column("Cluster-IP", text("spec.clusterIP", "<none>")),
        Column("External-IP", _external_ip),
        Column("Port(s)", _service_ports),
        AGE,
        wide("Selector", map_selector("spec.selector")),
    ),
    "deployments.apps": (
        NAME,
        Column("Ready", _ready_of_replicas),
        numeric("Up-to-date", "status.updatedReplicas"),
        numeric("Available", "status.availableReplicas"),
        AGE,
        *_CONTAINERS,
        wide("Selector", label_selector("spec.selector")),
    ),
    "replicasets.apps": (
        NAME,
        *_REPLICAS,
        _READY,
        AGE,
        *_CONTAINERS,
        wide("Selector", label_selector("spec.selector")),
    ),
    "replicationcontrollers": (
        NAME,
        *_REPLICAS,
        _READY,
        AGE,
        *_CONTAINERS,
        wide("Selector", map_selector("spec.selector")),
    ),
    "daemonsets.apps": (
        NAME,
        numeric("Desired", "status.desiredNumberScheduled"),
        numeric("Current", "status.currentNumberScheduled"),
        numeric("Ready", "status.numberReady"),
        numeric("Up-to-date", "status.updatedNumberScheduled"),
        numeric("Available", "status.numberAvailable"),
        Column("Node Selector", map_selector("spec.template.spec.nodeSelector")),
        AGE,
        *_CONTAINERS,
        wide("Selector", label_selector("spec.selector")),
    ),
    "statefulsets.apps": (NAME, Column("Ready", _ready_of_replicas), AGE, *_CONTAINERS),
    "endpointslices.discovery.k8s.io": (
        NAME,
        Column("AddressType", text("addressType")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_endpoints),
        AGE,
    ),
    "endpoints": (NAME, Column("Endpoints", _endpoints), AGE),
    "namespaces": (NAME, Column("Status", text("status.phase")), AGE),
    "configmaps": (NAME, Column("Data", lambda r: len(r.get("data") or ()) + len(r.get("binaryData") or ())), AGE),
    "secrets": (NAME, Column("Type", text("type")), Column("Data", count("data"), "integer"), AGE),
    "serviceaccounts": (NAME, Column("Secrets", count("secrets"), "integer"), AGE),
    "jobs.batch": (
        NAME,
        Column("Status", _job_status),
        Column("Completions", lambda r: f"{at(r, 'status.succeeded', 0)}/{at(r, 'spec.completions', 1)}"),
        AGE,
        *_CONTAINERS,
        wide("Selector", label_selector("spec.selector")),
    ),
    "cronjobs.batch": (
        NAME,
        Column("Schedule", text("spec.schedule")),
        Column("Timezone", text("spec.timeZone", "<none>")),
        Column("Suspend", lambda r: str(bool(at(r, "spec.suspend")))),
        Column("Active", count("status.active"), "integer"),
        Column("Last Schedule", text("status.lastScheduleTime", "<none>")),
        AGE,
        wide("Containers", containers("name", "spec.jobTemplate.spec.template.spec.containers")),
        wide("Images", containers("image", "spec.jobTemplate.spec.template.spec.containers")),
    ),
    "networkpolicies.networking.k8s.io": (NAME, Column("Pod-Selector", label_selector("spec.podSelector")), AGE),
    "ingresses.networking.k8s.io": (
        NAME,
        Column("Class", text("spec.ingressClassName", "<none>")),
        Column("Hosts", _hosts),
        Column("Address", _ingress_address),
        Column("Ports", lambda r: "80, 443" if at(r, "spec.tls") else "80"),
        AGE,
    ),
    "persistentvolumeclaims": (
        NAME,
        Column("Status", text("status.phase")),
        Column("Volume", text("spec.volumeName")),
        Column("Capacity", text("status.capacity.storage")),
        Column("Access Modes", _claim_modes),
        Column("StorageClass", text("spec.storageClassName")),
        AGE,
        wide("VolumeMode", text("spec.volumeMode")),
    ),
    "events": (
        Column("Last Seen", text("lastTimestamp")),
        Column("Type", text("type")),
        Column("Reason", text("reason")),
        Column("Object", _event_object),
        Column("Message", text("message")),
        wide("Source", text("source.component")),
        wide("Count", text("count", "1")),
        wide("Name", text("metadata.name")),
    ),
    "clusters.podwire.dev": (
        NAME,
        Column("Nodes", _nodes_of_cluster, "integer"),
        Column("Pod-CIDR", lambda r: ",".join(at(r, "status.podCIDRs", ())) or "<none>"),
        Column("Service-CIDR", lambda r: ",".join(at(r, "status.serviceCIDRs", ())) or "<none>"),
        AGE,
    ),
}
_OTHERS = Printer((NAME, AGE))
_BY_RESOURCE = {resource: Printer(columns) for resource, columns in _PRINTERS.items()}


def printer(kind: Kind) -> Printer:
    return _BY_RESOURCE.get(resource_name(kind), _OTHERS)
