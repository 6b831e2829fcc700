"""Columns of the kinds that settle things rather than run: quotas, budgets, roles, classes, volumes, leases. Pure.

https://github.com/kubernetes/kubernetes/blob/master/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from collections.abc import Callable

from k8sshim.objects import Raw

from .cells import claim_modes, quota_uses, reference, role, subjects, targets
from .columns import AGE, NAME, Cell, Column, at, containers, count, labels_text, text, wide

_CREATED = Column("Created At", text("metadata.creationTimestamp"))
_NONE, _UNSET = "<none>", "<unset>"
_RBAC = "rbac.authorization.k8s.io"


def _default_class(raw: Raw) -> Cell:
    notes = at(raw, "metadata.annotations", {})
    is_default = notes.get("storageclass.kubernetes.io/is-default-class") == "true"
    return f"{raw['metadata']['name']}{' (default)' if is_default else ''}"


def _flag(path: str) -> Callable[[Raw], Cell]:
    return lambda raw: str(bool(at(raw, path))).lower()


def _owner(raw: Raw) -> Cell:
    for each in at(raw, "metadata.ownerReferences", ()):
        if each.get("controller"):
            group = each["apiVersion"].rpartition("/")[0]
            return f"{each['kind'].lower()}{f'.{group}' if group else ''}/{each['name']}"
    return _NONE


def _parameters(given: Raw | None) -> Cell:
    if not given:
        return _NONE
    group = given.get("apiGroup")
    return f"{given.get('kind', '')}{f'.{group}' if group else ''}/{given.get('name', '')}"


def _parent(given: Raw | None) -> Cell:
    parts = [given.get(name) or "" for name in ("resource", "namespace", "name")] if given else []
    return "/".join(part for part in parts if part)


def _claim(given: Raw | None) -> Cell:
    return f"{given.get('namespace', '')}/{given.get('name', '')}" if given else ""


_BINDING = (
    NAME,
    Column("Role", role),
    AGE,
    wide("Users", subjects("User")),
    wide("Groups", subjects("Group")),
    wide("ServiceAccounts", subjects("ServiceAccount")),
)
_WEBHOOKS = (NAME, Column("Webhooks", count("webhooks"), "integer"), AGE)

PRINTERS: dict[str, tuple[Column, ...]] = {
    "poddisruptionbudgets.policy": (
        NAME,
        Column("Min Available", text("spec.minAvailable", "N/A")),
        Column("Max Unavailable", text("spec.maxUnavailable", "N/A")),
        Column("Allowed Disruptions", lambda raw: at(raw, "status.disruptionsAllowed", 0), "integer"),
        AGE,
    ),
    "horizontalpodautoscalers.autoscaling": (
        NAME,
        Column("Reference", reference),
        Column("Targets", targets),
        Column("MinPods", text("spec.minReplicas", _UNSET)),
        Column("MaxPods", lambda raw: at(raw, "spec.maxReplicas", 0), "integer"),
        Column("Replicas", lambda raw: at(raw, "status.currentReplicas", 0), "integer"),
        AGE,
    ),
    "resourcequotas": (
        NAME,
        AGE,
        Column("Request", quota_uses(limits=False)),
        Column("Limit", quota_uses(limits=True)),
    ),
    "limitranges": (NAME, _CREATED),
    "leases.coordination.k8s.io": (NAME, Column("Holder", text("spec.holderIdentity")), AGE),
    "controllerrevisions.apps": (
        NAME,
        Column("Controller", _owner),
        Column("Revision", lambda raw: at(raw, "revision", 0), "integer"),
        AGE,
    ),
    "podtemplates": (
        NAME,
        Column("Containers", containers("name", "template.spec.containers")),
        Column("Images", containers("image", "template.spec.containers")),
        Column("Pod Labels", lambda raw: labels_text(at(raw, "template.metadata.labels"))),
    ),
    f"roles.{_RBAC}": (NAME, _CREATED),
    f"clusterroles.{_RBAC}": (NAME, _CREATED),
    f"rolebindings.{_RBAC}": _BINDING,
    f"clusterrolebindings.{_RBAC}": _BINDING,
    "customresourcedefinitions.apiextensions.k8s.io": (NAME, _CREATED),
    "priorityclasses.scheduling.k8s.io": (
        NAME,
        Column("Value", lambda raw: at(raw, "value", 0), "integer"),
        Column("Global-Default", _flag("globalDefault")),
        AGE,
        Column("PreemptionPolicy", text("preemptionPolicy", "PreemptLowerPriority")),
    ),
    "runtimeclasses.node.k8s.io": (NAME, Column("Handler", text("handler")), AGE),
    "ingressclasses.networking.k8s.io": (
        NAME,
        Column("Controller", text("spec.controller")),
        Column("Parameters", lambda raw: _parameters(at(raw, "spec.parameters"))),
        AGE,
    ),
    "ipaddresses.networking.k8s.io": (NAME, Column("ParentRef", lambda raw: _parent(at(raw, "spec.parentRef"))), AGE),
    "servicecidrs.networking.k8s.io": (NAME, Column("CIDRs", lambda raw: ",".join(at(raw, "spec.cidrs", ()))), AGE),
    "storageclasses.storage.k8s.io": (
        Column("Name", _default_class),
        Column("Provisioner", text("provisioner")),
        Column("ReclaimPolicy", text("reclaimPolicy", "Delete")),
        Column("VolumeBindingMode", text("volumeBindingMode", "Immediate")),
        Column("AllowVolumeExpansion", _flag("allowVolumeExpansion")),
        AGE,
    ),
    "persistentvolumes": (
        NAME,
        Column("Capacity", text("spec.capacity.storage")),
        Column("Access Modes", claim_modes("spec.accessModes")),
        Column("Reclaim Policy", text("spec.persistentVolumeReclaimPolicy")),
        Column("Status", text("status.phase")),
        Column("Claim", lambda raw: _claim(at(raw, "spec.claimRef"))),
        Column("StorageClass", text("spec.storageClassName")),
        Column("VolumeAttributesClass", text("spec.volumeAttributesClassName", _UNSET)),
        Column("Reason", text("status.reason")),
        AGE,
        wide("VolumeMode", text("spec.volumeMode", _UNSET)),
    ),
    "persistentvolumeclaims": (
        NAME,
        Column("Status", text("status.phase")),
        Column("Volume", text("spec.volumeName")),
        Column("Capacity", text("status.capacity.storage")),
        Column("Access Modes", claim_modes("status.accessModes")),
        Column("StorageClass", text("spec.storageClassName")),
        Column("VolumeAttributesClass", text("spec.volumeAttributesClassName", _UNSET)),
        AGE,
        wide("VolumeMode", text("spec.volumeMode")),
    ),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
}
