"""The shape of an administrator's policies as JSON Schemas: fields, types, and what is required.

Kubernetes publishes no schema of these kinds, as they come with a custom resource definition. Written after the API
types of https://github.com/kubernetes-sigs/network-policy-api; bounds and choices are rules in `admin_policies`, which
says them in Kubernetes' words. Unlike a built-in kind's, a field that is null is refused, as in any custom resource.
Pure.
"""

from __future__ import annotations

from k8sshim.kinds import Kind
from k8sshim.objects import Raw

_STRING: Raw = {"type": "string"}
_NUMBER: Raw = {"type": "integer", "format": "int32"}
_ANYTHING: Raw = {"type": "object"}
_METADATA: Raw = {"$ref": "/api/_definitions.json#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}


def _object(fields: Raw, required: tuple[str, ...] = ()) -> Raw:
    return {"type": "object", "properties": fields, "additionalProperties": False, "required": list(required)}


def _list(element: Raw) -> Raw:
    return {"type": "array", "items": element}


_REQUIREMENT = _object({"key": _STRING, "operator": _STRING, "values": _list(_STRING)}, ("key", "operator"))
_LABELS: Raw = {"type": "object", "additionalProperties": _STRING}
_SELECTOR = _object({"matchLabels": _LABELS, "matchExpressions": _list(_REQUIREMENT)})
_RANGE = {"start": _NUMBER, "end": _NUMBER}

# `v1alpha1`
_PORTS = _list(
    _object(
        {
            "portNumber": _object({"protocol": _STRING, "port": _NUMBER}, ("port",)),
            "portRange": _object({"protocol": _STRING, **_RANGE}, ("start", "end")),
            "namedPort": _STRING,
        }
    )
)
# `v1alpha2`
_NUMBERS = _object({"number": _NUMBER, "range": _object(_RANGE, ("start", "end"))})
_PROTOCOL = _object({"destinationPort": _NUMBERS})
_PROTOCOLS = _list(_object({"tcp": _PROTOCOL, "udp": _PROTOCOL, "sctp": _PROTOCOL, "destinationNamedPort": _STRING}))


def _pods(required: tuple[str, ...]) -> Raw:
    pods = _object({"namespaceSelector": _SELECTOR, "podSelector": _SELECTOR}, required)
    return {"namespaces": _SELECTOR, "pods": pods}


def _policy(subjects: Raw, ports: Raw, fields: Raw, required: tuple[str, ...]) -> Raw:
    """`subjects`: how pods are picked; `ports`: the field of a rule that names some; `fields`: others of the policy."""
    elsewhere = {"nodes": _SELECTOR, "networks": _list(_STRING), "domainNames": _list(_STRING)}
    rule = {"name": _STRING, "action": _STRING, **ports}
    ingress = _object({**rule, "from": _list(_object(subjects))}, ("action", "from"))
    egress = _object({**rule, "to": _list(_object({**subjects, **elsewhere}))}, ("action", "to"))
    rules = {"ingress": _list(ingress), "egress": _list(egress)}
    return _object({**fields, "subject": _object(subjects), **rules}, (*required, "subject"))


_BOTH = _pods(("namespaceSelector", "podSelector"))
_SPECS = {
    "AdminNetworkPolicy": _policy(_BOTH, {"ports": _PORTS}, {"priority": _NUMBER}, ("priority",)),
    "BaselineAdminNetworkPolicy": _policy(_BOTH, {"ports": _PORTS}, {}, ()),
    "ClusterNetworkPolicy": _policy(
        _pods(("podSelector",)),
        {"protocols": _PROTOCOLS},
        {"tier": _STRING, "priority": _NUMBER},
        ("tier", "priority"),
    ),
}


def policy_schema(kind: Kind) -> Raw:
    """The schema of one of these kinds, for a registry that has the definitions of Kubernetes' published schemas."""
    fields = {"apiVersion": _STRING, "kind": _STRING, "metadata": _METADATA, "spec": _SPECS[kind.kind]}
    return {
        **_object({**fields, "status": _ANYTHING}, ("metadata", "spec")),
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://kubernetes.io/api/{kind.singular}/{kind.group}/{kind.version}",
    }
