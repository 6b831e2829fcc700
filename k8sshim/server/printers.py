"""Which columns each kind has.

Names, order and wording are those of Kubernetes' printers (pkg/printers/internalversion/printers.go), which people and
their scripts know by heart. Pure.
"""

from __future__ import annotations

from k8sshim.kinds import POLICY_GROUP, Kind

from . import cells, pod_columns, rare_printers
from .columns import (
    AGE,
    NAME,
    Column,
    Dated,
    Lasting,
    Printer,
    at,
    containers,
    count,
    label_selector,
    map_selector,
    numeric,
    text,
    wide,
)
from .custom import CustomKind
from .resources import resource_name

_CONTAINERS = (wide("Containers", containers("name")), wide("Images", containers("image")))


_REPLICAS = (numeric("Desired", "spec.replicas"), numeric("Current", "status.replicas"))
_READY = numeric("Ready", "status.readyReplicas")

_EVENT = (
    Dated("Last Seen", cells.last_seen),
    Column("Type", text("type")),
    Column("Reason", text("reason")),
    Column("Object", cells.event_object),
    wide("Subobject", text("involvedObject.fieldPath")),
    wide("Source", cells.event_source),
    Column("Message", lambda raw: str(raw.get("message") or raw.get("note") or "").strip()),
    Dated("First Seen", cells.first_seen, priority=1),
    wide("Count", text("count", "1")),
    wide("Name", text("metadata.name")),
)

_PRINTERS: dict[str, tuple[Column, ...]] = {
    "pods": (
        NAME,
        Column("Ready", pod_columns.ready),
        Column("Status", pod_columns.status),
        Column("Restarts", pod_columns.restarts, since=pod_columns.restarted),
        AGE,
        wide("IP", text("status.podIP", "<none>")),
        wide("Node", text("spec.nodeName", "<none>")),
        wide("Nominated Node", text("status.nominatedNodeName", "<none>")),
        wide("Readiness Gates", pod_columns.readiness_gates),
    ),
    "nodes": (
        NAME,
        Column("Status", cells.node_status),
        Column("Roles", cells.roles),
        AGE,
        Column("Version", text("status.nodeInfo.kubeletVersion")),
        wide("Internal-IP", cells.address("InternalIP")),
        wide("External-IP", cells.address("ExternalIP")),
        wide("OS-Image", text("status.nodeInfo.osImage", "<unknown>")),
        wide("Kernel-Version", text("status.nodeInfo.kernelVersion", "<unknown>")),
        wide("Container-Runtime", text("status.nodeInfo.containerRuntimeVersion", "<unknown>")),
    ),
    "services": (
        NAME,
        Column("Type", text("spec.type")),
        Column("Cluster-IP", text("spec.clusterIP", "<none>")),
        Column("External-IP", cells.external_ip),
        Column("Port(s)", cells.service_ports),
        AGE,
        wide("Selector", map_selector("spec.selector")),
    ),
    "deployments.apps": (
        NAME,
        Column("Ready", cells.ready_of_replicas),
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
    "statefulsets.apps": (NAME, Column("Ready", cells.ready_of_replicas), AGE, *_CONTAINERS),
    "endpointslices.discovery.k8s.io": (
        NAME,
        Column("AddressType", text("addressType")),
        Column("Ports", cells.slice_ports),
        Column("Endpoints", cells.slice_endpoints),
        AGE,
    ),
    "endpoints": (NAME, Column("Endpoints", cells.endpoints), AGE),
    "namespaces": (NAME, Column("Status", text("status.phase")), AGE),
    "configmaps": (NAME, Column("Data", lambda r: len(r.get("data") or ()) + len(r.get("binaryData") or ())), AGE),
    "secrets": (NAME, Column("Type", text("type")), Column("Data", count("data"), "integer"), AGE),
    "serviceaccounts": (NAME, Column("Secrets", count("secrets"), "integer"), AGE),
    "jobs.batch": (
        NAME,
        Column("Status", cells.job_status),
        Column("Completions", cells.completions),
        Lasting("Duration", text("status.startTime"), until=text("status.completionTime")),
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
        Dated("Last Schedule", text("status.lastScheduleTime"), never="<none>"),
        AGE,
        wide("Containers", containers("name", "spec.jobTemplate.spec.template.spec.containers")),
        wide("Images", containers("image", "spec.jobTemplate.spec.template.spec.containers")),
    ),
    "networkpolicies.networking.k8s.io": (NAME, Column("Pod-Selector", label_selector("spec.podSelector")), AGE),
    f"adminnetworkpolicies.{POLICY_GROUP}": (NAME, Column("Priority", text("spec.priority")), AGE),
    f"clusternetworkpolicies.{POLICY_GROUP}": (
        NAME,
        Column("Tier", text("spec.tier")),
        Column("Priority", text("spec.priority")),
        AGE,
    ),
    "ingresses.networking.k8s.io": (
        NAME,
        Column("Class", text("spec.ingressClassName", "<none>")),
        Column("Hosts", cells.hosts),
        Column("Address", cells.ingress_address),
        Column("Ports", lambda r: "80, 443" if at(r, "spec.tls") else "80"),
        AGE,
    ),
    "events": _EVENT,
    "clusters.podwire.dev": (
        NAME,
        Column("Nodes", cells.nodes_of_cluster, "integer"),
        Column("Pod-CIDR", lambda r: ",".join(at(r, "status.podCIDRs", ())) or "<none>"),
        Column("Service-CIDR", lambda r: ",".join(at(r, "status.serviceCIDRs", ())) or "<none>"),
        AGE,
    ),
}
_OTHERS = Printer((NAME, AGE))
_BY_RESOURCE = {resource: Printer(columns) for resource, columns in {**_PRINTERS, **rare_printers.PRINTERS}.items()}


def printer(kind: Kind) -> Printer:
    if isinstance(kind, CustomKind):
        return kind.printer
    return _BY_RESOURCE.get(resource_name(kind), _OTHERS)
