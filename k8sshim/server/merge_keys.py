"""How lists merge under a strategic merge patch: by which key, as sets, or not at all.

The entries are the `x-kubernetes-patch-merge-key` of Kubernetes' published schemas (OpenAPI v2). A field is known by
the end of its path, list indices left out; where a name means two things, the longer ending wins. Pure.
"""

from __future__ import annotations

PRIMITIVE = "$primitive"  # a list of plain values that merges as a set

_BY_ENDING = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "drivers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "finalizers": PRIMITIVE,
    "hostAliases": "ip",
    "hostIPs": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "matchConditions": "name",
    "ownerReferences": "uid",
    "podCIDRs": PRIMITIVE,
    "podIPs": "ip",
    "containers.ports": "containerPort",
    "initContainers.ports": "containerPort",
    "ephemeralContainers.ports": "containerPort",
    "reservedFor": "uid",
    "resourceClaims": "name",
    "resourceClaimStatuses": "name",
    "schedulingGates": "name",
    "topologySpreadConstraints": "topologyKey",
    "validations": "",
    "variables": "name",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
    "webhooks": "name",
}
# By kind, where the ending alone would mislead; "" is a list that is replaced whole.
_BY_KIND = {
    ("Service", "spec.ports"): "port",
    ("ServiceAccount", "secrets"): "name",
    ("ServiceAccount", "imagePullSecrets"): "",
    ("Endpoints", "subsets.addresses"): "",
    ("CustomResourceDefinition", "status.conditions"): "",
    ("Ingress", "status.conditions"): "",
    ("CertificateSigningRequest", "status.conditions"): "",
    ("ValidatingAdmissionPolicy", "status.conditions"): "",
}


def merge_key(kind: str, path: tuple[str, ...]) -> str:
    """The key by which the list at `path` of such an object merges; PRIMITIVE for sets; "" where it is replaced."""
    exact = _BY_KIND.get((kind, ".".join(path)))
    if exact is not None:
        return exact
    if "resources" in path and path[-1] == "claims":
        return ""
    for length in (2, 1):
        key = _BY_ENDING.get(".".join(path[-length:]))
        if key is not None:
            return key
    return ""
