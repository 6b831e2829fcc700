"""The ClusterRoles and bindings that Kubernetes brings along itself, where RBAC is turned on. Pure.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings: what they allow on
the resources that are served. `admin` has what `edit` has, and `edit` what `view` has, written out.
"""

from __future__ import annotations

from collections.abc import Sequence

from k8sshim.objects import Raw

from .rbac import AUTHENTICATED, GROUP, MASTERS

_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_SCALED = ("deployments/scale", "replicasets/scale", "statefulsets/scale")
_STREAMS = ("pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy")
_CORE = ("configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "serviceaccounts", "services")
_SHOWN = (
    *("endpoints", "bindings", "events", "limitranges", "namespaces", "resourcequotas", "pods/log"),
    *("namespaces/status", "persistentvolumeclaims/status", "pods/status", "replicationcontrollers/scale"),
    *("replicationcontrollers/status", "resourcequotas/status", "services/status"),
)
_OTHERS: dict[str, Sequence[str]] = {
    "apps": ("daemonsets", "deployments", "replicasets", "statefulsets"),
    "autoscaling": ("horizontalpodautoscalers",),
    "batch": ("cronjobs", "jobs"),
    "policy": ("poddisruptionbudgets",),
    "networking.k8s.io": ("ingresses", "networkpolicies"),
}
_PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *_PUBLIC)


def objects() -> list[Raw]:
    """What is created where it is absent."""
    everything = [_rule(["*"], ["*"], "*"), {"nonResourceURLs": ["*"], "verbs": ["*"]}]
    oneself = [
        _rule(["create"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], "authorization.k8s.io"),
        _rule(["create"], ["selfsubjectreviews"], "authentication.k8s.io"),
    ]
    return [
        *_bound("cluster-admin", everything, [MASTERS]),
        *_bound("system:basic-user", oneself, [AUTHENTICATED]),
        *_bound("system:discovery", [{"nonResourceURLs": list(_DISCOVERY), "verbs": ["get"]}], [AUTHENTICATED]),
        *_bound("system:public-info-viewer", [{"nonResourceURLs": list(_PUBLIC), "verbs": ["get"]}], [AUTHENTICATED]),
        *_aggregated("view", _view()),
        *_aggregated("edit", _edit(), "view"),
        *_aggregated("admin", _admin(), "edit", "view"),
    ]


def _view() -> list[Raw]:
    shown = {group: [*names, *map("{}/status".format, names)] for group, names in _OTHERS.items() if group != "apps"}
    apps = [*_OTHERS["apps"], *map("{}/status".format, _OTHERS["apps"]), *_SCALED, "controllerrevisions"]
    rules = {"": [*_CORE, *_SHOWN], **shown, "apps": apps, "discovery.k8s.io": ["endpointslices"]}
    rules["networking.k8s.io"].remove("networkpolicies/status")
    return [_rule(_READ, names, group) for group, names in rules.items()] + [
        _rule(_READ, ["pods", "nodes"], "metrics.k8s.io")
    ]


def _edit() -> list[Raw]:
    changed = {"": [*_CORE, "events", "secrets", "replicationcontrollers/scale", *_STREAMS], **_OTHERS}
    changed["apps"] = [*_OTHERS["apps"], *_SCALED]
    return [
        *_view(),
        _rule(_READ, ["secrets", *_STREAMS], ""),
        _rule(["create"], ["pods/eviction", "serviceaccounts/token"], ""),
        *(_rule(_WRITE, names, group) for group, names in changed.items()),
        _rule((*_READ, *_WRITE), ["leases"], "coordination.k8s.io"),
    ]


def _admin() -> list[Raw]:
    return [
        *_edit(),
        _rule(["create"], ["localsubjectaccessreviews"], "authorization.k8s.io"),
        _rule((*_READ, *_WRITE), ["roles", "rolebindings"], GROUP),
    ]


def _rule(verbs: Sequence[str], resources: Sequence[str], group: str) -> Raw:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}


def _role(name: str, rules: list[Raw]) -> Raw:
    return _object("ClusterRole", name) | {"rules": rules}


def _aggregated(name: str, rules: list[Raw], *less: str) -> list[Raw]:
    """A ClusterRole to which others add themselves by a label, and the first that does; `less` are those within it."""
    own = _role(f"system:aggregate-to-{name}", rules)
    own["metadata"]["labels"] = _LABELS | {f"{GROUP}/aggregate-to-{name}": "true"}
    selectors = [{"matchLabels": {f"{GROUP}/aggregate-to-{each}": "true"}} for each in (name, *less)]
    return [own, _role(name, rules) | {"aggregationRule": {"clusterRoleSelectors": selectors}}]


def _bound(name: str, rules: list[Raw], groups: list[str]) -> list[Raw]:
    """A ClusterRole, and the binding of its name."""
    subjects = [{"apiGroup": GROUP, "kind": "Group", "name": group} for group in groups]
    reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": name}
    return [_role(name, rules), _object("ClusterRoleBinding", name) | {"roleRef": reference, "subjects": subjects}]


def _object(kind: str, name: str) -> Raw:
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name, "labels": _LABELS}}
